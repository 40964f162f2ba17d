from __future__ import annotations

import pytest

from teamclaude.lab.upper_bound import Demand, Overshoot, WeeklyWindow, upper_bound, usable_tokens

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


def beyond(axis: str, tokens: float, at: float = HOUR) -> list[Overshoot]:
    return [Overshoot(at, "a", axis, tokens)]


def test_overshoot_raises_the_bound_but_never_above_what_was_wanted():
    spans = [WeeklyWindow(0.0, WEEK, 100.0, 50.0, "a")]
    assert upper_bound(demand((HOUR, 300.0)), spans, WEEK, beyond("7d", 7.0)) == 107.0
    assert upper_bound(demand((HOUR, 103.0)), spans, WEEK, beyond("7d", 7.0)) == 103.0


def test_overshoot_raises_only_the_window_that_it_lies_beyond():
    spans = [WeeklyWindow(0.0, WEEK, 100.0, 50.0, "a"), WeeklyWindow(0.0, WEEK, 100.0, 50.0, "b")]
    much = demand((HOUR, 300.0))
    assert upper_bound(much, spans, WEEK, beyond("5h", 7.0)) == 200.0  # the week holds it
    assert upper_bound(much, spans, WEEK, beyond("7d", 7.0, at=2 * WEEK)) == 200.0  # in another week
    short = [WeeklyWindow(0.0, 5 * HOUR, 100.0, 20.0, "a")]
    assert upper_bound(much, short, WEEK, beyond("5h", 7.0)) == 47.0
    assert upper_bound(much, short, WEEK, beyond("7d", 7.0)) == 40.0


def test_what_lies_beyond_a_window_that_goes_on_is_borrowed():
    spans = [WeeklyWindow(0.0, WEEK, 100.0, 50.0, "a", goes_on=True)]
    assert upper_bound(demand((HOUR, 300.0)), spans, WEEK, beyond("7d", 7.0)) == 100.0


def test_five_hour_windows_bound_a_short_time():
    span = WeeklyWindow(0.0, 10 * HOUR, 1000.0, 10.0)
    assert usable_tokens(span, 0.0) == 30.0  # three 5h windows can lie in ten hours
    assert usable_tokens(span, 9 * HOUR) == 20.0
    assert usable_tokens(span, 10 * HOUR) == 0.0


def test_an_account_whose_login_is_lost_may_use_all_of_its_week(scenario):
    kept, lost = scenario(1.2), scenario(1.2, first_login_lost_sec=WEEK - 60.0)
    whole, cut = (made.weekly_windows(made.setups[0])[-1] for made in (kept, lost))
    assert whole.goes_on
    assert whole.week < kept.setups[0].week
    assert cut[1:3] == (WEEK - 60.0, lost.setups[0].week)
    assert not cut.goes_on


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
    overshoot = Overshoot(1.0, "acct1", "7d_opus", 7.0)
    assert scoped.upper_bound([overshoot]) == pytest.approx(scoped.upper_bound() + 7.0)
    assert scoped.upper_bound([overshoot._replace(axis="7d")]) == scoped.upper_bound()


@pytest.mark.parametrize(("seed", "share"), [(1, 0.05), (2, 0.2), (1, 0.5)])
def test_no_run_exceeds_the_bound_of_a_window_for_some_models(played, seed, share):
    score = played("price", 0.9, seed=seed, opus_window=share)
    assert 0.3 < score.completed <= 1.0
