"""A scenario before any policy acts in it: the team, what it wants, the accounts and their bound.

Every policy of a study gets the same scenario.  It is made of settings and a seed, or taken from a recording.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Optional

from ..routing.user_rules.week_hours import Calendar
from ..values import NamedTuple, dataclass, field
from .api_model import FIVE_HOURS_SEC, ApiAccount, ApiWindow, TokenWeights
from .other_use import OtherUse, plan_other_use
from .traffic import SessionTrace
from .upper_bound import Demand, Overshoot, WeeklyWindow, unconstrained_demand, upper_bound, usable_tokens
from .workload import WEEK_SEC, PlannedSession, User, lab_calendar, make_workload

__all__ = ["FIVE_OF_WEEK", "AccountSetup", "Scenario", "ScenarioSettings", "synthetic_scenario"]

OPUS_AXIS = "7d_opus"
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
    hold_sec: float = 86400.0  # s, as `allThrottledHoldBudgetSec`; the clients stream
    weights: TokenWeights = field(default_factory=TokenWeights)
    opus_window: float = 0.0  # size of a weekly window for opus beside the others, against the week; 0: none
    first_login_lost_sec: float = 0.0  # s after which the API refuses the first account's login; 0: never
    agents: Optional[int] = None  # of every session; None: a few, of some
    other_use: float = 0.0  # of the weekly quotas somebody else uses so much (0-1); `load` counts the rest
    resets_within_sec: float = 0.0  # all weekly resets fall into so many seconds; 0: spread over the week

    @property
    def axes(self) -> tuple[str, ...]:
        """The windows of each account."""
        return ("5h", "7d", OPUS_AXIS) if self.opus_window else ("5h", "7d")


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
        settings: ScenarioSettings,
        team: tuple[Sequence[User], Sequence[PlannedSession]],
        demand: Demand,
        setups: Sequence[AccountSetup],
        end: float,
        other_use: Sequence[OtherUse] = (),
        calendar: Calendar = lab_calendar,
    ) -> None:
        self.settings = settings
        self.users, self.plans = team
        self.demand = demand
        self.setups = setups
        self.end = end
        self.other_use = other_use
        self.calendar = calendar

    def upper_bound(
        self, overshoot: Sequence[Overshoot] = (), used_elsewhere: Sequence[tuple[float, float]] = ()
    ) -> float:
        """Return what no scheduler can exceed (weighted tokens).

        `overshoot` is what the API served beyond its windows, `used_elsewhere` what others used in the run,
        and when.  It is work like any other, so the bound of both together, less it, is one of the rest: of
        those runs in which the others use as much.
        """
        windows = [
            window._replace(account=account)
            for account, setup in self._named_setups()
            for window in self.weekly_windows(setup)
        ]
        both = self.demand.with_more(used_elsewhere) if used_elsewhere else self.demand
        bound = upper_bound(both, windows, self.end, overshoot) - sum(used for _, used in used_elsewhere)
        if not self.settings.opus_window:
            return bound
        opus = self.demand.of_family("opus")
        scoped = [window._replace(week=window.week * self.settings.opus_window) for window in windows]
        others = self.demand.wanted_before(self.end) - opus.wanted_before(self.end)
        return min(bound, upper_bound(opus, scoped, self.end, overshoot, OPUS_AXIS) + others)

    def api_accounts(self) -> dict[str, ApiAccount]:
        """Return the accounts as they are at the beginning."""
        return {account: self._api_account(setup) for account, setup in self._named_setups()}

    def _named_setups(self) -> Iterator[tuple[str, AccountSetup]]:
        return ((f"acct{number}", setup) for number, setup in enumerate(self.setups, 1))

    def last_week_allowance(self, part: float = 1.0) -> dict[str, float]:
        """Return per account what of the weekly window that runs at the end belongs to the time before it.

        `part` is the size of that window against the week's.
        """
        last = {account: self.weekly_windows(setup)[-1] for account, setup in self._named_setups()}
        return {
            account: usable_tokens(window._replace(week=window.week * part), 0.0) if window.goes_on else 0.0
            for account, window in last.items()
        }

    def weekly_windows(self, setup: AccountSetup) -> list[WeeklyWindow]:
        """Return the weekly windows of one account within the run, in order."""
        size, at, five = setup.week, setup.resets_at, setup.five
        windows = [WeeklyWindow(0.0, at, size * self._demand_share(0.0, at, 0.0), five)]
        while at + WEEK_SEC <= self.end:
            windows.append(WeeklyWindow(at, at + WEEK_SEC, size, five))
            at += WEEK_SEC
        if at < self.end:
            windows.append(self._last_window(setup, at))
        lost_at = setup.login_lost_at
        return [w._replace(end=min(w.end, lost_at)) for w in windows if w.begin < lost_at]

    def _last_window(self, setup: AccountSetup, begin: float) -> WeeklyWindow:
        if setup.login_lost_at < self.end:
            # A scheduler that knows that an account will be lost may use all of its week before.
            return WeeklyWindow(begin, self.end, setup.week, setup.five)
        rest = setup.week * (1.0 - self._demand_share(self.end, begin + WEEK_SEC, begin))
        return WeeklyWindow(begin, self.end, rest, setup.five, goes_on=True)

    def _api_account(self, setup: AccountSetup) -> ApiAccount:
        gone = 1.0 - self._demand_share(0.0, setup.resets_at, 0.0)
        week = ApiWindow("7d", setup.week, WEEK_SEC, setup.resets_at, setup.week * gone, fixed=True)
        windows = [ApiWindow("5h", setup.five, FIVE_HOURS_SEC), week]
        some = setup.week * self.settings.opus_window
        if some:
            scoped = ApiWindow(
                OPUS_AXIS, some, WEEK_SEC, setup.resets_at, some * gone, fixed=True, family="opus"
            )
            windows.append(scoped)
        api_account = ApiAccount(windows, self.settings.burst, self.settings.weights)
        api_account.login_lost_at = setup.login_lost_at
        return api_account

    def _demand_share(self, begin: float, resets_at: float, week_begin: float) -> float:
        """Return the part of a week's demand that falls between two instants of it."""
        week = self.demand.wanted_before(week_begin + WEEK_SEC) - self.demand.wanted_before(week_begin)
        part = self.demand.wanted_before(resets_at) - self.demand.wanted_before(begin)
        return min(1.0, max(0.0, part / week)) if week > 0 else 0.0


