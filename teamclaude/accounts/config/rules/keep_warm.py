"""The times of `keepWarm`: `08:30`, `Mon-Fri 08:30` or `Sat,Sun 10:00`, in local time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, tzinfo
from typing import TYPE_CHECKING, Optional

from ....routing.user_rules.week_hours import EVERY_DAY, parse_days
from ....values import NamedTuple

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["TimeOfDay", "keep_warm_notes", "latest_of", "parse_time_of_day"]

_FORM = re.compile(r"(?:([A-Za-z][A-Za-z, -]*?)\s+)?([01]?\d|2[0-3]):([0-5]\d)")


class TimeOfDay(NamedTuple):
    """A time on some days of the week; 0 is Monday."""

    days: frozenset[int]
    hour: int
    minute: int


def parse_time_of_day(text: str) -> Optional[TimeOfDay]:
    """Return the time that a text names, on every day if it names none; None for another text."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return None
    days = parse_days(found[1]) if found[1] else EVERY_DAY
    return None if days is None else TimeOfDay(days, int(found[2]), int(found[3]))


def latest_of(times: Iterable[TimeOfDay], now: float, zone: Optional[tzinfo] = None) -> Optional[float]:
    """Return the latest moment of these times up to `now`, of today or yesterday; all in epoch seconds.

    `zone` is that of the machine unless it is named.  A time that a change of the clocks skips is an hour
    later on that day; one that comes twice is the first one.
    """
    today = datetime.fromtimestamp(now, zone)
    found = []
    for day in (today, today - timedelta(days=1)):
        for time in times:
            if day.weekday() in time.days:
                moment = day.replace(hour=time.hour, minute=time.minute, second=0, microsecond=0, fold=0)
                found.append(moment.timestamp())
    return max((moment for moment in found if moment <= now), default=None)


def keep_warm_notes(config: Config) -> Iterator[str]:
    """Yield one line, with its path, on each entry of `keepWarm` without an effect."""
    accounts = {account.name: account for account in config.accounts}
    for name, times in config.keep_warm.items():
        path, account = f"keepWarm[{json.dumps(name)[:60]}]", accounts.get(name)
        if account is None:
            yield f"{path} has no effect: no account is called so"
        elif account.type != "oauth":
            yield f"{path} has no effect: an API key has no 5h window"
        elif account.disabled:
            yield f"{path} has no effect: the account is disabled"
        elif not times:
            yield f"{path} has no effect: it names no time"
