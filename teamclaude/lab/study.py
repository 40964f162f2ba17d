"""Runs: one setting, one seed, one policy each; the same words and seed give the same numbers."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Optional

from ..routing.account import AccountSpec
from ..routing.fleet import Fleet
from ..routing.policies import POLICIES
from ..routing.policy import Policy
from ..routing.rules import Rules
from .agenda import Agenda
from .bound import Span, bound, held
from .quota import FIVE_HOURS_SEC, Gauge, Quota, Weights
from .score import Score, Tally
from .script import People
from .team import WEEK_SEC, Plan, User, make_team
from .traffic import Session
from .wish import wish_of
from .world import World

__all__ = ["Scene", "Setting", "run_policy"]

FIVE_OF_WEEK = 0.125  # a 5h window against a week's quota


@dataclass(frozen=True)
class Setting:
    """What a run is made of; everything but the policy and the seed."""

    sizes: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)  # accounts, against each other
    load: float = 1.0  # demand against the weekly quotas
    weeks: int = 2
    users: int = 16
    life: float = 3600.0  # of the prompt cache, s
    burst: int = 8  # requests in flight before the API says 429
    hold: float = 1800.0  # s
    weights: Weights = Weights()
    scoped: float = 0.0  # size of a weekly window for opus beside the others, against the week; 0: none
    lost: float = 0.0  # s after which the API refuses the first account's login; 0: never
    agents: Optional[int] = None  # of every session; None: a few, of some


class Scene:
    """One seed's team, demand and accounts: the same for every policy."""

    def __init__(self, setting: Setting, sessions: Sequence[Session], seed: int) -> None:
        self.setting = setting
        self.end = setting.weeks * WEEK_SEC
        # The week after the end is planned too: it says how much of the last quota belongs to it.
        self.users, self.plans = _team(setting, sessions, seed)
        self.wish = wish_of(self.users, self.plans, setting.weights, setting.life, self.end + WEEK_SEC)
        weekly = self.wish.before(self.end) / setting.weeks
        total = weekly / setting.load / sum(setting.sizes)
        chance = random.Random(f"resets {seed}")
        count = len(setting.sizes)
        shift = chance.random()
        # Spread over the week: nobody's accounts all begin on the same day.
        self.resets = [
            ((n + shift) / count + chance.uniform(-0.1, 0.1)) % 1.0 * WEEK_SEC for n in range(count)
        ]
        self.weeks = [size * total for size in setting.sizes]
        self.bound = bound(self.wish, [span for row in self._rows() for span in row], self.end)

    def quotas(self) -> dict[str, Quota]:
        made = {}
        for number, (size, resets_at) in enumerate(zip(self.weeks, self.resets)):
            gone = 1.0 - self._share(0.0, resets_at, 0.0)
            week = Gauge("7d", size, WEEK_SEC, resets_at, size * gone, fixed=True)
            gauges = [Gauge("5h", size * FIVE_OF_WEEK, FIVE_HOURS_SEC), week]
            if self.setting.scoped:
                some = size * self.setting.scoped
                scoped = Gauge("7d_opus", some, WEEK_SEC, resets_at, some * gone, fixed=True, family="opus")
                gauges.append(scoped)
            quota = made[_key(number)] = Quota(gauges, self.setting.burst, self.setting.weights)
            quota.lost_at = self._lost_at(number)
        return made

    def own(self) -> dict[str, float]:
        """What of the weekly window that runs at the end belongs to the time before it, per account."""
        rows = enumerate(self._rows())
        return {_key(n): held(row[-1], 0.0) if row[-1].end >= self.end else 0.0 for n, row in rows}

    def _share(self, begin: float, resets_at: float, week_begin: float) -> float:
        """Part of a week's demand that falls between two instants of it."""
        week = self.wish.before(week_begin + WEEK_SEC) - self.wish.before(week_begin)
        part = self.wish.before(resets_at) - self.wish.before(begin)
        return min(1.0, max(0.0, part / week)) if week > 0 else 0.0

    def _rows(self) -> list[list[Span]]:
        """The weekly windows of each account, in order."""
        return [self._row(number) for number in range(len(self.weeks))]

    def _row(self, number: int) -> list[Span]:
        size, at, lost = self.weeks[number], self.resets[number], self._lost_at(number)
        five = size * FIVE_OF_WEEK
        spans = [Span(0.0, at, size * self._share(0.0, at, 0.0), five)]
        while at + WEEK_SEC <= self.end:
            spans.append(Span(at, at + WEEK_SEC, size, five))
            at += WEEK_SEC
        if at < self.end:
            rest = size * (1.0 - self._share(self.end, at + WEEK_SEC, at))
            spans.append(Span(at, self.end, rest, five))
        # Who knows that an account will be lost may use all of its week before.
        return [span._replace(end=min(span.end, lost)) for span in spans if span.begin < lost]

    def _lost_at(self, number: int) -> float:
        return self.setting.lost if number == 0 and self.setting.lost else float("inf")


def _key(number: int) -> str:
    return f"acct{number + 1}"


def _team(setting: Setting, sessions: Sequence[Session], seed: int) -> tuple[list[User], list[Plan]]:
    return make_team(sessions, setting.users, setting.weeks + 1, seed, setting.agents)


def run_policy(
    scene: Scene, policy: str | Policy, told: Callable[[float], None] = lambda share: None
) -> Score:
    """One policy on one scene; `told` hears how much of it is done (0-1)."""
    chosen = POLICIES[policy]() if isinstance(policy, str) else policy
    setting = scene.setting
    people = People(Agenda(), scene.users, [plan for plan in scene.plans if plan.at < scene.end])
    quotas = scene.quotas()
    fleet = Fleet(replace(Rules(), backoff_jitter=False), chosen)
    fleet.configure([AccountSpec(key, key) for key in quotas])
    tally = Tally(scene.wish, quotas, setting.life, scene.end)
    World(people, fleet, quotas, tally, setting.life, setting.hold)
    people.agenda.run(scene.end, lambda now: told(now / scene.end))
    return tally.score(scene.bound, scene.own(), [user.number for user in scene.users])