def synthetic_scenario(settings: ScenarioSettings, sessions: Sequence[SessionTrace], seed: int) -> Scenario:
    """Return a team that works with such sessions; the accounts are as large as the load says."""
    end = settings.weeks * WEEK_SEC
    # The week after the end is planned too: it says how much of the last quota belongs to it.
    team = make_workload(sessions, settings.users, settings.weeks + 1, seed, settings.agents)
    demand = unconstrained_demand(*team, settings.weights, settings.cache_life, end + WEEK_SEC)
    ours = sum(settings.sizes) * (1.0 - settings.other_use)
    total = demand.wanted_before(end) / settings.weeks / settings.load / ours
    rng = random.Random(f"resets {seed}")
    shift = rng.random()
    count = len(settings.sizes)
    setups = []
    for number, size in enumerate(settings.sizes):
        # Spread over the week: a person's accounts do not all begin on the same day.
        resets_at = ((number + shift) / count + rng.uniform(-0.1, 0.1)) % 1.0 * WEEK_SEC
        if settings.resets_within_sec:
            resets_at = shift * WEEK_SEC + rng.uniform(0.0, settings.resets_within_sec)
        lost_at = (
            settings.first_login_lost_sec if settings.first_login_lost_sec and number == 0 else float("inf")
        )
        week = size * total
        setups.append(AccountSetup(week, week * FIVE_OF_WEEK, resets_at, lost_at))
    weeks = {f"acct{number}": setup.week for number, setup in enumerate(setups, 1)}
    return Scenario(
        settings, team, demand, setups, end, plan_other_use(weeks, settings.other_use, settings.weeks, seed)
    )
