"""The demand of the pool by the hour of the week, learned from what it burned.

1. The week is that of the local clock: the team's nine o'clock stays nine o'clock when the clocks change.
2. An hour of the week with few observations counts as the same hour of the other days of its kind (working
   day or weekend), and that one as the mean of all hours: each as so many observations (shrinkage).
3. Time in which nothing was observed (the server did not run) is no time without demand: it is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

from .readings import HOUR_SEC

__all__ = ["HOURS", "WeekProfile"]

HOURS = 168
FADE = 0.7  # weight of an observation for each week that it is older
MIN_HOURS = 2.0  # observed, before anything can be told
GROUP_WEIGHT = 2.0  # observations that the same hour of the other days counts as
UNSEEN_WEEKEND = 0.4  # of the mean: what an hour of a weekend is taken for before there was one
MEAN_WEIGHT = 1.0  # observations that the mean of all hours counts as


class WeekProfile:
    """Tokens per hour by the hour of the week; `week_hour` returns 0 to 167 of a time, Monday 0:00 is 0."""

    def __init__(self, week_hour: Callable[[float], int]) -> None:
        self.week_hour = week_hour
        self._tokens = [0.0] * HOURS
        self._hours = [0.0] * HOURS  # observed
        self._rates: Optional[list[float]] = None
        self.observed = 0.0  # hours in all, not fading

    def add(self, tokens: float, begin: float, end: float) -> None:
        """Count tokens burned from `begin` to `end`, spread evenly; both epoch seconds."""
        length = end - begin
        if length <= 0.0:
            return
        at = begin
        while at < end:
            until = min(end, (at // HOUR_SEC + 1.0) * HOUR_SEC)
            hours = (until - at) / HOUR_SEC
            slot = self.week_hour(at)
            # Each hour of the week fades as it is observed again: an hour more of it, a week later.
            keep = FADE**hours
            self._tokens[slot] = self._tokens[slot] * keep + tokens * (until - at) / length
            self._hours[slot] = self._hours[slot] * keep + hours
            at = until
        self.observed += length / HOUR_SEC
        self._rates = None

    @property
    def is_known(self) -> bool:
        """Whether enough has been observed to tell anything."""
        return self.observed >= MIN_HOURS

    @property
    def mean(self) -> float:
        """Tokens per hour, over all hours that were observed."""
        return sum(self._tokens) / max(1e-9, sum(self._hours))

    def rates(self) -> list[float]:
        """Return the expected tokens per hour of each hour of the week."""
        if self._rates is None:
            self._rates = self._shrunk()
        return self._rates

    def rate(self, at: float) -> float:
        """Return the expected tokens per hour at `at`."""
        return self.rates()[self.week_hour(at)]

    def _shrunk(self) -> list[float]:
        mean = self.mean
        tokens: dict[tuple[bool, int], float] = {}
        hours: dict[tuple[bool, int], float] = {}
        for slot in range(HOURS):
            group = slot >= 5 * 24, slot % 24
            tokens[group] = tokens.get(group, 0.0) + self._tokens[slot]
            hours[group] = hours.get(group, 0.0) + self._hours[slot]
        guesses = {group: mean * (UNSEEN_WEEKEND if group[0] else 1.0) for group in tokens}
        same = {g: (tokens[g] + MEAN_WEIGHT * guesses[g]) / (hours[g] + MEAN_WEIGHT) for g in tokens}
        found = []
        for slot in range(HOURS):
            # An hour's demand is noisy, and people do not begin on the minute: with its neighbours.
            near = [(slot - 1) % HOURS, slot, (slot + 1) % HOURS]
            burned = sum(w * self._tokens[s] for w, s in zip((0.5, 1.0, 0.5), near))
            seen = sum(w * self._hours[s] for w, s in zip((0.5, 1.0, 0.5), near))
            guess = same[slot >= 5 * 24, slot % 24]
            found.append((burned + GROUP_WEIGHT * guess) / (seen + GROUP_WEIGHT))
        return found

    def add_hours(self, burned: Iterable[tuple[float, float]]) -> None:
        """Count whole hours of the past, in order: (begin in epoch seconds, tokens)."""
        for begin, tokens in burned:
            self.add(tokens, begin, begin + HOUR_SEC)
