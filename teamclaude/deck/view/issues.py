"""Draw who used how much: the active issues, and the client keys with their limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ...snapshot import ClientView
from ..model.model import IssueRow
from ..text.cells import width
from ..text.format import UNKNOWN, format_dollars, format_duration, format_percent, format_tokens
from ..text.spans import Line, Span, clip_line, join_lines, line, line_width
from .wording import cell, clipped_cell, usage_burn, usage_dollars

__all__ = ["MAX_FOLDED", "IssueColumns", "client_row", "issue_heading", "issue_row"]

MAX_FOLDED = 8  # issues shown until `i` is pressed
MAX_EMOJIS = 4  # of one issue; a plus stands for the others
MAX_NAME = 20
FIGURES = (("sess", 5, 56), ("msgs", 6, 64), ("burn", 8, 0), ("cost", 9, 0), ("avg/msg", 9, 56))


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
    messages, average = issue.usage.requests, issue.burn_per_message
    figures = [
        str(issue.sessions),
        UNKNOWN if messages is None else str(messages),
        usage_burn(issue.usage),
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


# --- client keys ----------------------------------------------------------------------------------


def client_row(client: ClientView, name_cells: int, now: float, room: int) -> Line:
    """Return the row of one client key: what limits it now, what runs, today's tokens, its share, the sum."""
    parts = [line((_limit_text(client, now), "warn"))] if client.limit else []
    parts.append(line(f"{_of(client.inflight, client.max_inflight)} in flight"))
    today, most = format_tokens(client.tokens_today), client.daily_tokens
    parts.append(line(f"{today}{f' of {format_tokens(most)}' if most is not None else ''} today"))
    if client.share is not None:
        used = (("5h", client.share_used_5h), ("7d", client.share_used_7d))
        windows = ", ".join(f"{axis} {format_percent(share)}" for axis, share in used if share is not None)
        parts.append(line(f"share {format_percent(client.share)}{f' ({windows})' if windows else ''}"))
    requests = f"{client.requests} request{'s' * (client.requests != 1)}"
    refused = f", {client.refused} refused" if client.refused else ""
    since = "" if client.since is None else f" in {format_duration(max(0.0, now - client.since))}"
    cost = ("~" * client.cost_estimated + format_dollars(client.cost)) if client.tokens else ""
    parts.append(
        line((f"{requests}{refused}, {format_tokens(client.tokens)} {cost}".rstrip() + since, "dim"))
    )
    style = "accent" if client.configured else "dim"
    shown = (Span("  "), cell(client.name, name_cells, style), Span("  "), *join_lines(parts))
    return clip_line(shown, room)


def _limit_text(client: ClientView, now: float) -> str:
    until = client.limit_until
    return f"at {client.limit}" + ("" if until is None else f" for {format_duration(max(0.0, until - now))}")


def _of(number: int, most: Optional[int]) -> str:
    return str(number) if most is None else f"{number} of {most}"
