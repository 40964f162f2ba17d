from __future__ import annotations

import pytest

from teamclaude.lab.upper_bound import Demand, WeeklyWindow, capacity_from, upper_bound

HOUR = 3600.0
WEEK = 7 * 24 * HOUR


def demand(*rows):
    return Demand([(at, 0, cost) for at, cost in rows], {})


def test_demand_bounds_what_can_be_done():
    assert (
        upper_bound(demand((HOUR, 30.0), (2 * WEEK, 5.0)), [WeeklyWindow(0.0, WEEK, 100.0, 50.0)], WEEK)
        == 30.0
    )


def test_weekly_quota_bounds_what_can_be_done():
    assert upper_bound(demand((HOUR, 300.0)), [WeeklyWindow(0.0, WEEK, 100.0, 50.0)], WEEK) == 100.0


def test_work_that_comes_late_can_not_use_the_quota_of_before():
    spans = [WeeklyWindow(0.0, WEEK, 100.0, 50.0), WeeklyWindow(WEEK, 2 * WEEK, 100.0, 50.0)]
    late = demand((HOUR, 20.0), (WEEK + HOUR, 300.0))
    assert upper_bound(late, spans, 2 * WEEK) == 120.0


def test_overshoot_raises_the_bound_but_never_above_what_was_wanted():
    spans = [WeeklyWindow(0.0, WEEK, 100.0, 50.0)]
    assert upper_bound(demand((HOUR, 300.0)), spans, WEEK, overshoot=7.0) == 107.0
    assert upper_bound(demand((HOUR, 103.0)), spans, WEEK, overshoot=7.0) == 103.0


def test_five_hour_windows_bound_a_short_time():
    span = WeeklyWindow(0.0, 10 * HOUR, 1000.0, 10.0)
    assert capacity_from([span], 0.0) == 30.0  # three 5h windows can lie in ten hours
    assert capacity_from([span], 9 * HOUR) == 20.0
    assert capacity_from([span], 10 * HOUR) == 0.0


def test_the_weekly_bound_is_not_below_what_a_run_achieves(scenario):
    made = scenario(1.2)
    assert made.upper_bound() <= made.demand.wanted_before(made.end)
    assert sum(made.last_week_allowance().values()) == pytest.approx(
        sum(made.weekly_windows(setup)[-1].week for setup in made.setups), rel=1e-9
    )
