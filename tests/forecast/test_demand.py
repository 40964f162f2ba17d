"""The week's profile, what is at work now, and how far demand strays."""

from __future__ import annotations

import json
import math

import pytest

from teamclaude.forecast.bursts import BURST_GRID, COURSE_COUNT, bursty_courses
from teamclaude.forecast.demand import DemandModel
from teamclaude.forecast.profile import WeekProfile
from teamclaude.forecast.readings import HOUR_SEC, WEEK_SEC, PoolReading
from teamclaude.forecast.spread import gamma_factor, normal_level
from teamclaude.snapshot import Window
from tests.forecast.support import MONDAY, STEP, account, week_hour


def office_weeks(weeks: int, tokens: float = 100_000.0) -> WeekProfile:
    """Work from 9 to 17 on working days."""
    profile = WeekProfile(week_hour)
    for hour in range(weeks * 168):
        at = MONDAY + hour * HOUR_SEC
        day, clock = divmod(week_hour(at), 24)
        profile.add(tokens if day < 5 and 9 <= clock < 17 else 0.0, at, at + HOUR_SEC)
    return profile


# --- the profile --------------------------------------------------------------------------------


def test_busy_hours_are_told_from_nights_and_weekends() -> None:
    profile = office_weeks(3)
    noon, night, sunday = (MONDAY + hours * HOUR_SEC for hours in (12, 3, 6 * 24 + 12))
    assert profile.rate(noon) == pytest.approx(100_000, rel=0.15)
    assert profile.rate(night) < 10_000
    assert profile.rate(sunday) < 15_000


def test_a_day_that_was_not_seen_is_like_the_others_of_its_kind() -> None:
    profile = WeekProfile(week_hour)
    for hour in range(48):  # Monday and Tuesday
        at = MONDAY + hour * HOUR_SEC
        profile.add(100_000.0 if 9 <= hour % 24 < 17 else 0.0, at, at + HOUR_SEC)
    thursday = MONDAY + (3 * 24 + 12) * HOUR_SEC
    assert profile.rate(thursday) > 70_000
    assert profile.rate(thursday + 12 * HOUR_SEC) < 20_000


def test_later_weeks_count_more() -> None:
    profile = office_weeks(2)
    for hour in range(168):
        at = MONDAY + 2 * WEEK_SEC + hour * HOUR_SEC
        profile.add(0.0, at, at + HOUR_SEC)
    assert profile.rate(MONDAY + 12 * HOUR_SEC) < 65_000


def test_tokens_are_spread_over_the_hours_they_were_burned_in() -> None:
    profile = WeekProfile(week_hour)
    profile.add(300.0, MONDAY + 0.5 * HOUR_SEC, MONDAY + 2 * HOUR_SEC)
    assert profile.observed == 1.5
    assert profile.mean == pytest.approx(200.0)


# --- demand -------------------------------------------------------------------------------------


def observed(rate: float, hours: float, active: int = 0) -> DemandModel:
    model = DemandModel(week_hour)
    for step in range(int(hours * HOUR_SEC / STEP) + 1):
        at = MONDAY + step * STEP
        model.observe(PoolReading(at, (account(burned=rate * step * STEP / HOUR_SEC),), active))
    return model


def test_steady_work_is_expected_to_go_on() -> None:
    model = observed(50_000, 24, active=1)
    (hour, day) = model.expected(MONDAY + 24 * HOUR_SEC, (HOUR_SEC, 24 * HOUR_SEC))
    assert hour == pytest.approx(50_000, rel=0.05)
    assert day == pytest.approx(24 * 50_000, rel=0.05)


def test_more_conversations_at_work_raise_the_next_hours_only() -> None:
    model, now = observed(50_000, 24, active=1), MONDAY + 24 * HOUR_SEC
    usual = model.expected(now, (HOUR_SEC, 24 * HOUR_SEC, 25 * HOUR_SEC))
    model.active = 10
    crowded = model.expected(now, (HOUR_SEC, 24 * HOUR_SEC, 25 * HOUR_SEC))
    assert crowded[0] > 2 * usual[0]
    assert crowded[2] - crowded[1] == pytest.approx(usual[2] - usual[1], rel=0.01)


def test_time_without_readings_is_no_time_without_work() -> None:
    model, later = observed(50_000, 12), MONDAY + 40 * HOUR_SEC
    model.observe(PoolReading(later, (account(burned=700_000),)))
    assert model.profile.observed == pytest.approx(12.0)
    assert model.profile.mean == pytest.approx(50_000, rel=0.01)


def test_what_a_dry_pool_would_have_burned_is_not_known() -> None:
    model = observed(50_000, 12)
    full = {"7d": Window(1.0, MONDAY + 99 * HOUR_SEC, "rejected")}
    for step in range(1, 49):
        at = MONDAY + 12 * HOUR_SEC + step * STEP
        model.observe(PoolReading(at, (account(burned=600_000, windows=full),)))
    assert model.profile.observed == pytest.approx(12.0, abs=0.1)
    assert model.profile.mean == pytest.approx(50_000, rel=0.02)


