"""A plan of how the demand until the last weekly reset is best spread over the accounts' windows.

1. Between two resets nothing changes but the demand, so that the time up to the horizon falls into a few
   intervals.  In each the demand is split over the accounts.
2. The split is water-filling: of the weekly windows each is filled to the same level, one that ends sooner
   to a higher one, as far as the intervals in which it is open allow.  A 5h window, the present or a later
   one, is a limit: the demand is drawn from it while it would become more than full.
3. An account's rate is its part of the demand of the next hour, and as much more as its windows have room for
   if all goes as planned.

Tokens are burned tokens (`Usage.burn`), times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ...values import NamedTuple

__all__ = [
    "EPSILON",
    "FIVE_HOURS",
    "USUAL_TUNING",
    "WEEK",
    "AccountQuota",
    "HorizonTuning",
    "Plan",
    "make_plan",
]

HOUR = 3600.0
FIVE_HOURS, WEEK = 5 * HOUR, 168 * HOUR
EPSILON = 1e-9


class HorizonTuning(NamedTuple):
    """What was tried in the lab; the defaults did best."""

    resolve_sec: float = 60.0  # a plan is used for so long unless a window is reset
    next_5h: int = 2  # 5h windows after the present one that are planned one by one
    rounds: int = 24  # of water-filling
    urgency: float = 0.3  # a window that ends a week sooner may become so much fuller (fraction)
    gate: str = "price"  # what holds cold conversations: price, plan, both, or none
    gate_week: bool = True  # the plan's gate rations the week, too; False: 5h windows alone
    slack: float = 1.5  # conversations may burn so many times the planned rate together


USUAL_TUNING = HorizonTuning()


class AccountQuota(NamedTuple):
    """What is left of an account's windows: tokens, and epoch seconds of their resets."""

    left_5h: float
    ends_5h: float
    size_5h: float
    left_7d: float
    ends_7d: float
    size_7d: float


class Plan(NamedTuple):
    """What each account, in the order given, is to serve until the horizon."""

    at: float
    until: float  # the first reset
    planned: tuple[tuple[float, ...], ...]  # tokens by interval and account
    ends: tuple[float, ...]  # of the intervals
    levels: tuple[float, ...]  # how full the fullest open window of each account will become
    level: float  # demand against quota, of all accounts
    rates: tuple[float, ...]  # tokens per second that each account can serve in the next hour
    rates_5h: tuple[float, ...]  # the same without regard to the week


class _Window:
    """A window of one account in the plan."""

    def __init__(self, account: int, begins: float, ends: float, room: float, is_limit: bool) -> None:
        self.account, self.begins, self.ends = account, begins, ends
        self.room, self.is_limit = max(room, EPSILON), is_limit
        self.weight = 1.0
        self.load = 0.0

    @property
    def level(self) -> float:
        return self.load / self.room


def make_plan(
    quotas: Sequence[AccountQuota],
    wanted: Callable[[float, float], float],
    now: float,
    tuning: HorizonTuning = USUAL_TUNING,
) -> Plan:
    """Spread the demand until the last weekly reset over the accounts.

    `wanted` returns the tokens expected between two instants.
    """
    horizon = max(quota.ends_7d for quota in quotas)
    windows = [w for n, quota in enumerate(quotas) for w in _windows(n, quota, wanted, now, horizon, tuning)]
    ends = sorted({w.ends for w in windows if now < w.ends <= horizon} | {horizon})
    begins = [now, *ends[:-1]]
    demand = [wanted(begin, end) for begin, end in zip(begins, ends)]
    open_in = [
        [[w for w in windows if w.account == n and w.begins <= begin < w.ends] for n in range(len(quotas))]
        for begin in begins
    ]
    planned: list[list[float]] = []
    for turn in range(tuning.rounds):
        planned = _split(windows, open_in, demand)
        if turn < tuning.rounds - 1:
            _adjust(windows, 0.5, now, tuning)
    weekly = [w for w in windows if not w.is_limit]
    level = sum(demand) / max(EPSILON, sum(w.room for w in weekly))
    levels = [max(w.level for w in mine) for mine in open_in[0]]
    levels_5h = [max((w.level for w in mine if w.is_limit), default=0.0) for mine in open_in[0]]
    total = max(EPSILON, sum(planned[0]))
    rate_now = wanted(now, now + HOUR) / HOUR
    parts = [rate_now * part / total for part in planned[0]]
    return Plan(
        now,
        ends[0],
        tuple(map(tuple, planned)),
        tuple(ends),
        tuple(levels),
        level,
        tuple(part / max(full, EPSILON) for part, full in zip(parts, levels)),
        tuple(part / max(full, EPSILON) for part, full in zip(parts, levels_5h)),
    )


def _windows(
    number: int,
    quota: AccountQuota,
    wanted: Callable[[float, float], float],
    now: float,
    horizon: float,
    tuning: HorizonTuning,
) -> Iterator[_Window]:
    """Yield the weekly window that is open and the one after it, and the 5h windows of the next hours."""
    yield _Window(number, now, quota.ends_7d, quota.left_7d, False)
    if quota.ends_7d < horizon:
        # Of the week that goes on after the horizon, the part that is wanted before.
        part = wanted(quota.ends_7d, horizon) / max(EPSILON, wanted(quota.ends_7d, quota.ends_7d + WEEK))
        yield _Window(number, quota.ends_7d, horizon, quota.size_7d * part, False)
    yield _Window(number, now, quota.ends_5h, quota.left_5h, True)
    for later in range(tuning.next_5h):
        begins = quota.ends_5h + later * FIVE_HOURS
        yield _Window(number, begins, begins + FIVE_HOURS, quota.size_5h, True)


def _split(
    windows: Sequence[_Window], open_in: Sequence[Sequence[Sequence[_Window]]], demand: Sequence[float]
) -> list[list[float]]:
    """Split each interval's demand by the weights of the open windows, and add it to their loads."""
    for window in windows:
        window.load = 0.0
    planned = []
    for tokens, accounts in zip(demand, open_in):
        weights = []
        for mine in accounts:
            weight = 1.0
            for window in mine:
                weight *= window.weight
            weights.append(weight)
        unit = tokens / max(EPSILON, sum(weights))
        row = []
        for weight, mine in zip(weights, accounts):
            part = unit * weight
            row.append(part)
            for window in mine:
                window.load += part
        planned.append(row)
    return planned


def _adjust(windows: Sequence[_Window], power: float, now: float, tuning: HorizonTuning) -> None:
    """Draw the demand from full windows to emptier ones."""
    weekly = [w for w in windows if not w.is_limit]
    mean = max(EPSILON, sum(w.load for w in weekly) / sum(w.room for w in weekly))
    for window in windows:
        if window.is_limit:
            if window.load > 0.0:
                window.weight = min(1.0, window.weight * (1.0 / window.level) ** power)
        else:
            target = mean * (1.0 - tuning.urgency * (window.ends - now) / WEEK)
            ratio = target / max(window.level, 1e-3 * mean)
            window.weight = min(1e6, max(1e-6, window.weight * ratio**power))
