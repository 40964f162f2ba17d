"""The policy that plans ahead: when it plans, and that the lab plays it."""

from __future__ import annotations

import pytest

from teamclaude.lab.horizon.receding_horizon import RecedingHorizonPolicy
from teamclaude.lab.horizon.water_filling import HorizonTuning, make_plan
from teamclaude.lab.run import LAB_POLICIES, PolicyRun, run_policy
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.quota.windows import Window
from teamclaude.routing.state.account import Account, AccountSpec
from teamclaude.routing.state.decision import RoutingRequest

DAY = 86400.0
WEEK_TOKENS = 6_000_000.0


class SmallPool:
    """Two accounts with half of their week left, which a policy knows."""

    def __init__(self, policy: RecedingHorizonPolicy, now: float = 1000.0) -> None:
        self.rules, self.now = Rules(), now
        fleet = Fleet(self.rules, policy)
        fleet.configure([AccountSpec(name, name) for name in ("a", "b")])
        self.accounts: list[Account] = list(fleet.accounts.values())
        policy.estimates.demand.hours = [36000.0] * 168
        for account, week_ends in zip(self.accounts, (1.0 * DAY, 6.0 * DAY)):
            account.cap_7d.size = WEEK_TOKENS
            week, five = Window(0.5, week_ends, "allowed", now), Window(0.1, 1150.0, "allowed", now)
            account.windows.update({"7d": week, "5h": five}, now)

    def has_slot(self, account: Account, waited: float = 0.0) -> bool:
        return True


def test_it_plans_anew_after_a_minute_and_at_a_reset(monkeypatch):
    made: list[float] = []

    def counted(quotas, wanted, now, tuning):
        made.append(now)
        return make_plan(quotas, wanted, now, tuning)

    monkeypatch.setattr("teamclaude.lab.horizon.receding_horizon.make_plan", counted)
    policy = RecedingHorizonPolicy(HorizonTuning(resolve_sec=60.0))
    accounts = SmallPool(policy).accounts
    for now in (1000.0, 1059.0, 1061.0, 1120.0, 1130.0, 1149.0, 1151.0, 1152.0):
        assert policy.plan(accounts, now) is not None
    assert made == [1000.0, 1061.0, 1130.0, 1151.0]


def test_without_a_known_window_it_does_as_price():
    policy = RecedingHorizonPolicy()
    fleet = Fleet(Rules(), policy)
    fleet.configure([AccountSpec("a", "a")])
    assert policy.plan(list(fleet.accounts.values()), 1000.0) is None


def test_a_conversation_goes_where_quota_would_be_lost_soon():
    policy = RecedingHorizonPolicy()
    placement = policy.place(SmallPool(policy), RoutingRequest(session="new"), None)
    assert placement.account.name == "a"
    assert [each.account for each in placement.excluded] == ["b"]


@pytest.mark.parametrize(
    ("gate", "burn", "waits"),
    [("plan", 0.1, False), ("plan", 1000.0, True), ("both", 1000.0, True), ("none", 1000.0, False)],
)
def test_the_gate_of_the_plan_lets_in_what_its_rate_is_enough_for(gate, burn, waits):
    policy = RecedingHorizonPolicy(HorizonTuning(gate=gate))
    pool = SmallPool(policy)
    account = pool.accounts[0]
    policy.record_response(pool.accounts, account, "other", Usage(input_tokens=100), pool.now)
    policy.estimates.tokens, policy.estimates.seconds = 7200.0 * burn, 7200.0
    request = RoutingRequest(session="new", hold_sec=1800.0)
    assert bool(policy.gate_reason(pool, request, account, 0, 0.0)) is waits
    assert policy.gate_reason(pool, request, account, 0, 1800.0) == ""


def test_the_lab_plays_it_the_same_each_time(scenario, played):
    first, again = played("horizon", 1.0), run_policy(scenario(1.0), "horizon")
    assert first == again
    assert 0.5 < first.completed <= 1.0 + 1e-9


def test_it_plans_in_a_run(scenario):
    run = PolicyRun(scenario(1.0), "horizon")
    run.advance(6.5 * DAY)
    policy = run.fleet.policy
    assert isinstance(policy, RecedingHorizonPolicy)
    plan = policy.plan(list(run.fleet.accounts.values()), 6.5 * DAY)
    assert plan is not None
    assert all(rate >= 0.0 for rate in plan.rates)


def test_only_the_lab_has_it():
    assert "horizon" in LAB_POLICIES
    assert "horizon" not in POLICIES
