"""What is kept when: planning alone."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from teamclaude.history.retention import Limits, excess_bytes, keep_at
from teamclaude.history.steps import DAY, FIVE_MINUTES, HOUR

from .conftest import NOON

MIDNIGHT = NOON - 12 * HOUR


def test_rows_are_of_5_minutes_for_a_week_of_an_hour_for_five_then_of_a_day() -> None:
    keep = keep_at(Limits(), NOON)
    assert (keep.hours_until, keep.days_until) == (MIDNIGHT - 7 * DAY, MIDNIGHT - 35 * DAY)
    assert [keep.step_at(at) for at in (NOON, keep.hours_until, keep.days_until)] == [
        FIVE_MINUTES,
        FIVE_MINUTES,
        HOUR,
    ]
    assert [keep.step_at(at - 1) for at in (keep.hours_until, keep.days_until)] == [HOUR, DAY]


@pytest.mark.parametrize(
    ("days", "since"), [(400.0, MIDNIGHT - 400 * DAY), (1.0, MIDNIGHT - DAY), (0.0, None), (0.25, MIDNIGHT)]
)
def test_what_is_older_than_the_user_wants_goes(days: float, since: float) -> None:
    assert keep_at(Limits(days), NOON).since == since


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
def test_every_bound_is_a_local_midnight(utc: Callable[[str], None], zone: str) -> None:
    utc(zone)
    for bound in keep_at(Limits(), NOON):
        assert bound is not None
        local = time.localtime(bound)
        assert (local.tm_hour, local.tm_min, local.tm_sec) == (0, 0, 0)


@pytest.mark.parametrize("now", [0.0, 1000.0])
def test_a_clock_that_was_never_set_plans_too(now: float) -> None:
    assert keep_at(Limits(), now).days_until <= now


@pytest.mark.parametrize(("used", "excess"), [(0, 0), (90, 0), (95, 0), (96, 6), (100, 10), (250, 160)])
def test_a_file_that_is_too_large_is_cut_to_nine_tenths(used: int, excess: int) -> None:
    assert excess_bytes(Limits(400.0, 100), used) == excess
