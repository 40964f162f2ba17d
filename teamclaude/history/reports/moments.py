"""Read a person's words for a moment (`7d`, `yesterday`, `2026-11-29`), and name the steps of a report.

Days are those of the local time zone.  A name of a whole day or month is its beginning as a start, and its
last instant as an end: `--until yesterday` includes yesterday.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import Optional

from ...errors import UsageError

__all__ = ["parse_moment", "step_label"]

FORMS = 'like "7d", "24h", "yesterday", "monday", "2026-11-29", "2026-11-29 14:00" or "2026-11"'
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_AGO = re.compile(r"(\d{1,6}) ?([mhdw])(?: ago)?", re.A)
_UNIT_SEC = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_MONTH = re.compile(r"(\d{4})-(\d{2})", re.A)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.A)
_INSTANT = re.compile(r"(\d{4}-\d{2}-\d{2})[t ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?(z|[+-]\d{2}:\d{2})?", re.A)
_EPOCH = re.compile(r"\d{9,13}(?:\.\d+)?", re.A)
MAX_TEXT = 40
LATEST = 2.5e11  # in the year 9892: what the C library and datetime can still take a month further


def parse_moment(text: str, now: float, end: bool = False) -> Optional[float]:
    """Return epoch seconds, None for `all`; raise UsageError that shows the forms there are.

    `end`: the moment ends a range, so a day or month stands for its end.
    """
    word = " ".join(text.split()).lower()
    if word == "all":
        return None
    try:
        found = _instant(word, now) if len(word) <= MAX_TEXT else None
        if found is None:
            day = _whole(word, now)
            found = None if day is None else (day[1] if end else day[0]).timestamp()
    except (ValueError, OverflowError, OSError):  # the 30th of February, the year 0
        found = None
    if found is None or not 0 <= found <= LATEST:
        raise UsageError(f'"{text[:MAX_TEXT]}" is no time {FORMS}')
    return found


def _instant(word: str, now: float) -> Optional[float]:
    if word == "now":
        return now
    ago = _AGO.fullmatch(word)
    if ago:
        return now - int(ago[1]) * _UNIT_SEC[ago[2]]
    if _EPOCH.fullmatch(word):
        # Seconds exceed this limit in the year 5138; milliseconds exceeded it in 1973.
        return float(word) / 1000 if float(word) > 1e11 else float(word)
    exact = _INSTANT.fullmatch(word)
    if exact:
        zone = (exact[3] or "").replace("z", "+00:00")
        return datetime.fromisoformat(f"{exact[1]}T{exact[2]}{zone}").timestamp()
    return None


def _whole(word: str, now: float) -> Optional[tuple[datetime, datetime]]:
    """Return the beginning and the end of a named day or month."""
    month = _MONTH.fullmatch(word)
    if month:
        first = datetime(int(month[1]), int(month[2]), 1)
        return first, _next_month(first)
    today = datetime.fromtimestamp(now).date()
    if _DAY.fullmatch(word):
        day = date.fromisoformat(word)
    elif word in ("today", "yesterday"):
        day = today - timedelta(days=word == "yesterday")
    else:
        days = [place for place, name in enumerate(_DAYS) if word in (name, name[:3])]
        if not days:
            return None
        day = today - timedelta(days=(today.weekday() - days[0]) % 7)  # today's own name is today
    return _midnight(day), _midnight(day + timedelta(days=1))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)


def _next_month(first: datetime) -> datetime:
    return first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)


def step_label(begin: float, step: str) -> str:
    """Return `2026-11-29 14:00`, `2026-11-29` (a week by its Monday) or `2026-11`."""
    forms = {"hour": "%Y-%m-%d %H:00", "month": "%Y-%m"}
    return datetime.fromtimestamp(begin).strftime(forms.get(step, "%Y-%m-%d"))
