"""How many dollars may be spent in a day and in a month: `maxSpend`, of one account and of all together.

1. Counted is what is billed: what API keys serve, and what an account serves beyond a full window (extra
   usage).  What a subscription's windows hold costs nothing.
2. The dollars are an estimate: tokens by our price list or `pricing`.  A model without a price counts as the
   dearest known one, so that a limit is never exceeded for want of a price.  Tokens that nobody told of
   (no answer at all) can't be counted; the output of an answer that broke off is estimated.
3. A request is counted when it has ended, so those that run when the limit is reached go beyond it.
4. Days and months are those of the calendar that is handed in.  With their end the count begins anew.
5. A limit of 0 ends with no day: nothing waits for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta, timezone
from typing import Callable, Optional

from ...values import NamedTuple

__all__ = [
    "MAX_SPEND",
    "NO_SPEND_LIMITS",
    "Period",
    "Periods",
    "SpendLimits",
    "SpendStop",
    "spend_stop",
    "utc_periods",
]

MAX_SPEND = "max spend"  # the name of the rule wherever it excludes an account


class Period(NamedTuple):
    """A day or a month."""

    name: str  # `2026-11-30`, `2026-11`
    ends: float  # epoch seconds


# Epoch seconds -> the day and the month.
Periods = Callable[[float], tuple[Period, Period]]


class SpendLimits(NamedTuple):
    """The most dollars of a day and of a month; None: no limit."""

    day: Optional[float] = None
    month: Optional[float] = None


NO_SPEND_LIMITS = SpendLimits()


class SpendStop(NamedTuple):
    """Why nothing more may be spent, and until when (epoch seconds; inf: until the setting is changed)."""

    text: str
    until: float


def utc_periods(now: float) -> tuple[Period, Period]:
    """Return the day and the month of an instant in UTC."""
    return periods_of(datetime.fromtimestamp(now, timezone.utc))


def periods_of(moment: datetime) -> tuple[Period, Period]:
    """Return the day and the month of a moment; without a time zone it is local time."""
    midnight = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    month = midnight.replace(day=1)
    next_month = (month + timedelta(days=32)).replace(day=1)
    return (
        Period(f"{midnight:%Y-%m-%d}", (midnight + timedelta(days=1)).timestamp()),
        Period(f"{month:%Y-%m}", next_month.timestamp()),
    )


def spend_stop(
    limits: SpendLimits, spent: Mapping[str, float], periods: tuple[Period, Period], whose: str = ""
) -> Optional[SpendStop]:
    """Return why nothing more may be spent; None while every limit leaves something.

    `spent`: dollars by the name of the period; `whose` begins the text.
    """
    if 0 in limits:
        name = "day" if limits.day == 0 else "month"
        return SpendStop(f"{whose}maxSpend.{name} is 0", math.inf)
    stops = [
        SpendStop(f"{whose}~${dollars:.2f} of ${limit:g} {word}", period.ends)
        for word, limit, dollars, period in _sums(limits, spent, periods)
        if dollars >= limit
    ]
    return max(stops, key=lambda stop: stop.until, default=None)


def describe(limits: SpendLimits, spent: Mapping[str, float], periods: tuple[Period, Period]) -> str:
    """Return `~$3.20 of $20 today, ~$50.00 of $200 this month`; empty without a limit."""
    return ", ".join(
        f"~${dollars:.2f} of ${limit:g} {word}" for word, limit, dollars, _ in _sums(limits, spent, periods)
    )


def _sums(
    limits: SpendLimits, spent: Mapping[str, float], periods: tuple[Period, Period]
) -> Iterator[tuple[str, float, float, Period]]:
    for word, limit, period in zip(("today", "this month"), limits, periods):
        if limit is not None:
            yield word, limit, spent.get(period.name, 0.0), period
