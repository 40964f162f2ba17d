from __future__ import annotations

import pytest

from teamclaude.routing.policies.pace import ramp_boost, weekly_pace
from teamclaude.routing.quota.rules import RampTier, Rules
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.user_rules.caps import Caps

RULES = Rules()
HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def pool(make_pool):
    return make_pool("a")


def pace(pool):
    return weekly_pace(pool["a"], RULES, pool.now)


@pytest.mark.parametrize(
    ("resets_in", "line"),
    [(5 * DAY, 0.2857), (7 * DAY, 0.0), (3.5 * DAY, 0.5), (8 * DAY, 0.0), (1.0, 1.0), (None, 0.0)],
)
def test_the_line_is_the_part_of_the_accounts_own_week_that_has_passed(pool, resets_in, line):
    pool.quota("a", "7d", 0.1, resets_in)
    assert pace(pool).line == pytest.approx(line, abs=1e-4)


def test_the_gap_is_positive_behind_the_line_and_negative_over_it(pool):
    pool.quota("a", "7d", 0.05, 5 * DAY)
    assert pace(pool).gap == pytest.approx(0.2357, abs=1e-4)
    pool.quota("a", "7d", 0.50, 5 * DAY)
    assert pace(pool).gap == pytest.approx(-0.2143, abs=1e-4)


def test_an_unknown_week_reads_as_not_begun_and_unused(pool):
    assert pace(pool) == (0.0, 0.0, 0.0, 0.0)
    pool.quota("a", "7d", 0.3)
    assert pace(pool) == (0.0, -0.3, 0.0, -0.3)
    pool.quota("a", "7d", None, 3.5 * DAY)
    pool.wait(1)
    assert pace(pool).gap == pytest.approx(0.5 - 0.3, abs=1e-4)


def test_a_week_that_was_reset_begins_again(pool):
    pool.quota("a", "7d", 0.9, HOUR)
    pool.wait(HOUR)
    assert pace(pool) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("used", "hours", "boost"),
    [
        (0.8, 6, 20),
        (0.8, 8, 20),
        (0.8, 8.01, 1.6),
        (0.5, 16, 4),
        (0.5, 24, 2),
        (0.5, 48, 1),
        (0.5, 72, 0.5),
        (0.5, 72.1, 0),
        (0.8, 120, 0),
        (1.2, 1, 0),
    ],
)
def test_unused_quota_attracts_work_near_its_reset(used, hours, boost):
    assert ramp_boost(used, hours, RULES) == pytest.approx(boost)


def test_the_first_tier_that_reaches_counts():
    rules = Rules(ramp_tiers=(RampTier(10, 7), RampTier(5, 1)))
    assert ramp_boost(0.0, 4, rules) == 7
    assert ramp_boost(0.0, 4, Rules(ramp_tiers=())) == 0


def test_the_score_is_gap_plus_boost(pool):
    pool.quota("a", "7d", 0.8, 6 * HOUR)
    assert pace(pool).score == pytest.approx(pace(pool).gap + 20)


def test_the_line_of_an_account_that_may_be_used_in_part_ends_there(make_pool):
    pool = make_pool(AccountSpec("a", "a", caps=Caps.of({"7d": 0.5})))
    pool.quota("a", "7d", 0.2, 3.5 * 86400.0)
    found = weekly_pace(pool["a"], RULES, pool.now)
    assert (found.line, found.gap) == pytest.approx((0.25, 0.05))
    pool.quota("a", "7d", 0.2, 3600.0)
    assert weekly_pace(pool["a"], RULES, pool.now).boost == pytest.approx(0.3 * 100)
