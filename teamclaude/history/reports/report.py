"""Sum up the history as rows of a report, with what each took of the quota windows and what was imported.

JSON (`teamclaude usage --json`, GET /teamclaude/usage): see `teamclaude help usage`.  Rows of names come the
dearest first, rows of time the oldest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Protocol

from ...routing.quota.usage import Usage
from ...values import NamedTuple, dataclass
from ..growth import Growth
from ..histogram import Histogram
from ..rows import NO_TOTALS, PROXY, TRANSCRIPTS, UsageRow, UsageTotals
from .moments import step_label
from .question import Question
from .window_shares import AXES, Share, divided

__all__ = ["SCHEMA", "ReportRow", "Source", "TokenView", "UsageReport", "report_of", "token_view"]

DOLLAR_DIGITS = 6
SCHEMA = 1  # of the JSON; it grows when a key changes its meaning or goes away, not when one is added


class Source(Protocol):
    """What a report is made from: history.reader.HistoryReader."""

    def usage(
        self,
        by: Sequence[str],
        since: Optional[float],
        until: Optional[float],
        step: Optional[str] = None,
        where: Mapping[str, str] = {},
        durations: bool = True,
    ) -> Sequence[UsageRow]:
        """Return the usage of each group of requests that have the values of `where`."""
        ...

    def has_imports(self) -> bool:
        """Return whether anything is from transcripts."""
        ...

    def window_growth(
        self, axes: Sequence[str], since: Optional[float], until: Optional[float], step: Optional[str]
    ) -> Sequence[Growth]:
        """Return how much of the windows of these axes each account used."""
        ...


class TokenView(NamedTuple):
    """Tokens and cost; None is unknown.  The fields of snapshot.UsageView, which takes 30 ms more to load."""

    input_tokens: Optional[int]
    output_tokens: Optional[int]
    cache_read_tokens: Optional[int]
    cache_write_tokens: Optional[int]
    tokens: Optional[int]
    unmeasured: int
    cost: Optional[float]
    cost_estimated: bool
    unpriced_tokens: int

    def to_json(self) -> dict[str, Any]:
        """Return the keys and values of `status --json`."""
        return {
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "cacheReadTokens": self.cache_read_tokens,
            "cacheWriteTokens": self.cache_write_tokens,
            "tokens": self.tokens,
            "unmeasured": self.unmeasured,
            "cost": None if self.cost is None else round(self.cost, DOLLAR_DIGITS),
            "costEstimated": self.cost_estimated,
            "unpricedTokens": self.unpriced_tokens,
        }


class ReportRow(NamedTuple):
    """What one group used; `key` has a value for each grouping, that of a step its label."""

    key: tuple[str, ...]
    begin: Optional[float]  # of the step
    totals: UsageTotals
    imported: UsageTotals = NO_TOTALS  # the part of it that is from transcripts
    windows: Mapping[str, Share] = {}  # by axis, where known

    @property
    def view(self) -> TokenView:
        """Tokens and cost: unknown where nothing is known."""
        return view_of(self.totals)

    def to_json(self, by: Sequence[str]) -> dict[str, Any]:
        """Return the row with its groupings as keys; an unknown name is null."""
        key = {name: value or None for name, value in zip(by, self.key)}
        begin = {} if self.begin is None else {"begin": _milliseconds(self.begin)}
        return {**key, **begin, **_totals_json(self.totals), **_extras_json(self.imported, self.windows)}


@dataclass(frozen=True)
class UsageReport:
    """The rows, and their sum; `more` rows were left out, which the sum includes."""

    question: Question
    rows: Sequence[ReportRow]
    total: ReportRow
    more: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON data; times are epoch milliseconds."""
        asked = self.question
        return {
            "schema": SCHEMA,
            "by": list(asked.by),
            "since": _milliseconds(asked.since),
            "until": _milliseconds(asked.until),
            "rows": [row.to_json(asked.by) for row in self.rows],
            "more": self.more,
            "total": self.total.to_json(()),
        }


def report_of(
    source: Source, question: Question, windows: bool = True, durations: bool = True
) -> UsageReport:
    """Return the report; raise HistoryError.

    `windows`: also what part of them was used; `durations`: also how long requests took.
    """
    names, step = question.names, question.step
    # Each grouping costs a sort of all rows: the account only divides windows, the source only tells imports.
    by = list(names)
    by += ["account"] if windows and names and "account" not in names else []
    by += ["source"] if "source" not in names and source.has_imports() else []
    groups: dict[tuple[Optional[float], tuple[str, ...]], _Group] = {}
    for row in source.usage(by, question.since, question.until, step, question.where, durations):
        named = {"account": "", "source": PROXY, **dict(zip(by, row.key))}
        key = (row.begin, tuple(named[name] for name in names))
        groups.setdefault(key, _Group()).add(row.totals, named["account"], named["source"])
    # An account's window grows by all its requests: a part of them can't be told from the readings.
    windows = windows and not set(question.where) - {"account"}
    growth = _growth(source, question) if windows and groups else ()
    shares = _shares(growth, question, groups)
    rows = [
        ReportRow(
            (*((step_label(begin, step),) if step and begin is not None else ()), *key),
            begin,
            group.totals,
            group.imported,
            shares.get((begin, key), {}),
        )
        for (begin, key), group in groups.items()
    ]
    rows.sort(key=_order)
    kept = rows if not question.limit else _limited(rows, question)
    return UsageReport(question, kept, _sum(rows, growth), len(rows) - len(kept))


