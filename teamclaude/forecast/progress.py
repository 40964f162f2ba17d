"""How each account stands between two answers of the API, and which part of the pool's work it has.

Headers round the used share to 0.01, which is more than an hour's work of a week: what was burned since the
share moved last is added to it, at most to where it would have moved.
"""

from __future__ import annotations

import math
from typing import Optional

from ..snapshot import Window
from ..values import NamedTuple
from .readings import HOUR_SEC, AccountReading, PoolReading

__all__ = ["Progress"]

SHARE_HOURS = 1.0  # the work of the last hours counts, fading so fast
ROUNDING = 0.01
MIN_RISE = 0.08  # of a window, before its size is taken from it
LEARNED_WEIGHT = 0.2  # of a whole window
FADE = 0.7  # of what was counted before, with each whole window
SAME_WINDOW_SEC = 5.0


class _Mark(NamedTuple):
    """A window when it was first seen, and when its used share moved last."""

    resets_at: Optional[float]
    first_used: float
    first_burned: int
    used: float
    burned: int


class Progress:
    """Learn from readings in order."""

    def __init__(self) -> None:
        self._marks: dict[tuple[str, str], _Mark] = {}
        self._rises: dict[tuple[str, str], tuple[float, float]] = {}  # of an axis and the tokens, fading
        self._work: dict[str, float] = {}  # tokens of the last hours, fading
        self._burned: dict[str, int] = {}
        self._at: Optional[float] = None

    def observe(self, reading: PoolReading) -> None:
        """Take in the next reading."""
        hours = 0.0 if self._at is None else max(0.0, reading.at - self._at) / HOUR_SEC
        keep = math.exp(-hours / SHARE_HOURS)
        self._at = reading.at
        names = {account.name for account in reading.accounts}
        for table in (self._work, self._burned):
            for name in [name for name in table if name not in names]:
                del table[name]
        for key in [key for key in (*self._marks, *self._rises) if key[0] not in names]:
            self._marks.pop(key, None)
            self._rises.pop(key, None)
        for account in reading.accounts:
            more = max(0, account.burned - self._burned.get(account.name, account.burned))
            self._work[account.name] = self._work.get(account.name, 0.0) * keep + more
            self._burned[account.name] = account.burned
            for axis, window in account.windows.items():
                self._mark(account, axis, window)

    def _mark(self, account: AccountReading, axis: str, window: Window) -> None:
        used, burned = window.utilization or 0.0, account.burned
        key = account.name, axis
        old = self._marks.get(key)
        if (
            old is None
            or abs((old.resets_at or 0.0) - (window.resets_at or 0.0)) > SAME_WINDOW_SEC
            or used < old.used
            or burned < old.burned
        ):
            self._marks[key] = _Mark(window.resets_at, used, burned, used, burned)
        elif used > old.used:
            self._marks[key] = old._replace(used=used, burned=burned)
            rise, tokens = self._rises.get(key, (0.0, 0.0))
            more = used - old.used
            keep = FADE**more
            self._rises[key] = rise * keep + more, tokens * keep + burned - old.burned

    def share(self, name: str) -> float:
        """Return the account's part of the pool's work of the last hours; 0 when there was none."""
        total = sum(self._work.values())
        return self._work.get(name, 0.0) / total if total > 0.0 else 0.0

    def size(self, account: AccountReading, axis: str) -> Optional[float]:
        """Return the burned tokens for all of the axis; None while that is unknown.

        What the window weighs is not what is burned: writing a cache costs less of it than the same tokens of
        output.  A window begins with the one and goes on with the other, so the ratio counts over whole
        windows; the size that routing has learned counts as a part of one.
        """
        rise, tokens = self._rises.get((account.name, axis), (0.0, 0.0))
        learned = {"5h": account.size_5h, "7d": account.size_7d}.get(axis)
        if learned:
            return (tokens + LEARNED_WEIGHT * learned) / (rise + LEARNED_WEIGHT)
        return tokens / rise if rise >= MIN_RISE and tokens > 0 else None

    def used(self, account: AccountReading, axis: str, window: Window) -> Optional[float]:
        """Return the used share with what was burned since it moved last; None when it is unknown."""
        used, mark = window.utilization, self._marks.get((account.name, axis))
        size = self.size(account, axis)
        if used is None or mark is None or not size:
            return used
        since = max(0, account.burned - mark.burned) / size
        if used == mark.first_used:
            return used + min(ROUNDING / 2, since)
        return used - ROUNDING / 4 + min(1.5 * ROUNDING, since)  # up to half a step lower when it moved
