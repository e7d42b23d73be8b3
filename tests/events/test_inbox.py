"""The inbox on SQLite, PostgreSQL and MariaDB: once, whoever is late and whatever rolls back."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.utils import timezone

from events import inbox
from events.database import DatabaseThread
from events.models import HandledEvent, InboxSubscriber
from tests.effects import effects, write
from tools.server import wait_until

pytestmark = pytest.mark.usefixtures("outbox_database")


@pytest.fixture(autouse=True)
def _no_numbers():
    inbox._numbers.clear()
    yield
    inbox._numbers.clear()


def handled(alias):
    return set(HandledEvent.objects.using(alias).values_list("event_id", flat=True))


def test_the_second_time_nothing_happens(outbox_database):
    event = uuid.uuid4()

    times = [inbox.handle_once("shop/count", [event], call=lambda new: write(str(len(new)))) for _ in range(2)]

    assert times == [True, False]
    assert effects() == ["1"]


def test_two_subscribers_each_have_their_own_memory():
    event = uuid.uuid4()

    times = [inbox.handle_once(key, [event], call=lambda new, key=key: write(key)) for key in ("shop/one", "shop/two")]

    assert times == [True, True]
    assert effects() == ["shop/one", "shop/two"]


def test_an_error_undoes_the_row_with_the_effect(outbox_database):
    event = uuid.uuid4()

    def fail(new):
        write("lost")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        inbox.handle_once("shop/count", [event], call=fail)

    assert not handled(outbox_database)
    assert effects() == []


def test_of_a_batch_only_the_new_ones_are_given_and_each_once(outbox_database):
    known, new, other = uuid.uuid4(), uuid.uuid4(), uuid.uuid4()
    inbox.handle_once("shop/count", [known], call=lambda _: None)
    given = []

    inbox.handle_once("shop/count", [new, known, other, new], call=given.append)

    assert given == [{new, other}]
    assert handled(outbox_database) == {known, new, other}


def test_a_batch_may_be_larger_than_one_insert(outbox_database):
    ids = [uuid.uuid4() for _ in range(inbox.CHUNK * 2 + 1)]
    given = []

    inbox.handle_once("shop/count", ids, call=given.append)

    assert given == [set(ids)]


def test_without_returning_the_new_ones_are_found_all_the_same(outbox_database, monkeypatch):
    monkeypatch.setattr(inbox, "_insert_returning", inbox._insert_each)  # the way of MySQL
    known, new = uuid.uuid4(), uuid.uuid4()
    inbox.handle_once("shop/count", [known], call=lambda _: None)
    given = []

    inbox.handle_once("shop/count", [known, new], call=given.append)

    assert given == [{new}]


@pytest.mark.parametrize("first_commits", [True, False])
def test_two_who_hold_the_same_record_have_one_effect(outbox_database, database_thread, other_thread, first_commits):
    event, inside, may_end = uuid.uuid4(), threading.Event(), threading.Event()

    def slow(new):
        write("effect")
        inside.set()
        assert may_end.wait(30)
        if not first_commits:
            raise ValueError

    zombie = database_thread.submit(inbox.handle_once, "shop/count", [event], call=slow)
    assert inside.wait(30)
    owner = other_thread.submit(inbox.handle_once, "shop/count", [event], call=lambda _: write("effect"))
    assert not owner.done()  # it waits for the other one's transaction
    may_end.set()

    assert owner.result(30) is not first_commits
    assert (zombie.exception(30) is None) is first_commits
    assert effects() == ["effect"]


def test_of_three_who_hold_the_same_record_none_fails_because_the_first_rolls_back(outbox_database, other_thread):
    event, inside, may_end = uuid.uuid4(), threading.Event(), threading.Event()
    threads = [other_thread, DatabaseThread("second"), DatabaseThread("third")]

    def fail(new):
        inside.set()
        assert may_end.wait(30)
        raise ZeroDivisionError

    first = other_thread.submit(inbox.handle_once, "shop/count", [event], call=fail)
    assert inside.wait(30)
    later = [
        thread.submit(inbox.handle_once, "shop/count", [event], call=lambda _: write("effect"))
        for thread in threads[1:]
    ]
    _until_both_wait(outbox_database)
    may_end.set()

    ended = [first.exception(30), *(one.exception(30) for one in later)]
    for thread in threads[1:]:
        thread.shutdown()

    assert isinstance(ended[0], ZeroDivisionError)
    assert ended[1:] == [None, None]  # MySQL alone calls one of them a deadlock
    assert sorted(one.result() for one in later) == [False, True]
    assert effects() == ["effect"]


def _until_both_wait(alias):
    """Return when MySQL says that two transactions wait; elsewhere nothing depends on that."""
    if connections[alias].vendor == "mysql":
        waiting = "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'"
        with connections[alias].cursor() as cursor:
            # Asked more often than every 0.1 s, it repeats its last answer.
            assert wait_until(lambda: cursor.execute(waiting) and cursor.fetchone() == (2,), 30, step=0.3)


def test_a_number_made_in_a_transaction_that_rolls_back_is_forgotten(outbox_database):
    with transaction.atomic(using=outbox_database):
        inbox.subscriber_number("shop/rolled-back")
        transaction.set_rollback(True, using=outbox_database)
    other = inbox.subscriber_number("shop/other")

    again = inbox.subscriber_number("shop/rolled-back")

    assert again != other
    assert InboxSubscriber.objects.using(outbox_database).get(name="shop/rolled-back").pk == again


def test_a_number_is_asked_for_once(outbox_database):
    number = inbox.subscriber_number("shop/count")

    InboxSubscriber.objects.using(outbox_database).all().delete()

    assert inbox.subscriber_number("shop/count") == number


def test_pruning_forgets_the_old_in_chunks_and_keeps_the_rest(outbox_database):
    now = timezone.now()
    for age in range(10):
        HandledEvent.objects.using(outbox_database).create(
            subscriber_id=1, event_id=uuid.uuid4(), at=now - timedelta(days=age)
        )

    gone = [inbox.prune(now - timedelta(days=2, hours=12), chunk=3) for _ in range(4)]

    assert gone == [3, 3, 1, 0]
    assert HandledEvent.objects.using(outbox_database).count() == 3
