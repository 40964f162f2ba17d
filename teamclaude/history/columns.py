"""The counted columns of the tables `usage` and `days`: their order, how they add up, and their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..routing.quota.usage import Usage
from .histogram import Histogram
from .rows import UsageTotals

__all__ = ["COLUMNS", "QUICK_SUMS", "SUMS", "totals_of", "values_of"]

MAX_COUNT = 1 << 44  # of tokens in a row: SQLite's sums of more would overflow

_HOW = {
    **dict.fromkeys(("requests", "input", "output", "cache_read", "cache_write_5m", "cache_write_1h"), "sum"),
    **dict.fromkeys(("unmeasured", "cost"), "sum"),
    "cost_estimated": "max",
    **dict.fromkeys(("unpriced", "upstream_errors", "clients_gone", "held_out", "refused"), "sum"),
    **dict.fromkeys(("failovers", "waits", "waited"), "sum"),
    **dict.fromkeys(("ttfb", "duration"), "group_concat"),
    "first_at": "min",
    "last_at": "max",
}
COLUMNS = ", ".join(_HOW)
# What adds rows up; texts of histograms have a space between: `Histogram.from_text` reads the sum.
SUMS = ", ".join(
    f"group_concat({name}, ' ')" if how == "group_concat" else f"{how}({name})" for name, how in _HOW.items()
)
QUICK_SUMS = ", ".join("''" if how == "group_concat" else f"{how}({name})" for name, how in _HOW.items())
# The outcomes in the order of their columns; what another version calls otherwise counts as refused.
_OUTCOMES = ("upstream error", "client gone", "held out", "refused")


def values_of(totals: UsageTotals) -> tuple[Any, ...]:
    """Return the values for COLUMNS."""
    errors = dict.fromkeys(_OUTCOMES, 0)
    for outcome, count in totals.errors.items():
        errors[outcome if outcome in errors else "refused"] += count
    return (
        totals.requests,
        *(min(count, MAX_COUNT) for count in totals.usage),
        totals.cost,
        int(totals.cost_estimated),
        min(totals.unpriced_tokens, MAX_COUNT),
        *errors.values(),
        totals.failovers,
        totals.waits,
        round(totals.waited_sec, 3),
        totals.ttfb.to_text(),
        totals.duration.to_text(),
        None if totals.first_at is None else int(totals.first_at),
        None if totals.last_at is None else int(totals.last_at),
    )


def totals_of(values: Sequence[Any]) -> UsageTotals:
    """Return the totals in values of COLUMNS or SUMS."""
    requests, *usage = values[:7]
    cost, estimated, unpriced = values[7:10]
    failovers, waits, waited, ttfb, duration, first_at, last_at = values[14:]
    return UsageTotals(
        requests=requests,
        usage=Usage(*usage),
        cost=cost,
        cost_estimated=bool(estimated),
        unpriced_tokens=unpriced,
        errors={outcome: count for outcome, count in zip(_OUTCOMES, values[10:14]) if count},
        failovers=failovers,
        waits=waits,
        waited_sec=waited,
        ttfb=Histogram.from_text(ttfb),
        duration=Histogram.from_text(duration),
        first_at=first_at,
        last_at=last_at,
    )
