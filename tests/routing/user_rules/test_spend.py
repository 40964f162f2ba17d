from __future__ import annotations

import math
from datetime import datetime, timezone

import pytest

from teamclaude.routing.user_rules.spend import SpendLimits, describe, periods_of, spend_stop, utc_periods

NOW = datetime(2026, 12, 31, 23, 30, tzinfo=timezone.utc).timestamp()
DAY, MONTH = utc_periods(NOW)


def test_a_day_and_a_month_with_their_ends():
    assert (DAY.name, MONTH.name) == ("2026-12-31", "2026-12")
    assert DAY.ends == MONTH.ends == NOW + 1800
    day, month = utc_periods(datetime(2028, 2, 28, 12, tzinfo=timezone.utc).timestamp())
    assert day.ends == datetime(2028, 2, 29, tzinfo=timezone.utc).timestamp()
    assert month.ends == datetime(2028, 3, 1, tzinfo=timezone.utc).timestamp()


def test_a_moment_without_a_zone_is_local():
    moment = datetime(2026, 5, 5, 5, 5)
    assert periods_of(moment)[0].ends == datetime(2026, 5, 6).timestamp()


@pytest.mark.parametrize(
    ("limits", "day", "month", "text"),
    [
        ((20, 200), 19.99, 199.99, ""),
        ((20, 200), 20.0, 20.0, "~$20.00 of $20 today"),
        ((None, 200), 500.0, 200.4, "~$200.40 of $200 this month"),
        ((None, None), 500.0, 500.0, ""),
        ((0, None), 0.0, 0.0, "maxSpend.day is 0"),
        ((20, 0), 500.0, 500.0, "maxSpend.month is 0"),
        ((0, 0), 0.0, 0.0, "maxSpend.day is 0"),
        ((2.5, None), 3.0, 3.0, "~$3.00 of $2.5 today"),
    ],
)
def test_a_limit_stops_when_it_is_reached(limits, day, month, text):
    stop = spend_stop(SpendLimits(*limits), {DAY.name: day, MONTH.name: month}, (DAY, MONTH))
    assert ("" if stop is None else stop.text) == text


@pytest.mark.parametrize("limits", [(0, None), (None, 0), (0, 0), (0, 5)])
def test_a_limit_of_nothing_ends_with_no_period(limits):
    stop = spend_stop(SpendLimits(*limits), {}, (DAY, MONTH))
    assert stop is not None
    assert stop.until == math.inf


def test_of_two_the_one_that_lasts_longer_is_told():
    day, month = utc_periods(datetime(2026, 6, 6, tzinfo=timezone.utc).timestamp())
    stop = spend_stop(SpendLimits(1, 2), {day.name: 5, month.name: 5}, (day, month), "together ")
    assert stop == ("together ~$5.00 of $2 this month", month.ends)


def test_what_other_days_have_cost_does_not_count():
    assert spend_stop(SpendLimits(1), {"2026-12-30": 5.0}, (DAY, MONTH)) is None


def test_both_sums_are_told():
    spent = {DAY.name: 3.2, MONTH.name: 50}
    assert (
        describe(SpendLimits(20, 200), spent, (DAY, MONTH))
        == "~$3.20 of $20 today, ~$50.00 of $200 this month"
    )
    assert describe(SpendLimits(), spent, (DAY, MONTH)) == ""
