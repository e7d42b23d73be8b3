"""A nudge reaches those who listen, from any thread, and nobody else."""

import threading

from events.core.nudge import listening, nudge


def test_it_reaches_every_listener_while_it_listens():
    heard = []

    nudge()
    with listening(lambda: heard.append("a")), listening(lambda: heard.append("b")):
        nudge()
    nudge()

    assert heard == ["a", "b"]


def test_it_may_come_from_another_thread():
    heard = []

    with listening(lambda: heard.append(threading.current_thread().name)):
        thread = threading.Thread(target=nudge, name="another")
        thread.start()
        thread.join()

    assert heard == ["another"]


def test_a_listener_that_raised_in_its_block_is_gone_too():
    heard = []

    try:
        with listening(lambda: heard.append(1)):
            raise ZeroDivisionError
    except ZeroDivisionError:
        nudge()

    assert heard == []
