"""What the pool is going to burn: the profile of the week, and the conversations at work now.

The expectation for a time `t` from now is the profile's, with a part of what is at work now:

    rate(t) = (1 - w) profile + w (active conversations x what one burns)
    w       = (NOW_WEIGHT + a part that falls with the days observed) exp(-t / NOW_HOURS)

How far it strays is learned, too: the variance is `burst` x expectation + (LEVEL x expectation)^2, where
`burst` is learned from the squared errors of what was expected for the hours before.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Optional

from .profile import WeekProfile
from .readings import HOUR_SEC, PoolReading
from .saved import saved_numbers

__all__ = ["DemandModel"]

NOW_WEIGHT, NOW_WEIGHT_UNKNOWN, NOW_HOURS = 0.32, 0.4, 2.0
RECENT_PART = 0.3  # of what is at work now, by the burn of the last hour; the rest by the conversations
RECENT_HOURS = 1.0
FADE_HOURS = 48.0  # of the burn of an active conversation
LEVEL = 0.15  # relative error of the expectation that does not average out
LEVEL_UNKNOWN = 0.5  # the same for a day's observations; it falls with more of them
MAX_GAP_SEC = 1200.0  # between two readings: nobody watched in a longer one
CHECK_SEC = 900.0  # an expectation is kept this often, to learn from its error
CHECK_HOURS = 3.0  # ahead
BURST_FADE = 0.995  # per check
BURST_HOURS = 2.0  # an unlearned burst is so many hours of an active conversation
PRIOR_CHECKS = 40.0


class DemandModel:
    """Learn from readings; tell expected demand and its spread.  `week_hour`: as of `WeekProfile`."""

    def __init__(self, week_hour: Callable[[float], int]) -> None:
        self.profile = WeekProfile(week_hour)
        self._last: Optional[PoolReading] = None
        self._active_tokens = self._active_hours = 0.0
        self._recent = 0.0  # tokens per hour
        self.active = 0
        self._total = 0.0  # burned since the beginning
        self._checks: deque[tuple[float, float, float]] = deque()  # due, total then, expected until then
        self._squares = self._expected = 0.0

    # --- learning -------------------------------------------------------------------------------

    def observe(self, reading: PoolReading) -> None:
        """Take in the next reading."""
        last, self._last = self._last, reading
        self.active = reading.active
        if last is None:
            return
        gap = reading.at - last.at
        if not 0.0 < gap <= MAX_GAP_SEC:  # the server did not run, or the clock was set
            self._checks.clear()
            return
        known = {account.name: account.burned for account in last.accounts}
        burned = sum(max(0, a.burned - known.get(a.name, a.burned)) for a in reading.accounts)
        self._total += burned
        if reading.is_dry and last.is_dry:
            return  # what was wanted meanwhile is not known: it would look like a quiet hour
        self.profile.add(burned, last.at, reading.at)
        hours = gap / HOUR_SEC
        self._recent += (burned / hours - self._recent) * (1.0 - math.exp(-hours / RECENT_HOURS))
        keep = math.exp(-hours / FADE_HOURS)
        self._active_tokens = self._active_tokens * keep + burned
        self._active_hours = self._active_hours * keep + hours * (last.active + reading.active) / 2
        self._check(reading.at)

    def _check(self, now: float) -> None:
        while self._checks and self._checks[0][0] <= now:
            _, begun, expected = self._checks.popleft()
            self._squares = self._squares * BURST_FADE + (self._total - begun - expected) ** 2
            self._expected = self._expected * BURST_FADE + expected
        ahead = CHECK_HOURS * HOUR_SEC
        if not self._checks or now >= self._checks[-1][0] - ahead + CHECK_SEC:
            self._checks.append((now + ahead, self._total, self.expected(now, [ahead])[0]))

    def to_json(self) -> dict[str, list[float]]:
        """Return what else was learned than the profile, which has its own past."""
        at = self._last.at if self._last is not None else 0.0
        return {
            "errors": [round(self._squares), round(self._expected)],
            "conversation": [round(self._active_tokens), round(self._active_hours, 4)],
            "recent": [round(at), round(self._recent)],
        }

    def restore(self, saved: Mapping[str, Any], now: float) -> None:
        """Take over what `to_json` returned in an earlier run; what can't be read is learned anew."""
        found = {name: saved_numbers(saved.get(name), 2) for name in ("errors", "conversation", "recent")}
        errors, conversation, recent = (
            pair if pair is not None and min(pair) >= 0.0 else None for pair in found.values()
        )
        if errors is not None:
            self._squares, self._expected = errors
        if conversation is not None:
            self._active_tokens, self._active_hours = conversation
        if recent is not None:
            hours = max(0.0, now - recent[0]) / HOUR_SEC
            self._recent = recent[1] * math.exp(-hours / RECENT_HOURS)

    # --- telling --------------------------------------------------------------------------------

    @property
    def is_known(self) -> bool:
        """Whether enough has been observed to tell anything."""
        return self.profile.is_known and self.profile.mean > 0.0

    @property
    def conversation_rate(self) -> float:
        """Tokens per hour of an active conversation."""
        return self._active_tokens / max(0.5, self._active_hours)

    @property
    def burst(self) -> float:
        """Tokens of a burst: variance of the demand against its expectation."""
        prior = BURST_HOURS * self.conversation_rate
        weight = PRIOR_CHECKS * CHECK_HOURS * self.profile.mean
        return (self._squares + weight * prior) / max(1.0, self._expected + weight)

    @property
    def level_error(self) -> float:
        """Relative error of every expectation, by how long demand has been observed."""
        weeks = self.profile.observed / 168.0
        return math.hypot(LEVEL, LEVEL_UNKNOWN / (1.0 + 7.0 * weeks))

    def shape(self, expected: float) -> float:
        """Return the shape of the gamma distribution around an expectation (tokens)."""
        return 1.0 / (self.burst / max(1.0, expected) + self.level_error**2)

    def expected(self, now: float, offsets: Sequence[float]) -> list[float]:
        """Return the tokens expected from `now` until each of the `offsets` (seconds, ascending)."""
        active = (1.0 - RECENT_PART) * self.active * self.conversation_rate + RECENT_PART * self._recent
        most = NOW_WEIGHT + NOW_WEIGHT_UNKNOWN / (1.0 + self.profile.observed / 24.0)
        rates, week_hour = self.profile.rates(), self.profile.week_hour
        found, total, passed = [], 0.0, 0.0
        for offset in offsets:
            while passed < offset:
                at = now + passed
                step = min(offset - passed, max(1.0, HOUR_SEC - at % HOUR_SEC))
                weight = most * math.exp(-(passed + step / 2) / HOUR_SEC / NOW_HOURS)
                total += ((1.0 - weight) * rates[week_hour(at)] + weight * active) * step / HOUR_SEC
                passed += step
            found.append(total)
        return found
