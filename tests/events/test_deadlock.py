"""A deadlock of MySQL: who may begin anew, how often, and who may not."""

import pytest
from django.db import OperationalError, connections, transaction

from events.deadlock import MYSQL_DEADLOCK, TIMES, anew_after_deadlock

DEADLOCK = OperationalError(MYSQL_DEADLOCK, "Deadlock found")


class Victim:
    """A call that so many deadlocks befall, or another error, before it succeeds."""

    def __init__(self, often, error=DEADLOCK):
        self.often, self.error, self.calls = often, error, 0

    def __call__(self):
        self.calls += 1
        if self.calls <= self.often:
            raise self.error
        return "done"


@pytest.fixture
def mysql(outbox_database, monkeypatch):
    """A database that says of itself that it is MySQL: what is decided here needs no server."""
    monkeypatch.setattr(connections[outbox_database], "vendor", "mysql")
    return outbox_database


pytestmark = pytest.mark.parametrize("outbox_database", ["sqlite"], indirect=True)


@pytest.mark.parametrize("often", [0, 1, TIMES])
def test_a_victim_begins_anew(mysql, often):
    call = Victim(often)

    assert anew_after_deadlock(mysql, call) == "done"
    assert call.calls == often + 1


def test_not_for_ever(mysql):
    call = Victim(TIMES + 1)

    with pytest.raises(OperationalError, match="Deadlock"):
        anew_after_deadlock(mysql, call)

    assert call.calls == TIMES + 1


@pytest.mark.parametrize("error", [OperationalError(1205, "Lock wait timeout"), OperationalError(), ValueError(1213)])
def test_another_error_is_the_callers(mysql, error):
    call = Victim(1, error)

    with pytest.raises(type(error)):
        anew_after_deadlock(mysql, call)

    assert call.calls == 1


def test_the_same_number_means_nothing_on_another_database(outbox_database):
    with pytest.raises(OperationalError):
        anew_after_deadlock(outbox_database, Victim(1))


def test_inside_a_larger_transaction_it_is_the_callers(mysql):
    with transaction.atomic(using=mysql):
        assert anew_after_deadlock(mysql, Victim(1)) == "done"
        with transaction.atomic(using=mysql), pytest.raises(OperationalError):
            anew_after_deadlock(mysql, Victim(1))
