"""Whole runs on a small week: what must hold whatever the policy."""

from __future__ import annotations

import pytest

from teamclaude.accounts.config.config import Config
from teamclaude.lab.run import PolicyRun, run_policy
from teamclaude.lab.scenario import ScenarioSettings
from teamclaude.lab.score import ScoreCounter
from teamclaude.routing.policies.registry import POLICIES


@pytest.mark.parametrize(
    ("name", "load"),
    [*((name, 1.3) for name in POLICIES), ("price", 0.6), ("sticky", 0.6), ("round-robin", 0.6)],
)
def test_no_policy_exceeds_the_bound(played, name, load):
    score = played(name, load)
    assert 0.0 < score.completed <= 1.0 + 1e-9
    assert score.wanted <= 1.0 + 1e-9


def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(scenario, played):
    first, again = played("price", 1.3), run_policy(scenario(1.3), "price")
    assert first == again
    assert first.visible_429s > 0
    assert played("price", 1.3, seed=2) != first


def test_with_ample_quota_everything_is_done_without_waiting_for_quota(played):
    score = played("sticky", 0.2)
    assert score.completed == pytest.approx(1.0, abs=2e-3)
    assert (score.visible_429s, score.cold_tokens) == (0, 0.0)


def test_a_round_robin_pays_for_cold_caches(played):
    robin, sticky = (played(name, 0.6) for name in ("round-robin", "sticky"))
    assert robin.switches > 5 * sticky.switches
    assert robin.completed <= sticky.completed
    assert robin.cold_tokens > 0.05 > sticky.cold_tokens


def test_with_less_quota_than_demand_clients_see_429s(played):
    score = played("sticky", 2.5)
    assert score.visible_429s > 0
    assert score.stall_hours >= score.avoidable_hours >= 0.0
    assert score.wanted < 0.7


def test_a_short_burst_limit_costs_waiting_but_loses_nothing(played):
    score = played("price", 0.4, burst=1)
    assert score.wanted > 0.9


def test_a_window_of_one_model_closes_only_that_model(played):
    free, scoped = played("price", 0.6), played("price", 0.6, opus_window=0.1)
    assert scoped.wanted < free.wanted


def test_a_lost_account_takes_its_quota_away_but_no_session_stops(played):
    whole, lost = played("price", 0.8), played("price", 0.8, first_login_lost_sec=3 * 86400.0)
    assert lost.wanted < 0.9 * whole.wanted
    assert 0.6 < lost.completed <= 1.0


def test_whoever_may_wait_for_a_week_is_not_refused(played):
    short, long = played("sticky", 2.5, hold_sec=18000.0), played("sticky", 2.5, hold_sec=7 * 86400.0)
    assert (short.visible_429s > 100, long.visible_429s) == (True, 0)
    assert long.completed > short.completed
    assert ScenarioSettings().hold_sec == Config().all_throttled_hold_budget_sec == 86400.0


def test_an_alarm_for_waiters_that_were_put_off_since_walks_no_queue(scenario, monkeypatch):
    run = PolicyRun(scenario(1.3), "price")
    simulation, queue = run.simulation, run.simulation.wait_queue
    serve, on_timer = queue.serve, simulation._on_timer
    walks: list[tuple[object, ...]] = []
    alarms: list[tuple[bool, bool]] = []

    def on_alarm(alarm):
        before, is_due = len(walks), any(w.is_due(simulation.events.now) for w in queue.waiters)
        on_timer(alarm)
        alarms.append((is_due, len(walks) > before))

    monkeypatch.setattr(queue, "serve", lambda *of: walks.append(of) or serve(*of))
    monkeypatch.setattr(simulation, "_on_timer", on_alarm)
    run.advance(run.scenario.end)
    assert (False, False) in alarms
    assert (True, True) in alarms
    assert (False, True) not in alarms


def test_every_session_can_have_many_agents(scenario, played):
    few, many = scenario(0.5), scenario(0.5, agents=3)
    assert len(many.demand.times) > 1.5 * len(few.demand.times)
    assert played("price", 0.5, agents=3).completed > 0.9


def test_the_progress_goes_from_0_to_1(scenario):
    reported: list[float] = []
    run_policy(scenario(0.2), "sticky", reported.append)
    assert reported == sorted(reported)
    assert 0.0 <= reported[0] < 0.1
    assert 0.5 < reported[-1] <= 1.0


def test_waiting_while_every_account_is_closed_is_not_avoidable():
    tally = ScoreCounter.__new__(ScoreCounter)
    tally.stall = tally.avoidable = 0.0
    tally._closures = [(100.0, 200.0), (300.0, 400.0)]
    tally._count_wait(350.0, 200.0)  # from 150 to 350
    assert (tally.stall, tally.avoidable) == (200.0, 100.0)
