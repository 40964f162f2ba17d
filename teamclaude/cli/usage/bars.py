"""A report of usage as bars: one for each hour, day, week or month, or for each name.

A bar is as long as its cost, or its tokens where no cost is known.  The part from transcripts is shaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Callable, Optional

from ...deck.text.cells import clip, pad, width
from ...deck.text.format import format_tokens
from ...deck.text.spans import Line, line
from ...history.reports.moments import step_label
from ...history.reports.question import steps_between
from ...history.reports.report import ReportRow, UsageReport
from ...history.rows import NO_TOTALS, UsageTotals
from .table import cost_text, footer_lines, heading_line, marked_names, tokens_text, windows_texts, wrapped

__all__ = ["bar_lines"]

MAX_STEPS = 400  # bars, the latest
MAX_NAME_CELLS = 32
LEAST_NAME_CELLS = 16
LEAST_BAR = 6  # cells: with less room for it a figure is left out
_EIGHTHS = " ▏▎▍▌▋▊▉"
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")  # a locale may have longer ones
FULL, SHADED = "█", "░"
Figure = Callable[[ReportRow], str]


def bar_lines(report: UsageReport, cells: int, ascii: bool, now: float) -> list[Line]:
    """Return the chart in at most `cells` cells; `ascii`: without block characters; `now`: epoch seconds."""
    rows = _with_gaps(report, now)
    names = [_name(row, report) for row in rows]
    room = min(max(map(width, names), default=0), max(LEAST_NAME_CELLS, 2 * cells // 5))
    size = _size_by(report)
    most = max((size(row.totals) for row in rows), default=0.0)
    figures = _fitting_figures(rows, cells - room - 2 - LEAST_BAR)
    widths = [max(width(figure(row)) for row in rows) for figure in figures]
    bar_room = max(1, cells - room - 2 - sum(2 + each for each in widths))
    out = [*map(line, wrapped(heading_line(report), cells)), line()]
    for row, name in zip(rows, names):
        bar = _bar(size(row.totals), size(row.imported), most, bar_room, ascii)
        cell = pad(clip(name, room), room)
        ends = "".join("  " + pad(figure(row), each, right=True) for figure, each in zip(figures, widths))
        out.append(line(cell, "  ", *bar, ends.rstrip() if ends.strip() else ""))
    return [*out, line(), *map(line, _sum_lines(report, cells)), *map(line, footer_lines(report, cells))]


def _with_gaps(report: UsageReport, now: float) -> Sequence[ReportRow]:
    """Return the rows, with an empty one for each step in which nothing happened, until today."""
    step, rows, until = report.question.step, report.rows, report.question.until
    if step is None or len(report.question.by) > 1 or not rows:
        return rows
    by_begin = {row.begin: row for row in rows}
    last = max(rows[-1].begin or 0.0, now if until is None else min(now, until - 1))
    begins = steps_between(rows[0].begin or 0.0, last, step, MAX_STEPS)
    return [
        by_begin.get(begin) or ReportRow((step_label(begin, step),), begin, NO_TOTALS) for begin in begins
    ]


def _name(row: ReportRow, report: UsageReport) -> str:
    name = " ".join(marked_names(row, MAX_NAME_CELLS))
    if report.question.by == ("day",) and row.begin is not None:
        name = f"{WEEKDAYS[datetime.fromtimestamp(row.begin).weekday()]} {name}"
    return name


def _size_by(report: UsageReport) -> Callable[[UsageTotals], float]:
    if report.total.totals.cost > 0:
        return lambda totals: totals.cost
    return lambda totals: float(totals.usage.total)


def _fitting_figures(rows: Sequence[ReportRow], room: int) -> Sequence[Figure]:
    """Return the figures beside the bars that there is room for, the first ones first."""
    wanted: tuple[Figure, ...] = (
        lambda row: cost_text(row.view) if row.totals.requests else "",
        lambda row: tokens_text(row.view) if row.totals.requests else "",
        lambda row: f"{row.totals.requests:,} req" if row.totals.requests else "",
    )
    kept = []
    for figure in wanted:
        room -= 2 + max((width(figure(row)) for row in rows), default=0)
        if room < 0:
            break
        kept.append(figure)
    return kept


def _bar(value: float, imported: float, most: float, room: int, ascii: bool) -> Sequence[tuple[str, str]]:
    """Return the bar and the rest of its room; what is not nothing has at least a sliver."""
    eighths = round(8 * room * value / most) if most > 0 else 0
    if value > 0:
        eighths = max(1, eighths)
    whole, rest = divmod(eighths, 8)
    shaded = min(whole, round(whole * imported / value)) if value > 0 else 0
    if ascii:
        whole, rest = whole + (rest >= 4 or whole == 0 < rest), 0
        full, shade, end = "#" * (whole - shaded), "." * shaded, ""
    else:
        full, shade = FULL * (whole - shaded), SHADED * shaded
        end = _EIGHTHS[rest] if rest else ""
    used = len(full) + len(shade) + len(end)
    return [(shade, "dim"), (full + end, "accent"), (" " * (room - used), "")]


def _sum_lines(report: UsageReport, cells: int) -> list[str]:
    """Return the sum in as many lines as it takes."""
    view, totals = report.total.view, report.total.totals
    parts = [
        f"total {cost_text(view)}",
        f"{tokens_text(view)} tokens",
        f"{totals.requests:,} requests",
        f"input {format_tokens(view.input_tokens)}",
        f"output {format_tokens(view.output_tokens)}",
        f"cache read {format_tokens(view.cache_read_tokens)}",
        f"cache write {format_tokens(view.cache_write_tokens)}",
    ]
    errors = sum(totals.errors.values())
    parts += [f"{errors:,} failed"] if errors else []
    parts += windows_texts(report.total)
    return _filled(parts, cells)


def _filled(parts: Sequence[str], cells: int, between: str = " · ") -> list[str]:
    lines: list[str] = []
    current: Optional[str] = None
    for part in parts:
        joined = part if current is None else f"{current}{between}{part}"
        if current is not None and width(joined) > cells:
            lines.append(current)
            joined = part
        current = joined
    return [*lines, clip(current, cells)] if current is not None else lines
