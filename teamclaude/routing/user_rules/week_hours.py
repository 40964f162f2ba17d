"""Hours of the week as a person writes them: `Mon-Fri 9-17`, `Sat,Sun`, `Fri 9:30-17:15`, `22-6`.

1. Days without times are whole days; times without days are of every day.
2. Times that end before they begin end on the next day: `Fri 22-6` until Saturday at 6.
3. A calendar says what an instant is on the clock of the wall: the time zone and its changes are its own.  An
   hour that the clock skips is over at once, one that it repeats is there twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Callable, Optional

from ...values import NamedTuple

__all__ = ["EVERY_DAY", "Calendar", "WeekHours", "parse_days", "parse_week_hours", "utc_calendar"]

# Epoch seconds -> the day of the week (0: Monday) and the minute of that day.
Calendar = Callable[[float], tuple[int, int]]

DAY_MIN, WEEK_MIN = 24 * 60, 7 * 24 * 60
EVERY_DAY = frozenset(range(7))
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_TIMES = re.compile(r"(\d{1,2})(?::(\d\d))?-(\d{1,2})(?::(\d\d))?")


def utc_calendar(at: float) -> tuple[int, int]:
    """Return the day and the minute of an instant in UTC."""
    days, seconds = divmod(at, 86400.0)
    return (int(days) + 3) % 7, int(seconds // 60)  # the first day of the epoch was a Thursday


class WeekHours(NamedTuple):
    """Some hours of every week."""

    text: str  # as they were written
    ranges: tuple[tuple[int, int], ...]  # begin (minute of the week) and length (minutes)

    def contains(self, at: float, calendar: Calendar) -> bool:
        """Return whether the instant is within these hours."""
        minute = _minute_of_week(at, calendar)
        return any((minute - begin) % WEEK_MIN < length for begin, length in self.ranges)

    def next_begin(self, at: float, calendar: Calendar) -> float:
        """Return when the next of these hours begins, after `at` (epoch seconds)."""
        minute, start = _minute_of_week(at, calendar), at - at % 60.0
        begins = []
        for begin, _ in self.ranges:
            ahead = (begin - minute) % WEEK_MIN or WEEK_MIN
            found = start + ahead * 60.0
            # The clock may be changed until then.
            off = (_minute_of_week(found, calendar) - begin + WEEK_MIN // 2) % WEEK_MIN - WEEK_MIN // 2
            begins.append(found - off * 60.0)
        return min(begins)


def _minute_of_week(at: float, calendar: Calendar) -> int:
    day, minute = calendar(at)
    return day * DAY_MIN + minute


def parse_week_hours(text: str) -> Optional[WeekHours]:
    """Return the hours that a text names; None for anything else."""
    words = _compact(text).split()
    if not 1 <= len(words) <= 2:
        return None
    has_days, has_times = not words[0][0].isdigit(), words[-1][0].isdigit()
    if len(words) == 2 and not (has_days and has_times):
        return None
    days = parse_days(words[0]) if has_days else EVERY_DAY
    times = list(_times(words[-1])) if has_times else [(0, DAY_MIN)]
    if days is None or not times or None in times:
        return None
    ranges = {(day * DAY_MIN + time[0], time[1]) for day in days for time in times if time}
    return WeekHours(text.strip(), tuple(sorted(ranges)))


def parse_days(text: str) -> Optional[frozenset[int]]:
    """Return the days (0: Monday) of `Mon-Fri, Sun`; a span may pass Sunday; None for anything else."""
    days: set[int] = set()
    for part in _compact(text).split(","):
        first, dash, last = part.partition("-")
        begin, end = _day(first), _day(last if dash else first)
        if begin is None or end is None:
            return None
        days |= {(begin + number) % 7 for number in range((end - begin) % 7 + 1)}
    return frozenset(days)


def _compact(text: str) -> str:
    """Return the text in lower case, without spaces around commas and dashes (also the dash of print)."""
    return re.sub(r"\s*([,-])\s*", r"\1", text.strip().lower().replace("–", "-"))


def _day(name: str) -> Optional[int]:
    found = [number for number, day in enumerate(_DAYS) if len(name) >= 3 and day.startswith(name)]
    return found[0] if found else None


def _times(text: str) -> Iterator[Optional[tuple[int, int]]]:
    """Yield the begin and the length of `9-12,13:30-17`, in minutes; None for what is no time."""
    for part in text.split(","):
        found = _TIMES.fullmatch(part)
        begin, end = (_minutes(found[1], found[2]), _minutes(found[3], found[4])) if found else (None, None)
        if begin is None or end is None or begin in (end, DAY_MIN):
            yield None
            return
        yield begin, (end - begin) % DAY_MIN or DAY_MIN


def _minutes(hour: str, minute: Optional[str]) -> Optional[int]:
    found = int(hour) * 60 + int(minute or 0)
    return found if int(minute or 0) < 60 and found <= DAY_MIN else None
