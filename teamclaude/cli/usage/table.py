"""A report of usage as a table; the heading and the last lines are those of the chart, too."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Optional

from ...deck.text.cells import Column, clean, clip, table_lines
from ...deck.text.format import UNKNOWN, format_dollars, format_tokens
from ...deck.text.spans import line, plain_text, wrap_line
from ...history.reports.report import ReportRow, TokenView, UsageReport
from ...history.reports.window_shares import AXES, Share

__all__ = [
    "cost_text",
    "footer_lines",
    "heading_line",
    "marked_names",
    "table",
    "tokens_text",
    "windows_texts",
    "wrapped",
]

IMPORTED_MARK = "*"
LEAST_NAME_CELLS = 12
# What is dropped first when the terminal is narrow has the largest number.
_FIGURES = (
    Column("requests", True, drop_order=3),
    Column("errors", True, drop_order=10),
    Column("input", True, drop_order=4),
    Column("output", True, drop_order=5),
    Column("cache read", True, drop_order=8),
    Column("cache write", True, drop_order=9),
    Column("tokens", True, drop_order=1),
    Column("cost", True),
    *(Column(f"{axis} used", True, drop_order=place) for place, axis in enumerate(AXES, 6)),
)


def table(report: UsageReport, cells: int) -> list[str]:
    """Return the heading, a line for each row, the sum, and notes; names are cleaned."""
    by = report.question.by
    name_cells = max(LEAST_NAME_CELLS, cells // (2 + len(by)))
    columns = [*map(Column, by), *_FIGURES]
    rows = [[*marked_names(row, name_cells), *_figures(row)] for row in report.rows]
    if len(report.rows) > 1 or report.more:
        rows.append(["total", *[""] * (len(by) - 1), *_figures(report.total)])
    lines = table_lines(*_without_empty(columns, rows), cells)
    return [*wrapped(heading_line(report), cells), "", *lines, *footer_lines(report, cells)]


def heading_line(report: UsageReport) -> str:
    """Return what is shown, and of which time."""
    asked = report.question
    first = report.total.totals.first_at if asked.since is None else asked.since
    since = f"since {_moment(first)}" if first is not None else "since the beginning"
    until = "" if asked.until is None else f" until {_moment(asked.until)}"
    return f"usage by {' and '.join(asked.by)} · {since}{until}"


def _moment(at: float) -> str:
    when = datetime.fromtimestamp(at)
    return f"{when:%Y-%m-%d}" if (when.hour, when.minute) == (0, 0) else f"{when:%Y-%m-%d %H:%M}"


def footer_lines(report: UsageReport, cells: int) -> list[str]:
    """Return what the marks mean, and what is not shown."""
    lines = []
    if report.more:
        lines.append(f"and {report.more} more, which the total includes (--limit 0 shows all)")
    imported = report.total.imported
    if imported.requests:
        row = report.total._replace(totals=imported)
        part = f"{tokens_text(row.view)} tokens, {cost_text(row.view)}"
        lines.append(f"{IMPORTED_MARK} from Claude Code's transcripts, whole or in part: {part}")
    view = report.total.view
    if view.unpriced_tokens:
        lines.append(
            f"{format_tokens(view.unpriced_tokens)} tokens have no known price (help config: pricing)"
        )
    if view.cost_estimated:
        lines.append("~ partly at the price of another version of the model")
    return ["", *(part for each in lines for part in wrapped(each, cells))] if lines else []


def wrapped(text: str, cells: int) -> list[str]:
    """Return the text in lines of at most `cells` cells."""
    return [plain_text(part) for part in wrap_line(line(text), cells, indent=2)]


def marked_names(row: ReportRow, cells: int) -> list[str]:
    """Return the names, each in at most `cells` cells, the first with the mark of transcripts."""
    mark = IMPORTED_MARK if row.imported.requests else ""
    names = [clip(clean(value) or UNKNOWN, cells - len(mark)) for value in row.key]
    return [names[0] + mark, *names[1:]]


def _figures(row: ReportRow) -> list[str]:
    view, errors = row.view, sum(row.totals.errors.values())
    return [
        f"{row.totals.requests:,}",
        f"{errors:,}" if errors else "",
        format_tokens(view.input_tokens),
        format_tokens(view.output_tokens),
        format_tokens(view.cache_read_tokens),
        format_tokens(view.cache_write_tokens),
        tokens_text(view),
        cost_text(view),
        *(_share_text(row.windows.get(axis)) for axis in AXES),
    ]


def tokens_text(view: TokenView) -> str:
    """Return `1.2M`; with `+` when the tokens of some answers are unknown."""
    return format_tokens(view.tokens) + ("+" if view.unmeasured and view.tokens is not None else "")


def cost_text(view: TokenView) -> str:
    """Return `$14.20`; `~`: partly by an estimated price, `+`: some tokens have no known price or number."""
    if view.cost is None:
        return UNKNOWN
    about = "~" if view.cost_estimated else ""
    return f"{about}{format_dollars(view.cost)}{'+' if view.unpriced_tokens or view.unmeasured else ''}"


def windows_texts(row: ReportRow) -> list[str]:
    """Return `12.5 windows of 5h`, `0.8 windows of 7d`: of all accounts together, where known."""
    return [
        f"{'~' if share.estimated else ''}{share.used:.1f} windows of {axis}"
        for axis, share in sorted(row.windows.items())
    ]


def _share_text(share: Optional[Share]) -> str:
    if share is None:
        return ""
    return f"{'~' if share.estimated else ''}{100 * share.used:,.0f}%"


def _without_empty(
    columns: Sequence[Column], rows: Sequence[Sequence[str]]
) -> tuple[list[Column], list[list[str]]]:
    """Leave out the columns in which no row has anything."""
    kept = [place for place in range(len(columns)) if any(row[place] for row in rows)]
    return [columns[place] for place in kept], [[row[place] for place in kept] for row in rows]
