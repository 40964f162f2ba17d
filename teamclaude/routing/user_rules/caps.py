"""How much of an account's windows may be used: `maxUsage`, and `reserve` for hours of the week.

1. A cap is a fraction of a window, by axis (`5h`, `7d`, `7d_opus`, `tokens`, ...) or for all axes.  A cap of
   `7d` is none of `7d_opus`.
2. From that utilization on the account counts as full, until the reset of that axis.  No policy, pin or
   shortage waives it, and extra usage does not go on beyond it.
3. A reserve is kept out of what the cap leaves: for its hours, while they are ahead and begin before the
   window's reset.  Within its hours it keeps nothing; several reserves add up.
4. The utilization is what the last response said, rounded to 0.01 by the API.  What is in flight then is
   finished: the use goes beyond the limit by the requests that are in flight, and by half a percent.
5. A window whose reset nobody names ends when a window of its length would that began when it was last seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Optional, Union

from ...errors import ConfigError
from ...values import NamedTuple
from ..quota.windows import span_sec
from .week_hours import Calendar, WeekHours, parse_week_hours, utc_calendar

__all__ = [
    "AMBIGUOUS",
    "MAX_USAGE",
    "NO_CAPS",
    "NO_LIMIT",
    "NO_RESERVES",
    "RESERVE",
    "Caps",
    "Reserve",
    "Reserves",
    "UsageLimits",
    "WindowLimit",
    "limits_of",
]

MAX_USAGE, RESERVE = "max usage", "reserve"  # the names of the rules wherever they exclude an account
AMBIGUOUS = 5.0  # above 1 and below this a number is neither surely a fraction nor surely percent
ROUNDING = 1e-9  # 1 - 0.7 is not 0.3


class Caps(NamedTuple):
    """Fractions of windows (0-1) as a value that compares and hashes."""

    every: float = math.inf  # of all axes; inf: none
    by_axis: tuple[tuple[str, float], ...] = ()  # sorted

    @classmethod
    def of(cls, value: Union[float, Mapping[str, float], None]) -> Caps:
        """Return the caps of one number for all axes, of a mapping by axis, or none."""
        if value is None:
            return NO_CAPS
        if isinstance(value, Mapping):
            return cls(math.inf, tuple(sorted(value.items())))
        return cls(float(value))

    def cap(self, axis: str) -> float:
        """Return the cap of the axis; inf: none."""
        for name, cap in self.by_axis:
            if name == axis:
                return cap
        return self.every

    @property
    def lowest(self) -> float:
        """The lowest of them; inf: none."""
        return min((cap for _, cap in self.by_axis), default=self.every)

    def describe(self) -> str:
        """Return `60%`, or `80% of 5h, 60% of 7d`; empty for none."""
        if self.every < math.inf:
            return f"{self.every:.0%}"
        return ", ".join(f"{cap:.0%} of {axis}" for axis, cap in self.by_axis)

    @staticmethod
    def json_type() -> str:
        """Return the type of the config value in words."""
        return "number or object"

    @classmethod
    def from_json(cls, value: Any, path: str) -> Caps:
        """Return the caps of a config value; raise ConfigError."""
        if value == {}:
            raise ConfigError(f"{path}: expected {_EXPECTED}, got an empty object: leave the key out")
        return _caps(value, path)

    def to_json(self) -> Any:
        """Return what `from_json` reads."""
        return dict(self.by_axis) if self.by_axis or self.every == math.inf else self.every


NO_CAPS = Caps()


class Reserve(NamedTuple):
    """The part of the windows that is kept for some hours."""

    hours: WeekHours
    parts: Caps


class Reserves(NamedTuple):
    """All reserves of one account, and the clock of the wall that their hours are on."""

    items: tuple[Reserve, ...] = ()
    calendar: Calendar = utc_calendar

    @staticmethod
    def json_type() -> str:
        """Return the type of the config value in words."""
        return "object"

    @classmethod
    def from_json(cls, value: Any, path: str) -> Reserves:
        """Return the reserves of a config value, {hours: fraction or {axis: fraction}}; raise ConfigError."""
        if not isinstance(value, dict):
            raise ConfigError(f'{path}: expected an object, as {{"Mon-Fri 9-17": 0.3}}')
        items = []
        for text, parts in value.items():
            hours = parse_week_hours(text)
            if hours is None:
                shown = "".join(char if char.isprintable() else "?" for char in text)[:40]
                raise ConfigError(
                    f'{path}: "{shown}" names no hours; write "Mon-Fri 9-17", "Sat,Sun" or "22-6"'
                )
            items.append(Reserve(hours, _caps(parts, f'{path}["{text}"]')))
        return cls(tuple(items))

    def to_json(self) -> Any:
        """Return what `from_json` reads."""
        return {reserve.hours.text: reserve.parts.to_json() for reserve in self.items}

    def kept(self, axis: str) -> float:
        """Return the part of the axis that all of them keep together."""
        return sum(part for each in self.items if (part := each.parts.cap(axis)) < math.inf)


NO_RESERVES = Reserves()


class WindowLimit(NamedTuple):
    """What may be used of one window at an instant."""

    fraction: float = math.inf  # utilization from which on the window counts as full; inf: no limit
    rule: str = ""
    text: str = ""  # `maxUsage 60%`
    # Epoch seconds at which it ends, where that is not with the window's reset; inf: never.
    until: Optional[float] = None


NO_LIMIT = WindowLimit()


class UsageLimits:
    """All limits of one account's windows."""

    def __init__(self, caps: Caps, reserves: Reserves = NO_RESERVES) -> None:
        self._caps, self._reserves = caps, reserves
        self._minute = -1  # of which the next line is
        self._begins: list[float] = []  # when the hours of each reserve begin; inf: they have begun

    def describe(self) -> str:
        """Return `maxUsage 80% of 5h, 60% of 7d, 30% reserved for Mon-Fri 9-17`."""
        caps = self._caps.describe()
        kept = [f"{each.parts.describe()} reserved for {each.hours.text}" for each in self._reserves.items]
        return ", ".join([*([f"maxUsage {caps}"] if caps else []), *kept])

    def floor(self, axis: str) -> float:
        """Return the lowest fraction that the axis may be limited to at any time; inf: it never is."""
        cap, kept = self._caps.cap(axis), self._reserves.kept(axis)
        return max(0.0, min(1.0, cap) - kept - ROUNDING) if kept else cap

    def limit(self, axis: str, used: Optional[float], resets_at: Optional[float], now: float) -> WindowLimit:
        """Return what may be used now of a window that is used up to `used` and reset at `resets_at`."""
        cap = self._caps.cap(axis)
        if self._reserves.items and (used is None or used < cap):
            end = now + span_sec(axis) if resets_at is None else resets_at
            kept, until, hours = self._kept(axis, end, now)
            if kept:
                left = max(0.0, min(1.0, cap) - kept - ROUNDING)
                return WindowLimit(left, RESERVE, f"{kept:.0%} reserved for {hours}", until)
        if cap == math.inf:
            return NO_LIMIT
        # With nothing allowed, nothing is back with the reset either.
        return WindowLimit(cap, MAX_USAGE, f"maxUsage {cap:.0%}", math.inf if cap <= 0 else None)

    def _kept(self, axis: str, end: float, now: float) -> tuple[float, float, str]:
        """Return the part that is kept for hours before `end`, when the first begin, and which they are."""
        kept, first, texts = 0.0, math.inf, []
        for reserve, begin in zip(self._reserves.items, self._next_begins(now)):
            part = reserve.parts.cap(axis)
            if 0.0 < part < math.inf and begin < end:
                kept += part
                first = min(first, begin)
                texts.append(reserve.hours.text)
        return kept, first, " and ".join(texts)

    def _next_begins(self, now: float) -> list[float]:
        """Return when the hours of each reserve begin; hours begin and end with a minute."""
        minute = int(now // 60)
        if minute != self._minute:
            calendar = self._reserves.calendar
            self._begins = [
                math.inf if hours.contains(now, calendar) else hours.next_begin(now, calendar)
                for hours, _ in self._reserves.items
            ]
            self._minute = minute
        return self._begins


def limits_of(caps: Caps, reserves: Reserves = NO_RESERVES) -> Optional[UsageLimits]:
    """Return the limits of an account; None when it has none."""
    return UsageLimits(caps, reserves) if caps != NO_CAPS or reserves.items else None


_EXPECTED = "a fraction from 0 to 1, or one by window"


def _caps(value: Any, path: str) -> Caps:
    if isinstance(value, dict):
        return Caps.of({axis.lower(): _fraction(cap, f"{path}.{axis}") for axis, cap in value.items()})
    return Caps.of(_fraction(value, path))


def _fraction(value: Any, path: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{path}: expected {_EXPECTED}")
    if 1 < value < AMBIGUOUS:
        raise ConfigError(f"{path}: expected a fraction from 0 to 1, got {value:g}: write 0.6 for 60 %")
    if 1 < value <= 100:
        raise ConfigError(f"{path}: expected a fraction from 0 to 1, got {value:g}: write {value / 100:g}")
    if not 0 <= value <= 1:  # NaN fails, too
        shown = "a number far beyond" if abs(value) > 1e15 else f"{value:.3g}"  # no float holds some of them
        raise ConfigError(f"{path}: expected a fraction from 0 to 1, got {shown}")
    return float(value)
