"""One world before any policy acts in it: the team, what it wants, the accounts and their bound.

Every policy of a study gets the same scene.  A scene is made up of a setting and a seed, or taken from a
recording.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

from .api_model import FIVE_HOURS_SEC, ApiAccount, ApiWindow, TokenWeights
from .demand import Demand, unconstrained_demand
from .traffic import SessionTrace
from .upper_bound import WeeklyWindow, upper_bound, usable_tokens
from .workload import WEEK_SEC, PlannedSession, User, make_workload

__all__ = ["FIVE_OF_WEEK", "AccountSetup", "Scenario", "ScenarioSettings", "synthetic_scenario"]

FIVE_OF_WEEK = 0.125  # a 5h window against a week's quota


@dataclass(frozen=True)
class ScenarioSettings:
    """What a run is made of; everything but the policy and the seed."""

    sizes: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0)  # accounts, against each other
    load: float = 1.0  # demand against the weekly quotas
    weeks: int = 2
    users: int = 16
    cache_life: float = 3600.0  # of the prompt cache, s
    burst: int = 8  # requests in flight before the API says 429
    hold_sec: float = 1800.0  # s
    weights: TokenWeights = TokenWeights()
    opus_window: float = 0.0  # size of a weekly window for opus beside the others, against the week; 0: none
    first_login_lost_sec: float = 0.0  # s after which the API refuses the first account's login; 0: never
    agents: Optional[int] = None  # of every session; None: a few, of some


class AccountSetup(NamedTuple):
    """One account at the API: its windows in weighted tokens, and its first weekly reset (s)."""

    week: float
    five: float
    resets_at: float
    login_lost_at: float = float("inf")


class Scenario:
    """A team with its plans, the accounts, what is wanted, and what no scheduler can exceed."""

    def __init__(
        self,
        setting: ScenarioSettings,
        team: tuple[Sequence[User], Sequence[PlannedSession]],
        wish: Demand,
        places: Sequence[AccountSetup],
        end: float,
    ) -> None:
        self.settings = setting
        self.users, self.plans = team
        self.demand = wish
        self.setups = places
        self.end = end

    def upper_bound(self, overshoot: float = 0.0) -> float:
        """What no scheduler can exceed whom the API gave so much beyond its windows; weighted tokens."""
        return upper_bound(
            self.demand,
            [span for place in self.setups for span in self.weekly_windows(place)],
            self.end,
            overshoot,
        )

    def api_accounts(self) -> dict[str, ApiAccount]:
        """The accounts as they are at the beginning."""
        return {f"acct{number}": self._api_account(place) for number, place in enumerate(self.setups, 1)}

    def last_week_allowance(self) -> dict[str, float]:
        """What of the weekly window that runs at the end belongs to the time before it, per account."""
        last = [self.weekly_windows(place)[-1] for place in self.setups]
        return {
            f"acct{n}": usable_tokens(s, 0.0) if s.end >= self.end else 0.0 for n, s in enumerate(last, 1)
        }

    def weekly_windows(self, place: AccountSetup) -> list[WeeklyWindow]:
        """The weekly windows of one account within the run, in order."""
        size, at, five = place.week, place.resets_at, place.five
        spans = [WeeklyWindow(0.0, at, size * self._demand_share(0.0, at, 0.0), five)]
        while at + WEEK_SEC <= self.end:
            spans.append(WeeklyWindow(at, at + WEEK_SEC, size, five))
            at += WEEK_SEC
        if at < self.end:
            rest = size * (1.0 - self._demand_share(self.end, at + WEEK_SEC, at))
            spans.append(WeeklyWindow(at, self.end, rest, five))
        # Who knows that an account will be lost may use all of its week before.
        return [
            s._replace(end=min(s.end, place.login_lost_at)) for s in spans if s.begin < place.login_lost_at
        ]

    def _api_account(self, place: AccountSetup) -> ApiAccount:
        gone = 1.0 - self._demand_share(0.0, place.resets_at, 0.0)
        week = ApiWindow("7d", place.week, WEEK_SEC, place.resets_at, place.week * gone, fixed=True)
        gauges = [ApiWindow("5h", place.five, FIVE_HOURS_SEC), week]
        some = place.week * self.settings.opus_window
        if some:
            scoped = ApiWindow(
                "7d_opus", some, WEEK_SEC, place.resets_at, some * gone, fixed=True, family="opus"
            )
            gauges.append(scoped)
        quota = ApiAccount(gauges, self.settings.burst, self.settings.weights)
        quota.login_lost_at = place.login_lost_at
        return quota

    def _demand_share(self, begin: float, resets_at: float, week_begin: float) -> float:
        """Part of a week's demand that falls between two instants of it."""
        week = self.demand.wanted_before(week_begin + WEEK_SEC) - self.demand.wanted_before(week_begin)
        part = self.demand.wanted_before(resets_at) - self.demand.wanted_before(begin)
        return min(1.0, max(0.0, part / week)) if week > 0 else 0.0


def synthetic_scenario(settings: ScenarioSettings, sessions: Sequence[SessionTrace], seed: int) -> Scenario:
    """A team that works with such sessions; accounts as large as the load says."""
    end = settings.weeks * WEEK_SEC
    # The week after the end is planned too: it says how much of the last quota belongs to it.
    team = make_workload(sessions, settings.users, settings.weeks + 1, seed, settings.agents)
    wish = unconstrained_demand(*team, settings.weights, settings.cache_life, end + WEEK_SEC)
    total = wish.wanted_before(end) / settings.weeks / settings.load / sum(settings.sizes)
    chance = random.Random(f"resets {seed}")
    shift = chance.random()
    count = len(settings.sizes)
    places = []
    for number, size in enumerate(settings.sizes):
        # Spread over the week: nobody's accounts all begin on the same day.
        resets_at = ((number + shift) / count + chance.uniform(-0.1, 0.1)) % 1.0 * WEEK_SEC
        lost_at = (
            settings.first_login_lost_sec if settings.first_login_lost_sec and number == 0 else float("inf")
        )
        week = size * total
        places.append(AccountSetup(week, week * FIVE_OF_WEEK, resets_at, lost_at))
    return Scenario(settings, team, wish, places, end)