def test_an_account_that_counts_anew_or_comes_and_goes_is_no_work() -> None:
    model = observed(50_000, 12)
    end = MONDAY + 12 * HOUR_SEC
    for step, accounts in enumerate(((account(burned=5),), (account("b", burned=9_000_000),), ()), 1):
        model.observe(PoolReading(end + step * STEP, accounts))
    assert model.profile.mean < 50_000


def test_bursts_are_learned_from_errors() -> None:
    steady, bursty = observed(50_000, 72, active=1), DemandModel(week_hour)
    burned = 0.0
    for step in range(72 * 12 + 1):
        if step % 144 == 143:  # twice a day everything at once
            burned += 12 * 50_000.0
        bursty.observe(PoolReading(MONDAY + step * STEP, (account(burned=burned),), 1))
    assert bursty.burst > 5 * steady.burst
    assert bursty.shape(600_000.0) < steady.shape(600_000.0)


def test_bursts_and_what_a_conversation_burns_are_kept_over_a_restart() -> None:
    model, now = observed(50_000, 72, active=2), MONDAY + 72 * HOUR_SEC
    again, fresh = DemandModel(week_hour), DemandModel(week_hour)
    for each in (again, fresh):
        each.profile = model.profile
    again.restore(json.loads(json.dumps(model.to_json())), now)
    assert again.conversation_rate == pytest.approx(model.conversation_rate, rel=0.001)
    assert again.burst == pytest.approx(model.burst, rel=0.001)
    again.active = fresh.active = 2
    (before,), (after,), (anew,) = (each.expected(now, [HOUR_SEC]) for each in (model, again, fresh))
    assert after == pytest.approx(before, rel=0.001)
    assert anew < 0.9 * before
    later = DemandModel(week_hour)
    later.profile, later.active = model.profile, 2
    later.restore(model.to_json(), now + 2 * HOUR_SEC)
    assert later.expected(now, [HOUR_SEC])[0] < after


@pytest.mark.parametrize("pair", [None, [1], [-1.0, 5.0], ["a", 1], [1e999, 1], [1e308, 1], [1, 1e40]])
def test_what_was_saved_and_is_no_pair_is_learned_anew(pair: object) -> None:
    model, fresh = DemandModel(week_hour), DemandModel(week_hour)
    model.restore({"errors": pair, "conversation": pair, "recent": pair}, MONDAY)
    assert (model.burst, model.conversation_rate) == (fresh.burst, fresh.conversation_rate)
    assert model.expected(MONDAY, [HOUR_SEC]) == fresh.expected(MONDAY, [HOUR_SEC])


@pytest.mark.parametrize("pair", [[2.0**88, 2.0**88], [2.0**88, 0.0], [0.0, 2.0**88], [1e-308, 1e-308]])
def test_any_saved_pair_in_range_can_be_reckoned_with(pair: list[float]) -> None:
    model = DemandModel(week_hour)
    model.profile = observed(50_000, 72, active=2).profile
    model.active = 2
    model.restore({"errors": pair, "conversation": pair, "recent": pair}, MONDAY)
    (expected,) = model.expected(MONDAY, [HOUR_SEC])
    found = [expected, model.burst, model.conversation_rate, model.shape(expected)]
    assert all(map(math.isfinite, found))


# --- how far it strays -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("z", "shape", "quantile"),
    # As scipy.stats.gamma(shape, scale=1 / shape).ppf(...)
    [
        (0.0, 1.0, 0.693),
        (1.2816, 1.0, 2.303),
        (-1.2816, 1.0, 0.105),
        (1.2816, 10.0, 1.421),
        (0.0, 0.25, 0.175),
    ],
)
def test_quantiles_of_a_gamma_distribution(z: float, shape: float, quantile: float) -> None:
    assert gamma_factor(z, shape) == pytest.approx(quantile, abs=0.03)


def test_levels_of_a_normal_distribution() -> None:
    assert [round(normal_level(z), 3) for z in (-1.2816, 0.0, 1.2816)] == [0.1, 0.5, 0.9]


def test_courses_have_the_expected_sum_and_differ_in_how_work_crowds() -> None:
    expected = [offset / HOUR_SEC * 1000.0 for offset in BURST_GRID]
    courses = bursty_courses(expected, burst=2000.0, level_error=0.1)
    assert len(courses) == COURSE_COUNT
    assert sum(course[-1] for course in courses) / COURSE_COUNT == pytest.approx(expected[-1], rel=0.05)
    first_hours = sorted(course[2] for course in courses)
    assert first_hours[0] < 0.2 * expected[2]
    assert first_hours[-1] > 2.0 * expected[2]
    assert all(a <= b for course in courses for a, b in zip(course, course[1:]))
    assert bursty_courses(expected, 2000.0, 0.1) == courses
