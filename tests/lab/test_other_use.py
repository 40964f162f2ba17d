"""Use of the accounts by others: how much, when, and what becomes of the bound."""

from __future__ import annotations

import pytest

from teamclaude.lab.api_model import FIVE_HOURS_SEC, ApiAccount, ApiWindow, TokenWeights
from teamclaude.lab.other_use import OtherUse, others_got, plan_other_use
from teamclaude.lab.run import PolicyRun
from teamclaude.lab.scenario import ScenarioSettings, synthetic_scenario
from teamclaude.lab.traffic import synthetic_sessions
from teamclaude.lab.workload import WEEK_SEC

WEEKS = {"a": 1000.0, "b": 3000.0}


def test_others_use_the_share_that_was_asked_for_and_the_same_with_the_same_seed():
    uses = plan_other_use(WEEKS, 0.2, 2, 7)
    shares = [sum(u.tokens for u in uses if u.account == key) / (2 * week) for key, week in WEEKS.items()]
    assert sum(shares) / len(shares) == pytest.approx(0.2)
    assert all(0.05 < share < 0.4 for share in shares)
    assert list(uses) == sorted(uses)
    assert 0.0 <= uses[0].at < uses[-1].at < 2 * WEEK_SEC
    assert uses == plan_other_use(WEEKS, 0.2, 2, 7) != plan_other_use(WEEKS, 0.2, 2, 8)
    assert plan_other_use(WEEKS, 0.0, 2, 7) == ()


def test_others_open_windows_and_are_refused_like_everybody():
    five = ApiWindow("5h", 100.0, FIVE_HOURS_SEC)
    opus = ApiWindow("7d_opus", 50.0, WEEK_SEC, WEEK_SEC, fixed=True, family="opus")
    account = ApiAccount([five, opus], 8, TokenWeights())
    assert account.use_elsewhere(60.0, 10.0) == 60.0
    assert five.resets_at == 10.0 + FIVE_HOURS_SEC
    assert account.use_elsewhere(60.0, 20.0) == 40.0
    assert account.use_elsewhere(60.0, 30.0) == 0.0
    assert opus.used == 0.0
    assert account.use_elsewhere(5.0, 10.0 + FIVE_HOURS_SEC) == 5.0


def test_the_load_counts_what_others_leave(scenario):
    ours, shared = scenario(1.0), scenario(1.0, other_use=0.2)
    assert shared.setups[0].week == pytest.approx(ours.setups[0].week / 0.8)


@pytest.mark.parametrize(
    ("policy", "load"),
    [("price", 0.8), ("price", 1.0), ("price", 1.3), ("sticky", 1.0), ("round-robin", 1.3)],
)
def test_no_policy_exceeds_the_bound_beside_others(played, policy, load):
    assert played(policy, load, other_use=0.3).completed <= 1.0 + 1e-9


def test_the_bound_is_less_by_what_others_used(scenario):
    run = PolicyRun(scenario(1.3, other_use=0.3), "price")
    run.advance(run.scenario.end)
    used = sum(used for _, used in run._used_elsewhere)
    assert used > 0.1 * sum(setup.week for setup in run.scenario.setups)
    whole = run.scenario.upper_bound()
    assert whole - used - 1e-6 <= run.scenario.upper_bound((), run._used_elsewhere) < whole


def test_what_others_got_is_a_share_of_what_they_wanted_before_the_end():
    planned = [OtherUse(10.0, "a", 30.0), OtherUse(20.0, "b", 50.0), OtherUse(30.0, "a", 1000.0)]
    assert others_got(planned, 20.0, 30.0) == 0.25
    assert others_got(planned, 0.0, 30.0) == 0.0
    assert others_got(planned, 0.0, 10.0) is None
    assert others_got([], 0.0, 30.0) is None


def test_the_more_a_policy_does_ahead_of_others_the_less_they_get(played):
    idle, busy = (played("price", load, other_use=0.3).others_got for load in (0.2, 1.3))
    assert 0.0 < busy < idle <= 1.0
    assert played("drain", 1.0, other_use=0.3).others_got < played("price", 1.0, other_use=0.3).others_got
    assert played("price", 1.0).others_got is None


def test_resets_may_fall_into_one_hour(scenario):
    resets = [setup.resets_at for setup in scenario(1.0, resets_within_sec=3600.0).setups]
    assert max(resets) - min(resets) <= 3600.0


def told_elsewhere(other_use: float) -> list[float]:
    """What the fleet said of the use by others, every half an hour of a week."""
    # Of two users one request is a large part of a window: there nothing is certain.
    settings = ScenarioSettings(sizes=(1.0, 1.0), weeks=1, users=8, hold_sec=1800.0, other_use=other_use)
    world = synthetic_scenario(settings, synthetic_sessions(30, 7), 1)
    run, told = PolicyRun(world, "price"), []
    for number in range(1, int(world.end / 1800)):
        run.advance(number * 1800.0)
        rates = (
            account.used_elsewhere.rate("5h", number * 1800.0) for account in run.fleet.accounts.values()
        )
        told += [rate for rate in rates if rate is not None]
    return told


def test_the_fleet_sees_what_others_use_and_tells_nothing_where_nobody_does() -> None:
    assert told_elsewhere(0.0) == []
    seen = told_elsewhere(0.3)
    assert len(seen) > 5
    assert all(0.02 <= rate < 1.0 for rate in seen)
