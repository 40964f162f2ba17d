from __future__ import annotations

import pytest

from teamclaude.routing.apply_response import backoff_delay, bench_end
from teamclaude.routing.quota.rules import Rules

EVERY_POLICY = True

RULES = Rules()
STEADY = Rules(backoff_jitter=False)


def test_the_ladder_is_60_240_900_and_stays_there():
    assert [backoff_delay(streak, STEADY) for streak in (1, 2, 3, 4, 50, 10_000)] == [
        60,
        240,
        900,
        900,
        900,
        900,
    ]


@pytest.mark.parametrize(("roll", "expected"), [(0.0, 60), (0.5, 150), (1.0, 240)])
def test_jitter_spreads_the_end_between_the_base_and_the_ladder_value(roll, expected):
    assert backoff_delay(2, RULES, roll) == expected
    assert backoff_delay(1, RULES, roll) == 60


def test_without_jitter_the_roll_is_ignored():
    assert backoff_delay(2, STEADY, 0.0) == 240


def test_a_cap_below_the_base_wins():
    assert backoff_delay(1, Rules(backoff_sec=60, backoff_cap_sec=10), 0.3) == 10


@pytest.mark.parametrize("retry_after", [0.0, 1.0, 17.0, 51811.0])
def test_retry_after_is_honoured_verbatim(retry_after):
    assert bench_end(1000, 3, STEADY, retry_after=retry_after, resets_at=9999) == 1000 + retry_after


def test_else_the_reset_of_the_rejected_axis_counts_while_it_is_ahead():
    assert bench_end(1000, 3, STEADY, resets_at=9999) == 9999
    assert bench_end(1000, 3, STEADY, resets_at=1000) == 1900


def test_else_the_ladder():
    assert bench_end(1000, 2, STEADY) == 1240
