"""Numbers as people read them.  Unknown (None) is a dash, never a zero."""

from __future__ import annotations

import math
import zlib
from datetime import datetime, timezone
from typing import Any, Optional

__all__ = [
    "UNKNOWN",
    "format_duration",
    "session_emoji",
    "epoch_seconds",
    "format_dollars",
    "finite_number",
    "format_percent",
    "format_seconds",
    "format_tokens",
]

UNKNOWN = "—"
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_ANIMALS = "🦜🐙🦊🐝🐳🦉🐢🦀🐬🦎🦔🐞🦋🐧🐨🐼🦁🐸🐡🐘🦒🦓🐫🦩🦚🦢🐓🦇🐺🐗🐴🦄🐌🦂🐠🦈🐊🦍🐇"


def finite_number(value: Any) -> Optional[float]:
    """A finite number, or None for whatever else an answer may hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        plain = float(value)
    except OverflowError:  # a whole number of hundreds of digits
        return None
    return plain if math.isfinite(plain) else None


def format_duration(value: Any) -> str:
    """Seconds as `42s`, `4m`, `2h30m`, `3d4h`: the two largest units, minutes alone below an hour."""
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
    """A measured time, seconds with one decimal: `1.4s`; above 100 s as a duration."""
    secs = finite_number(value)
    if secs is None:
        return UNKNOWN
    return f"{secs:.1f}s" if secs < 100 else format_duration(secs)


def format_tokens(value: Any) -> str:
    """`950`, `1.2k`, `58k`, `1.2M`."""
    count = finite_number(value)
    if count is None:
        return UNKNOWN
    # Each limit is where rounding would give the next form: 999 600 is "1.0M", not "1000k".
    if count < 999.5:
        return f"{count:.0f}"
    if count < 9_950:
        return f"{count / 1e3:.1f}k"
    if count < 999_500:
        return f"{count / 1e3:.0f}k"
    return f"{count / 1e6:.1f}M" if count < 999_950_000 else f"{count / 1e9:.1f}G"


def format_dollars(value: Any) -> str:
    """Dollars: `$14.20`."""
    amount = finite_number(value)
    return UNKNOWN if amount is None else f"${amount:,.2f}"


def format_percent(value: Any) -> str:
    """A fraction as a percentage: 0.318 is `32%`."""
    share = finite_number(value)
    return UNKNOWN if share is None else f"{100 * share:.0f}%"


def epoch_seconds(value: Any) -> Optional[float]:
    """A time of an answer in epoch seconds: milliseconds, seconds or ISO 8601 go in."""
    if isinstance(value, str):
        try:
            when = datetime.fromisoformat(value.replace("Z", "+00:00"))
        except ValueError:
            return None
        return (when if when.tzinfo else when.replace(tzinfo=timezone.utc)).timestamp()
    moment = finite_number(value)
    if moment is None:
        return None
    # Seconds reach this size in the year 5138, milliseconds did so in 1973.
    return moment / 1000 if moment > 1e11 else moment


def session_emoji(session: str) -> str:
    """The animal of a session: always the same one for the same id."""
    return _ANIMALS[zlib.crc32(session.encode("utf-8", "replace")) % len(_ANIMALS)]
