"""How waits and outages are worded: durations, times of day, what is expected.

The Deck uses them without the router.
"""

from __future__ import annotations

import math
import time
from typing import Optional

from ...request_views import OutageView

__all__ = ["HELD_AFTER_SEC", "clock_time", "duration_text", "expectation_text", "outage_text"]

HELD_AFTER_SEC = 1.0  # a shorter hold can't be observed
SAME_WEEK_SEC = 6 * 86400.0  # a day of the week further away may be taken for the one before
SAME_DAY_SEC = 20 * 3600.0  # a time further away may be on another day


def expectation_text(account: Optional[str], back_at: Optional[float], reason: str, now: float) -> str:
    """Return `alice back 23:22`; without an expected account, the reason."""
    if account is None or back_at is None:
        return reason
    return f"{account} back {clock_time(back_at, now)}"


def outage_text(outage: OutageView, now: float) -> str:
    """Return `API unreachable since 13:02: api.example:443: Connection refused`."""
    reason = outage.reason.removeprefix("no connection to ")
    return f"API unreachable since {clock_time(outage.since, now)}: {reason}"


def clock_time(moment: float, now: float, of_day: str = "%H:%M") -> str:
    """Return `23:22` (`of_day`), with the day if it may be another, `Tue 23:22`, or `2026-12-24 23:22`."""
    away = abs(moment - now)
    form = of_day if away < SAME_DAY_SEC else "%a %H:%M" if away < SAME_WEEK_SEC else "%Y-%m-%d %H:%M"
    return time.strftime(form, time.localtime(moment))


def duration_text(seconds: float) -> str:
    """Return a duration in words, rounded up: `42 s`, `5 min`, `2 h 3 min`, `3 d 4 h`."""
    whole = math.ceil(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
