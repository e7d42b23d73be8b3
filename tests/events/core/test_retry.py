"""When to try again, and when never."""

import pytest

from events.core.retry import BackOff, RetryPolicy


def no_jitter():
    return 0.0


def all_jitter():
    return 1.0


@pytest.mark.parametrize(("attempt", "delay"), [(1, 0.5), (2, 1.0), (3, 2.0), (4, 3.0), (5, None), (6, None)])
def test_delays_double_up_to_the_most_and_end_with_the_attempts(attempt, delay):
    policy = RetryPolicy(attempts=5, delay_s=0.5, max_delay_s=3.0, chance=no_jitter)

    assert policy.delay_after(attempt) == delay


def test_jitter_takes_off_half_at_most():
    policy = RetryPolicy(attempts=5, delay_s=1.0, chance=all_jitter)

    assert policy.delay_after(1) == 0.5


def test_one_attempt_means_no_retry():
    assert RetryPolicy(attempts=1).delay_after(1) is None


def test_a_very_late_attempt_does_not_overflow():
    policy = RetryPolicy(attempts=10_000, delay_s=0.5, max_delay_s=30.0, chance=no_jitter)

    assert policy.delay_after(9_999) == 30.0


def test_a_back_off_starts_small_again_after_a_reset():
    back_off = BackOff(0.5, 1.5, no_jitter)

    before = [back_off.next() for _ in range(4)]
    back_off.reset()

    assert before == [0.5, 1.0, 1.5, 1.5]
    assert back_off.next() == 0.5


def test_the_default_jitter_is_random():
    delays = {BackOff(1.0, 1.0).next() for _ in range(20)}

    assert len(delays) > 1
    assert all(0.5 <= delay <= 1.0 for delay in delays)
