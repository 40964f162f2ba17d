"""Runs: one scene, one policy each; the same scene and policy give the same numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Optional

from ..routing.account import AccountSpec
from ..routing.fleet import Fleet
from ..routing.policies import POLICIES
from ..routing.policy import Policy
from ..routing.rules import Rules
from .agenda import EventQueue
from .film import Heatmap
from .scene import Scenario
from .score import Score, ScoreCounter
from .script import ClientSessions
from .world import World

__all__ = ["Run", "run_policy"]


class Run:
    """One policy in one scene, from the beginning up to an instant and on."""

    def __init__(self, scene: Scenario, policy: str | Policy, film: Optional[Heatmap] = None) -> None:
        chosen = POLICIES[policy]() if isinstance(policy, str) else policy
        setting = scene.settings
        self.scene = scene
        self._film = film
        self._people = ClientSessions(EventQueue(), scene.users, [plan for plan in scene.plans if plan.at < scene.end])
        self.quotas = scene.api_accounts()
        self.fleet = Fleet(replace(Rules(), backoff_jitter=False), chosen)
        self.fleet.configure([AccountSpec(key, key) for key in self.quotas])
        self._tally = ScoreCounter(scene.demand, self.quotas, setting.cache_life, scene.end)
        self.world = World(self._people, self.fleet, self.quotas, self._tally, setting.cache_life, setting.hold_sec)

    def play(self, until: float, told: Callable[[float], None] = lambda share: None) -> None:
        """Let time pass; `told` hears how much of the run is done (0-1)."""

        def hourly(now: float) -> None:
            told(now / self.scene.end)
            if self._film is not None:
                self._film.record(now, self.quotas)

        self._people.events.run(until, hourly)
        if self._film is not None:
            self._film.record(until - 1.0, self.quotas)

    def score(self) -> Score:
        """What came of it, at the end."""
        users = [user.number for user in self.scene.users]
        return self._tally.score(self.scene.upper_bound(self._tally.overshoot), self.scene.last_week_allowance(), users)


def run_policy(
    scene: Scenario,
    policy: str | Policy,
    told: Callable[[float], None] = lambda share: None,
    film: Optional[Heatmap] = None,
) -> Score:
    """One policy on one scene, from its beginning to its end."""
    run = Run(scene, policy, film)
    run.play(scene.end, told)
    return run.score()
