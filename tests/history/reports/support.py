"""A history that is made up: rows and readings instead of a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from teamclaude.history.growth import Growth, growth_of
from teamclaude.history.rows import PROXY, TRANSCRIPTS, QuotaReading, RequestFacts, UsageRow, UsageTotals
from teamclaude.history.steps import begin_of
from teamclaude.routing.quota.usage import Usage
from teamclaude.values import replace

AT = 1795960800.0  # 2026-11-29 14:00 UTC, a Sunday
DAY = 86400.0


def facts(
    at: float = AT,
    tokens: int = 100,
    cost: Optional[float] = 1.0,
    account: str = "alice",
    model: str = "claude-opus-4-8",
    source: str = PROXY,
    **more: object,
) -> RequestFacts:
    """A request that used `tokens` of input, and twice as many from the cache."""
    usage = Usage(tokens, 0, 2 * tokens)
    made = RequestFacts(at, account, model, usage=usage, cost=cost, source=source)
    return made._replace(**more)  # type: ignore[arg-type]


class MadeUpHistory:
    """What a report is made from."""

    def __init__(self, requests: Sequence[RequestFacts], readings: Sequence[QuotaReading] = ()) -> None:
        self.requests, self.readings = requests, readings

    def usage(
        self,
        by: Sequence[str],
        since: Optional[float],
        until: Optional[float],
        step: Optional[str] = None,
        where: Mapping[str, str] = {},
        durations: bool = True,
    ) -> Sequence[UsageRow]:
        rows: dict[tuple[Optional[float], tuple[str, ...]], UsageTotals] = {}
        for request in self.requests:
            fits = all(getattr(request.series, name) == value for name, value in where.items())
            if fits and (since or 0) <= request.at < (until or 1e18):
                key = tuple(getattr(request.series, name) for name in by)
                begin = None if step is None else begin_of(step, request.at)
                rows[begin, key] = rows.get((begin, key), UsageTotals()).plus(UsageTotals.of(request))
        return [UsageRow(key, begin, replace(totals)) for (begin, key), totals in rows.items()]

    def has_imports(self) -> bool:
        return any(request.source == TRANSCRIPTS for request in self.requests)

    def window_growth(
        self, axes: Sequence[str], since: Optional[float], until: Optional[float], step: Optional[str]
    ) -> Sequence[Growth]:
        names = sorted({reading.account for reading in self.readings})
        found = [
            (r.at, names.index(r.account), axes.index(r.axis), r.used, r.resets_at)
            for r in sorted(self.readings)
            if r.axis in axes and r.at < (until or 1e18)
        ]
        begin = since or 0.0
        before = {row[1:3]: row for row in found if row[0] < begin}
        grown = growth_of(before.values(), [row for row in found if row[0] >= begin], step)
        return [
            Growth(begin, names[account], axes[axis], used) for (begin, account, axis), used in grown.items()
        ]
