"""Draw who needs you: the reason and its age stand in every row, however narrow the screen is."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.model import NeedRow
from ..text.cells import clip, width
from ..text.format import format_duration
from ..text.spans import Line, Span, clip_line, line, line_width
from .wording import cell, clipped_cell

__all__ = ["NeedColumns", "need_row", "needs_summary", "overdue_line"]

MARK_CELLS = 5  # `► 🦊 `
MIN_LABEL, MAX_LABEL = 10, 40


class NeedColumns:
    """The widths that all rows of the list share."""

    def __init__(self, rows: Sequence[NeedRow], room: int) -> None:
        self.room = room
        self.reason = max((line_width(_reason(row)) for row in rows), default=0)
        labels = max((width(row.view.label) for row in rows), default=0)
        self.label = max(MIN_LABEL, min(labels, MAX_LABEL, room - MARK_CELLS - 2 - self.reason))


def need_row(row: NeedRow, columns: NeedColumns, ascii: bool) -> Line:
    """Return `► 🦊 ENG-2  permission prompt · 12m  shop`."""
    view = row.view
    mark = view.session[:2] if ascii else row.emoji
    shown: list[Span] = [
        Span("► ", "bad strong"),
        cell(mark, 2),
        Span(" "),
        cell(view.label, columns.label, "strong"),
        Span("  "),
        *_reason(row),
    ]
    if view.project:
        shown.append(Span(" " * max(0, columns.reason - line_width(_reason(row)))))
        left = columns.room - line_width(shown) - 2
        shown += [Span("  "), *clipped_cell(clip(view.project, 24), left, "accent")] if left > 3 else []
    return clip_line(shown, columns.room)


def _reason(row: NeedRow) -> Line:
    style = "warn" if row.view.reason in ("in review", "issue pinned twice") else "bad"
    reason = (row.view.reason, style)
    return (
        line(reason) if row.age_sec is None else line(reason, (f" · {format_duration(row.age_sec)}", "dim"))
    )


def needs_summary(rows: int, overdue: int) -> list[Line]:
    """Return what stands in the heading, longest wording first."""
    if not rows:
        return [line((f"{overdue} blocked or in review for long", "dim")), line((f"{overdue}", "dim"))]
    return [
        line((f"{rows}", "bad strong"), (" · n jumps to the next", "dim")),
        line((f"{rows}", "bad strong")),
    ]


def overdue_line(overdue: int) -> Line:
    """Return the row that counts those that are quiet for so long that they are not listed."""
    return line((f"  + {overdue} blocked or in review, quiet for more than 30 minutes", "dim"))
