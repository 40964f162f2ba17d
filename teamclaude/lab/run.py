"""Run one policy in one scenario; the same scenario and policy give the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from ..routing.fleet import Fleet
from ..routing.policies.base import Policy
from ..routing.policies.registry import POLICIES
from ..routing.quota.rules import Rules
from ..routing.state.account import AccountSpec
from .clients import ClientSessions, EventQueue
from .heatmap import Heatmap
from .scenario import Scenario
from .score import Score, ScoreCounter
from .simulation import Simulation

__all__ = ["PolicyRun", "run_policy"]


class PolicyRun:
    """One policy in one scenario, from the beginning up to an instant and on."""

    def __init__(self, scenario: Scenario, policy: str | Policy, heatmap: Optional[Heatmap] = None) -> None:
        chosen = POLICIES[policy]() if isinstance(policy, str) else policy
        settings = scenario.settings
        self.scenario = scenario
        self._heatmap = heatmap
        self._clients = ClientSessions(
            EventQueue(), scenario.users, [plan for plan in scenario.plans if plan.at < scenario.end]
        )
        self.api_accounts = scenario.api_accounts()
        self.fleet = Fleet(replace(Rules(), backoff_jitter=False), chosen)
        self.fleet.configure([AccountSpec(key, key) for key in self.api_accounts])
        self._counter = ScoreCounter(scenario.demand, self.api_accounts, settings.cache_life, scenario.end)
        self.simulation = Simulation(
            self._clients,
            self.fleet,
            self.api_accounts,
            self._counter,
            settings.cache_life,
            settings.hold_sec,
        )

    def advance(self, until: float, on_progress: Callable[[float], None] = lambda share: None) -> None:
        """Advance to `until`; call `on_progress` with the share of the run that is done (0-1)."""

        def hourly(now: float) -> None:
            on_progress(now / self.scenario.end)
            if self._heatmap is not None:
                self._heatmap.record(now, self.api_accounts)

        self._clients.events.run(until, hourly)
        if self._heatmap is not None:
            self._heatmap.record(until - 1.0, self.api_accounts)

    def score(self) -> Score:
        """Return the score, at the end."""
        users = [user.number for user in self.scenario.users]
        return self._counter.score(
            self.scenario.upper_bound(self._counter.overshoot), self.scenario.last_week_allowance(), users
        )


def run_policy(
    scenario: Scenario,
    policy: str | Policy,
    on_progress: Callable[[float], None] = lambda share: None,
    heatmap: Optional[Heatmap] = None,
) -> Score:
    """Run one policy on one scenario from beginning to end."""
    run = PolicyRun(scenario, policy, heatmap)
    run.advance(scenario.end, on_progress)
    return run.score()