class _Group:
    """The sums of one row."""

    def __init__(self) -> None:
        self.totals = self.imported = NO_TOTALS
        self.burn: dict[str, int] = {}  # by account: tokens that moved its windows

    def add(self, totals: UsageTotals, account: str, source: str) -> None:
        self.totals = totals if self.totals is NO_TOTALS else self.totals.plus(totals)
        if source == TRANSCRIPTS:
            self.imported = totals if self.imported is NO_TOTALS else self.imported.plus(totals)
        else:
            self.burn[account] = self.burn.get(account, 0) + totals.usage.burn


def _growth(source: Source, question: Question) -> Sequence[Growth]:
    found = source.window_growth(AXES, question.since, question.until, question.step)
    account = question.where.get("account")
    return found if account is None else [growth for growth in found if growth.account == account]


def _shares(
    growth: Iterable[Growth],
    question: Question,
    groups: Mapping[tuple[Optional[float], tuple[str, ...]], _Group],
) -> dict[tuple[Optional[float], tuple[str, ...]], dict[str, Share]]:
    """Return what each row took of the windows."""
    keys = list(groups)
    parts: dict[tuple[Optional[float], str], dict[int, int]] = {}
    for index, (begin, key) in enumerate(keys):
        for account, burn in groups[begin, key].burn.items():
            parts.setdefault((begin, account if question.names else ""), {})[index] = burn
    out: dict[tuple[Optional[float], tuple[str, ...]], dict[str, Share]] = {}
    for begin, account, axis, used in growth:
        shared = parts.get((begin, account if question.names else ""), {})  # a row of time has all accounts
        for index, share in divided(used, shared).items():
            row = out.setdefault(keys[index], {})
            row[axis] = share.plus(row[axis]) if axis in row else share
    return out


def _order(row: ReportRow) -> tuple[float, float, int, tuple[str, ...]]:
    return (row.begin or 0.0, -row.totals.cost, -row.totals.usage.total, row.key)


def _limited(rows: Sequence[ReportRow], question: Question) -> Sequence[ReportRow]:
    """Keep the dearest, or of rows of time the latest."""
    return rows[-question.limit :] if question.step else rows[: question.limit]


def _sum(rows: Iterable[ReportRow], growth: Iterable[Growth]) -> ReportRow:
    """Return the sum; of the windows with what belongs to no row: other programs use the accounts, too."""
    totals = imported = NO_TOTALS
    for row in rows:
        totals = totals.plus(row.totals)
        imported = imported if row.imported is NO_TOTALS else imported.plus(row.imported)
    used: dict[str, float] = {}
    for each in growth:
        used[each.axis] = used.get(each.axis, 0.0) + each.used
    return ReportRow((), None, totals, imported, {axis: Share(sum) for axis, sum in used.items()})


def view_of(totals: UsageTotals) -> TokenView:
    """Return tokens and cost by the rules of `routing.view.usage_view`: nothing known is None, not 0."""
    return token_view(totals.usage, totals.cost, totals.unpriced_tokens, totals.cost_estimated)


def token_view(usage: Usage, cost: float, unpriced: int, estimated: bool) -> TokenView:
    """Return the counts: unknown where not one token is known; the cost also where no price is."""
    if usage.is_unknown:
        return TokenView(None, None, None, None, None, usage.unmeasured, None, estimated, unpriced)
    total = usage.total
    priced = cost if total == 0 or unpriced < total else None
    counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return TokenView(*counts, total, usage.unmeasured, priced, estimated, unpriced)


def _totals_json(totals: UsageTotals) -> dict[str, Any]:
    return {
        "requests": totals.requests,
        **view_of(totals).to_json(),
        "errors": dict(sorted(totals.errors.items())),
        "failovers": totals.failovers,
        "waits": totals.waits,
        "waitedSec": round(totals.waited_sec, 1),
        "ttfbSec": _quantiles(totals.ttfb),
        "durationSec": _quantiles(totals.duration),
        "firstAt": _milliseconds(totals.first_at),
        "lastAt": _milliseconds(totals.last_at),
    }


def _extras_json(imported: UsageTotals, windows: Mapping[str, Share]) -> dict[str, Any]:
    view = view_of(imported).to_json()
    return {
        "imported": {"requests": imported.requests, "tokens": view["tokens"], "cost": view["cost"]},
        "windows": {
            axis: {"used": round(share.used, 4), "estimated": share.estimated}
            for axis, share in sorted(windows.items())
        },
    }


def _quantiles(histogram: Histogram) -> Optional[dict[str, float]]:
    """Return the median and the slow end in seconds; None without any."""
    found = {f"p{q}": histogram.quantile(q / 100) for q in (50, 90, 99)}
    return {name: round(value, 3) for name, value in found.items() if value is not None} or None


def _milliseconds(at: Optional[float]) -> Optional[int]:
    return None if at is None else round(at * 1000)
