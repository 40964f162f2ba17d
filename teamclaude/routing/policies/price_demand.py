"""What the pool is expected to want: tokens per hour of the week, learned from what it used.

With no history every hour is worth the same, so that a share of the expected demand is a share of
the time: the weekly line.  An hour of the week not seen yet is worth what the same hour of other
days was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

__all__ = ["HOURS", "DemandTable"]

HOURS = 168
HOUR_SEC = 3600.0
NEWEST_WEIGHT = 0.5  # weight of the newest week


class DemandTable:
    """Expected tokens by hour of the week."""

    def __init__(self, hours: Optional[Sequence[Optional[float]]] = None) -> None:
        self.hours: list[Optional[float]] = list(hours) if hours else [None] * HOURS
        self._hour: Optional[int] = None  # running number of the hour that is being filled
        self._filled = 0.0
        self._partial = True  # the first hour was not seen from its beginning
        self._sums: Optional[list[float]] = None  # of the hours as they are; None: not added up yet
        self._seen = 0  # hours, when they were added up
        self._now, self._past = 0.0, 0.0  # the instant asked for last, and what was wanted until then

    def add(self, tokens: float, now: float) -> None:
        """`tokens` were used at `now`; hours without use count as such."""
        hour = int(now // HOUR_SEC)
        if self._hour is None or hour < self._hour or hour - self._hour > HOURS:
            self._hour, self._filled, self._partial = hour, 0.0, True
        while self._hour < hour:
            self._close_hour()
        self._filled += tokens

    @property
    def is_known(self) -> bool:
        """Most hours of the week have been seen."""
        if self._sums is None:
            self._cumulate()
        return self._seen >= 0.7 * HOURS

    def expected(self, now: float, until: float) -> float:
        """Tokens wanted between two instants; before anything was learned, seconds."""
        if now != self._now or self._sums is None:  # asked twice for each account
            self._now, self._past = now, self._through(now)
        return max(0.0, self._through(until) - self._past)

    def _close_hour(self) -> None:
        assert self._hour is not None
        slot = self._hour % HOURS
        old = self.hours[slot]
        if not self._partial:
            self.hours[slot] = self._filled if old is None else old + NEWEST_WEIGHT * (self._filled - old)
            self._sums = None
        self._hour, self._filled, self._partial = self._hour + 1, 0.0, False

    def _through(self, at: float) -> float:
        sums = self._sums or self._cumulate()
        hour = at / HOUR_SEC
        weeks, place = divmod(hour, HOURS)
        slot = int(place) if place < HOURS else HOURS - 1
        return weeks * sums[HOURS] + sums[slot] + (place - slot) * (sums[slot + 1] - sums[slot])

    def _cumulate(self) -> list[float]:
        known = [value for value in self.hours if value is not None]
        self._seen = len(known)
        mean = sum(known) / len(known) if len(known) >= 24 else None
        total, sums = 0.0, [0.0]
        for slot in range(HOURS):
            total += HOUR_SEC if mean is None else self._guess(slot, mean)
            sums.append(total)
        self._sums = sums
        return sums

    def _guess(self, slot: int, mean: float) -> float:
        """The hour smoothed with its neighbours and a little of the mean: single hours are noisy."""
        near = [self.hours[(slot + shift) % HOURS] for shift in (-1, 0, 1)]
        seen = [value for value in near if value is not None]
        if len(seen) < 2:
            same = [self.hours[hour] for hour in range(slot % 24, HOURS, 24)]
            seen = [value for value in same if value is not None] or [mean]
        return 0.9 * sum(seen) / len(seen) + 0.1 * mean
