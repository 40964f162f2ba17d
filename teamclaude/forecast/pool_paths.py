"""How the accounts' windows fill up while the pool is asked for given amounts of work: a fluid model.

1. Work stays for a while where it is now, and then follows what is left of the windows against the time until
   they are reset, as policy `price` has it.
2. An account whose window is full gets nothing until the reset; its work goes to the others.  A 5-hour window
   begins anew with the first work after its reset.
3. Work that no account takes waits, and is given up little by little.
4. `wanted` of an account goes on when it is full: how much more would have come says how certain that is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Optional

from ..values import NamedTuple
from .readings import FIVE_HOURS_SEC, HOUR_SEC, WEEK_SEC

__all__ = ["GRID", "AccountPath", "AccountStart", "PoolPath", "run_pool"]

# Seconds from now: fine at first, a week in all.
GRID = tuple(
    HOUR_SEC * hours
    for hours in (
        *(0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0),
        *range(4, 13),
        *range(14, 25, 2),
        *range(27, 73, 3),
        *range(78, 169, 6),
    )
)
STAY_HOURS = 3.0  # after so long 1/e of the work is where it is now
LEAST_LEFT = 0.03  # of a window: also a full account is wanted a little
NEAREST_SEC = 1800.0  # a reset counts as at least so far away
WAIT_HOURS = 2.0  # after so long 1/e of the work that waits is still wanted
UNKNOWN_WEEKS_IN_5H = 0.125


class AccountStart(NamedTuple):
    """An account at the beginning; tokens and epoch seconds."""

    left_5h: float
    resets_5h: Optional[float]  # None: the window is not open
    size_5h: float
    left_7d: float
    resets_7d: Optional[float]  # None: unknown; taken as a week from now
    size_7d: float
    share: float = 0.0  # of the pool's work, lately
    back_at: float = 0.0  # it serves from then on


class AccountPath(NamedTuple):
    """What one account gets, at the times of GRID: tokens since the beginning."""

    served: list[float]
    wanted: list[float]


class PoolPath(NamedTuple):
    """One course of events."""

    accounts: list[AccountPath]
    dry_at: Optional[float]  # seconds from now; None: some account serves all the time
    refused: float  # tokens that no account took


class _Account:
    """The state of one account on its way."""

    def __init__(self, start: AccountStart, now: float) -> None:
        self.start = start
        self.left_5h, self.left_7d = start.left_5h, start.left_7d
        self.resets_5h = start.resets_5h
        self.resets_7d = start.resets_7d if start.resets_7d is not None else now + WEEK_SEC
        self.served = self.wanted = 0.0
        self.path = AccountPath([], [])

    def pass_resets(self, now: float) -> None:
        if self.resets_5h is not None and self.resets_5h <= now:
            self.left_5h, self.resets_5h = self.start.size_5h, None
        if self.resets_7d <= now:
            self.left_7d = self.start.size_7d
            self.resets_7d += WEEK_SEC

    def room(self, now: float, length: float) -> float:
        """Return the tokens it can serve within `length` seconds; 0 while it is benched."""
        if now < self.start.back_at:
            return 0.0
        resets = now + FIVE_HOURS_SEC if self.resets_5h is None else self.resets_5h
        again = self.start.size_5h * max(0.0, now + length - resets) / FIVE_HOURS_SEC
        return max(0.0, min(max(0.0, self.left_5h) + again, self.left_7d))

    def worth(self, now: float) -> float:
        """Return what is left against the time until the reset: tokens per second."""
        week = max(self.left_7d, LEAST_LEFT * self.start.size_7d) / max(self.resets_7d - now, NEAREST_SEC)
        until_5h = FIVE_HOURS_SEC if self.resets_5h is None else max(self.resets_5h - now, NEAREST_SEC)
        return min(week, max(self.left_5h, LEAST_LEFT * self.start.size_5h) / until_5h)

    def take(self, tokens: float, now: float) -> None:
        if self.resets_5h is None:
            self.resets_5h = now + FIVE_HOURS_SEC
        self.left_5h -= tokens
        self.left_7d -= tokens
        self.served += tokens

    def note(self) -> None:
        self.path.served.append(self.served)
        self.path.wanted.append(max(self.served, self.wanted))


def run_pool(
    starts: Sequence[AccountStart],
    demand: Sequence[float],
    now: float,
    grid: Sequence[float] = GRID,
    until_dry: bool = False,
) -> PoolPath:
    """Let the pool serve `demand`, tokens wanted until each time of `grid`, and return what happens.

    `until_dry`: only up to the time when no account serves.
    """
    accounts = [_Account(start, now) for start in starts]
    dry_at: Optional[float] = None
    before = waiting = asked = 0.0
    for offset, wanted in zip(grid, demand):
        begin, length = now + before, offset - before
        at = begin + length / 2
        for account in accounts:
            account.pass_resets(begin)
        work = wanted - asked + waiting
        asked = wanted
        rooms = [account.room(begin, length) for account in accounts]
        room = sum(rooms)
        weights = _weights(accounts, before / HOUR_SEC, at)
        for account, weight in zip(accounts, weights):
            account.wanted += work * weight
        left = _serve(accounts, rooms, weights, work, begin)
        if dry_at is None and (left > 0.0 or room <= 0.0):
            # Within the step the pool is used up when what it had has been served.
            dry_at = before + length * (min(1.0, room / work) if work > 0.0 else 0.0)
            if until_dry:
                break
        waiting = left * math.exp(-length / HOUR_SEC / WAIT_HOURS)
        for account in accounts:
            account.note()
        before = offset
    return PoolPath([account.path for account in accounts], dry_at, waiting)


def _weights(accounts: Sequence[_Account], hours: float, now: float) -> list[float]:
    worths = [account.worth(now) for account in accounts]
    total = sum(worths) or 1.0
    stays = math.exp(-hours / STAY_HOURS) if any(account.start.share for account in accounts) else 0.0
    return [
        stays * account.start.share + (1.0 - stays) * worth / total
        for account, worth in zip(accounts, worths)
    ]


def _serve(
    accounts: Sequence[_Account], rooms: Sequence[float], weights: Sequence[float], work: float, now: float
) -> float:
    """Give the work to the accounts, that of a full one to the others; return what none takes."""
    given = [0.0] * len(accounts)
    for _ in range(len(accounts)):
        open_weight = sum(w for w, room, had in zip(weights, rooms, given) if room > had)
        if work <= 1e-6 or open_weight <= 0.0:
            break
        portion, work = work / open_weight, 0.0
        for place, weight in enumerate(weights):
            if rooms[place] > given[place]:
                more = min(portion * weight, rooms[place] - given[place])
                given[place] += more
                work += portion * weight - more
    for account, tokens in zip(accounts, given):
        if tokens > 0.0:
            account.take(tokens, now)
    return work if work > 1e-6 else 0.0
