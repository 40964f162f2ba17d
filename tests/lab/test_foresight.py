"""The policy that knows what every conversation will use: what its gate lets in, and what that is worth."""

from __future__ import annotations

import pytest

from teamclaude.lab.foresight import ForesightPolicy
from teamclaude.lab.run import LAB_POLICIES, PolicyRun, run_policy
from teamclaude.lab.scenario import ScenarioSettings, synthetic_scenario
from teamclaude.lab.traffic import synthetic_sessions
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.state.decision import RoutingRequest

SETTINGS = ScenarioSettings(sizes=(1.0, 1.0), weeks=1, users=1, agents=15)
HOUR = 3600.0


def test_the_server_does_not_know_it() -> None:
    assert ForesightPolicy.name in LAB_POLICIES
    assert ForesightPolicy.name not in POLICIES


def test_fewer_requests_wait_than_where_nothing_is_known() -> None:
    settings = ScenarioSettings(sizes=(0.66, 0.66), weeks=1, users=1, agents=10)
    scenario = synthetic_scenario(settings, synthetic_sessions(40, 7), 3)
    known, unknown = run_policy(scenario, "foresight"), run_policy(scenario, "price")
    assert known.waited_10min < unknown.waited_10min
    assert known.completed > unknown.completed


def test_the_same_hours_are_decided_the_same_again() -> None:
    scenario = synthetic_scenario(SETTINGS, synthetic_sessions(40, 7), 3)
    first, again = PolicyRun(scenario, "foresight"), PolicyRun(scenario, "foresight")
    for run in (first, again):
        run.advance(45 * HOUR)
    assert first.score() == again.score()
    assert first.score().completed > 0


@pytest.mark.parametrize("part", [0.9, 1.1])
def test_a_conversation_enters_where_all_of_it_fits(part: float) -> None:
    run = PolicyRun(synthetic_scenario(SETTINGS, synthetic_sessions(40, 7), 3), policy := ForesightPolicy())
    run.advance(60 * HOUR)
    now = 60 * HOUR
    session = run._clients.sessions[0]
    session.index = 0  # it has yet to begin
    account = run.fleet.accounts["acct1"]
    request = RoutingRequest(session=session.session_id, agent=session.agent, hold_sec=HOUR)
    for window in run.api_accounts["acct1"].windows:
        window.advance(now)
        window.resets_at = now + window.length
    policy._entered.clear()
    wanted = policy._wanted(session, 5 * HOUR, is_cold=True)
    window = run.api_accounts["acct1"].windows[0]
    window.used = window.size - part * wanted
    pool = type("Pool", (), {"now": now})()
    assert bool(policy.gate_reason(pool, request, account, 0, 0.0)) is (part < 1.0)
    assert policy.gate_reason(pool, request, account, 0, HOUR) == ""
