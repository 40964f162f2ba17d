"""Whether the pool lasts for some hours: the question a launcher asks before it begins long work."""

from __future__ import annotations

import re
from typing import Optional

from ..errors import UsageError
from ..outlook_views import ForecastView, LastingView
from .views import chance_before

__all__ = ["LONGEST_SPAN_SEC", "lasting", "parse_span"]

LONGEST_SPAN_SEC = 3 * 86400.0  # nothing is foreseen beyond
CERTAIN = 0.9
_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def parse_span(text: str) -> float:
    """Return the seconds of `2h`, `90m`, `1h30m` or `1d`; raise UsageError for anything else."""
    parts = re.findall(r"([0-9]{1,6})([dhms])", text)
    seconds = sum(int(amount) * _UNITS[unit] for amount, unit in parts)
    if not re.fullmatch(r"([0-9]{1,6}[dhms])+", text) or not 60.0 <= seconds <= LONGEST_SPAN_SEC:
        raise UsageError(f'"{text[:40]}" is no time such as 2h, 90m or 1h30m, from 1m to 3d')
    return seconds


def lasting(forecast: Optional[ForecastView], verdict: str, now: float, seconds: float) -> LastingView:
    """Return whether the pool lasts `seconds` from `now`, by its forecast and the verdict of now."""
    if verdict == "red":
        return LastingView(seconds, "no", 0.0, now, now)
    if forecast is None:
        return LastingView(seconds, "unknown")
    chance = 1.0 - chance_before(forecast, now + seconds, now)
    answer = "yes" if chance >= CERTAIN else "no" if chance <= 1.0 - CERTAIN else "maybe"
    return LastingView(seconds, answer, chance, forecast.p10, forecast.p90)
