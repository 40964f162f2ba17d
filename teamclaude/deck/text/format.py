"""Format numbers for people.  Unknown (None) is a dash, never a zero."""

from __future__ import annotations

import math
from typing import Any, Optional

__all__ = [
    "UNKNOWN",
    "epoch_seconds",
    "finite_number",
    "format_dollars",
    "format_duration",
    "format_percent",
    "format_seconds",
    "format_tokens",
    "session_emoji",
]

UNKNOWN = "—"
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_ANIMALS = "🦜🐙🦊🐝🐳🦉🐢🦀🐬🦎🦔🐞🦋🐧🐨🐼🦁🐸🐡🐘🦒🦓🐫🦩🦚🦢🐓🦇🐺🐗🐴🦄🐌🦂🐠🦈🐊🦍🐇"


def finite_number(value: Any) -> Optional[float]:
    """Return `value` as a finite float; None for anything else that a JSON answer may hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        plain = float(value)
    except OverflowError:  # an integer of hundreds of digits
        return None
    return plain if math.isfinite(plain) else None


def format_duration(value: Any) -> str:
    """Format seconds as `42s`, `4m`, `2h30m`, `3d4h`: the two largest units, minutes alone below an hour."""
    secs = finite_number(value)
    if secs is None:
        return UNKNOWN
    left = max(0, math.ceil(secs))
    if left < 60:
        return f"{left}s"
    if left < 3600:
        return f"{left // 60}m"
    for (size, name), (small, small_name) in zip(_UNITS, _UNITS[1:]):
        if left >= size:
            rest = left % size // small
            return f"{left // size}{name}{rest}{small_name}" if rest else f"{left // size}{name}"
    return f"{left}s"


def format_seconds(value: Any) -> str:
    """Format measured seconds with one decimal (`1.4s`); from 100 s on as a duration."""
    secs = finite_number(value)
    if secs is None:
        return UNKNOWN
    return f"{secs:.1f}s" if secs < 100 else format_duration(secs)


def format_tokens(value: Any) -> str:
    """Format a token count: `950`, `1.2k`, `58k`, `1.2M`."""
    count = finite_number(value)
    if count is None:
        return UNKNOWN
    # Each limit is where rounding gives the next form: 999 600 is "1.0M", not "1000k".
    if count < 999.5:
        return f"{count:.0f}"
    if count < 9_950:
        return f"{count / 1e3:.1f}k"
    if count < 999_500:
        return f"{count / 1e3:.0f}k"
    return f"{count / 1e6:.1f}M" if count < 999_950_000 else f"{count / 1e9:.1f}G"


def format_dollars(value: Any) -> str:
    """Format dollars: `$14.20`."""
    amount = finite_number(value)
    return UNKNOWN if amount is None else f"${amount:,.2f}"


def format_percent(value: Any) -> str:
    """Format a fraction as a percentage: 0.318 is `32%`."""
    share = finite_number(value)
    return UNKNOWN if share is None else f"{100 * share:.0f}%"


def epoch_seconds(value: Any) -> Optional[float]:
    """Return a time in epoch seconds; accept milliseconds, seconds or ISO 8601, else return None."""
    if isinstance(value, str):
        from datetime import datetime, timezone  # 4 ms; our own servers send numbers

        try:
            when = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    moment = finite_number(value)
    if moment is None:
        return None
    # Seconds exceed this limit in the year 5138; milliseconds exceeded it in 1973.
    return moment / 1000 if moment > 1e11 else moment


def session_emoji(session: str) -> str:
    """Return the animal of a session: always the same one for the same id."""
    import zlib  # 0.6 ms, and few lines show an animal

    return _ANIMALS[zlib.crc32(session.encode("utf-8", "replace")) % len(_ANIMALS)]
