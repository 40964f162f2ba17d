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


def test_a_window_for_some_models_bounds_the_work_with_these(scenario):
    free, scoped = scenario(0.6), scenario(0.6, opus_window=0.1)
    opus = free.demand.of_family("opus").wanted_before(free.end)
    wanted = free.demand.wanted_before(free.end)
    assert free.upper_bound() == wanted
    in_windows = sum(0.1 * w.week for setup in scoped.setups for w in scoped.weekly_windows(setup))
    assert in_windows < opus
    assert scoped.upper_bound() == pytest.approx(wanted - opus + in_windows)
    assert scoped.upper_bound(overshoot=7.0) == pytest.approx(scoped.upper_bound() + 7.0)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("share", [0.05, 0.2, 0.5])
def test_no_run_exceeds_the_bound_of_a_window_for_some_models(played, seed, share):
    score = played("price", 0.9, seed=seed, opus_window=share)
    assert 0.3 < score.completed <= 1.0
