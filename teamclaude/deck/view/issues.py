"""Draw the active issues: their sessions, tokens and cost."""

from __future__ import annotations

from collections.abc import Sequence

from ..model.model import IssueRow
from ..text.cells import width
from ..text.format import UNKNOWN, format_tokens
from ..text.spans import Line, Span, line_width
from .wording import cell, clipped_cell, usage_dollars, usage_tokens

__all__ = ["MAX_FOLDED", "IssueColumns", "issue_heading", "issue_row"]

MAX_FOLDED = 8  # issues shown until `i` is pressed
MAX_EMOJIS = 4  # of one issue; a plus stands for the others
MAX_NAME = 20
FIGURES = (("sess", 5, 56), ("msgs", 6, 64), ("tokens", 8, 0), ("cost", 9, 0), ("avg/msg", 9, 56))


class IssueColumns:
    """The widths that all rows of the section share."""

    def __init__(self, issues: Sequence[IssueRow], room: int, ascii: bool) -> None:
        self.room = room
        self.marks = 0 if ascii else max((self._marks(issue) for issue in issues), default=0)
        names = max((width(issue.name) for issue in issues), default=0)
        figures = sum(cells for _, cells, least in FIGURES if room >= least)
        left = room - 2 - self.marks - bool(self.marks) - figures
        self.name = max(1, min(max(names, len("TOTAL")), MAX_NAME, left))

    @staticmethod
    def _marks(issue: IssueRow) -> int:
        return 2 * min(len(issue.emojis), MAX_EMOJIS) + (len(issue.emojis) > MAX_EMOJIS)


def issue_heading(columns: IssueColumns) -> Line:
    """Return the row of column names."""
    return _row(columns, "", "issue", [name for name, _, _ in FIGURES], "", "dim")


def issue_row(issue: IssueRow, columns: IssueColumns) -> Line:
    """Return the row of one issue, or of the total (an issue without a name)."""
    marks = "".join(issue.emojis[:MAX_EMOJIS]) + ("+" if len(issue.emojis) > MAX_EMOJIS else "")
    messages, average = issue.usage.requests, issue.tokens_per_message
    figures = [
        str(issue.sessions),
        UNKNOWN if messages is None else str(messages),
        usage_tokens(issue.usage),
        usage_dollars(issue.usage),
        format_tokens(average),
    ]
    return _row(columns, marks, issue.name or "TOTAL", figures, issue.title, "" if issue.name else "strong")


def _row(
    columns: IssueColumns, marks: str, name: str, figures: Sequence[str], title: str, style: str
) -> Line:
    out = [Span("  ")]
    if columns.marks:
        out += [cell(marks, columns.marks), Span(" ")]
    out.append(cell(name, columns.name, style or "accent"))
    for text, (_, size, least) in zip(figures, FIGURES):
        if columns.room >= least:
            out.append(cell(text, size, style, right=True))
    left = columns.room - line_width(out)
    return (*out, *(clipped_cell(f"  {title}", left, "dim") if title and left > 10 else ()))
