"""Draw the accounts with their quota windows as bars: `Ses[██ 2h30m   ]↓5h`.

The fill is the used share, the label the time to the reset.  The arrow compares the use with the window's
line (the share of its time that has passed): ↑ behind it, → on it, ↓ ahead of it, with the time until the
window is full at this pace.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..model.model import AccountRow, QuotaBar
from ..text.cells import clip, width
from ..text.format import UNKNOWN, format_duration, format_percent
from ..text.names import distinct_names
from ..text.spans import (
    Line,
    Span,
    clip_line,
    first_fitting,
    join_lines,
    left_and_right,
    line,
    line_width,
    usage_style,
)
from .wording import cell, plural, probe_problem, short_time, usage_burn, usage_summary, used_elsewhere

__all__ = ["AccountColumns", "account_lines", "bar_line", "bars_line"]

STATES = {
    "active": ("active", "good"),
    "benched": ("benched", "warn"),
    "auth_failed": ("login", "bad strong"),
    "disabled": ("disabled", "dim"),
}
BAR_INNER_CELLS = ((150, 22), (116, 16), (96, 13), (0, 9))  # cells of a bar by the width of the screen
INDENT = Span("    ")
MIN_NOTE_CELLS = 20  # a note needs so many cells to stand beside the bars
MIN_NAME, MAX_NAME, MAX_STATE, MIN_SUMMARY = 12, 32, 14, 9


class AccountColumns:
    """The widths that all account lines of a frame share."""

    def __init__(self, accounts: Sequence[AccountRow], room: int, with_percent: bool) -> None:
        self.room = room
        self.inner = next(inner for least, inner in BAR_INNER_CELLS if room >= least)
        self.with_percent = with_percent or room >= 116
        self.state = min(MAX_STATE, max((width(_state(account)[0]) for account in accounts), default=0))
        names = max((width(account.name) for account in accounts), default=0)
        two_bars = 2 * (self.inner + 10 + (5 if self.with_percent else 0)) + 1
        left = room - 2 - 2 - self.state - two_bars
        if left < MIN_NAME:  # the bars go below the line
            left += two_bars
        self.name = min(names, MAX_NAME, max(MIN_NAME, left - MIN_SUMMARY))
        # Whole names where they fit, else what tells them apart.
        self.names = {account.name: account.name for account in accounts}
        if names > self.name:
            self.names = distinct_names(self.names, self.name)


def account_lines(account: AccountRow, columns: AccountColumns) -> list[Line]:
    """Return the line of an account, and the lines below it for what did not fit."""
    room = columns.room
    word, style = _state(account)
    mark = "◇" if account.view.type == "apikey" else "◆"
    lead: Line = (
        Span(f"{mark} ", style),
        cell(columns.names[account.name], columns.name, "strong"),
        Span(" "),
        cell(word, columns.state, style),
    )
    left = room - line_width(lead) - 2
    bars, others = bars_line(account.bars, columns.inner, columns.with_percent, left)
    shown: Line = (*lead, Span("  "), *bars) if bars else lead
    first = left_and_right(shown, first_fitting(_summary(account), room - line_width(shown) - 1), room, gap=1)
    return [first, *_details(account, others, columns)]


def _state(account: AccountRow) -> tuple[str, str]:
    word, style = STATES.get(account.status, (account.status, ""))
    if account.status == "benched" and account.view.bench_sec:
        return f"{word} {format_duration(account.view.bench_sec)}", style
    return word, style


def _summary(account: AccountRow) -> list[Line]:
    """Return the sum of the account's conversations, longest wording first."""
    used = f"{usage_burn(account.usage)} burn"
    agents = plural(len(account.nodes), "agent")
    if not account.nodes:
        return [line(("no agents", "dim"))]
    return [
        line(f"{agents} · {account.live} live · {usage_summary(account.usage)}"),
        line(f"{agents} · {account.live} live · {used}"),
        line(f"{agents} · {used}"),
        line(used),
        line(usage_burn(account.usage)),
    ]


def _details(account: AccountRow, bars: Sequence[QuotaBar], columns: AccountColumns) -> list[Line]:
    """Return the lines for the bars that did not fit, the reason of the status and other notes."""
    text = _notes(account)
    room = columns.room - len(INDENT.text)
    shown: list[Line] = []
    while bars:
        fitting, others = bars_line(bars, columns.inner, columns.with_percent, room)
        if not fitting:  # the label is as long as the line
            fitting, others = clip_line(line(bars[0].label), room), bars[1:]
        shown.append(fitting)
        bars = others
    if shown and text and line_width(shown[-1]) + 2 + min(line_width(text), MIN_NOTE_CELLS) <= room:
        last = shown.pop()
        text = (*last, Span("  "), *text)
    if text:
        shown.append(clip_line(text, room))
    return [(INDENT, *spans) for spans in shown]


def _notes(account: AccountRow) -> Line:
    view, reason = account.view, account.view.status_reason
    serves = account.status == "active" and view.usable and view.live
    probe, elsewhere = probe_problem(view.quota_probe), used_elsewhere(view.used_elsewhere_per_hour)
    return join_lines(
        [
            line((reason, "warn")) if reason and not serves else (),
            line((f"streak {view.streak}", "warn")) if view.streak > 1 else (),
            line((elsewhere, "warn")) if elsewhere else (),
            line((probe, "dim")) if probe else (),
            line(("all work is pinned to it", "accent")) if account.pinned else (),
            line(("last resort", "dim")) if view.last_resort else (),
        ]
    )


ARROW_CELLS = 4
ARROWS = {"behind": ("↑", "good"), "on": ("→", "dim"), "ahead": ("↓", "warn")}


def bar_line(bar: QuotaBar, inner: int, with_percent: bool) -> Line:
    """Return one bar with `inner` cells between its brackets."""
    arrow, style = ARROWS.get(bar.pace, ("", ""))
    shown = [Span(f"{bar.label}["), *_inside(bar, inner), Span("]")]
    if with_percent:
        style_of_share = "dim" if bar.used is None else usage_style(bar.used)
        shown.append(Span(f"{format_percent(bar.used):>5}", style_of_share))
    return (*shown, cell(arrow + short_time(bar.full_sec), ARROW_CELLS, style))


def bars_line(
    bars: Sequence[QuotaBar], inner: int, with_percent: bool, room: int
) -> tuple[Line, Sequence[QuotaBar]]:
    """Return a line of as many bars as fit into `room` cells, and the remaining bars."""
    out: list[Span] = []
    for place, bar in enumerate(bars):
        shown = bar_line(bar, inner, with_percent)
        if line_width(out) + line_width(shown) + 1 > room:
            return tuple(out), bars[place:]
        out += [Span(" "), *shown] if out else shown
    return tuple(out), ()


def _inside(bar: QuotaBar, inner: int) -> list[Span]:
    """Return the spans between the brackets: fill and blanks, with the label in the middle."""
    if bar.used is None:
        return [Span(UNKNOWN.center(inner), "dim")]
    style = usage_style(bar.used)
    label = clip(format_duration(bar.reset_sec) if bar.reset_sec is not None else "", inner - 2)
    if label and inner >= 12:
        label = f" {label} "
    filled = min(inner, max(1 if bar.used > 0 else 0, round(bar.used * inner)))
    if bar.used < 1:
        filled = min(filled, inner - 1)
    start = (inner - len(label)) // 2
    end = start + len(label)
    inside = max(0, min(filled, end) - start)
    parts = [
        ("█" * min(filled, start), style),
        (" " * (start - filled), ""),
        (label[:inside], f"{style} reverse"),
        (label[inside:], ""),
        ("█" * (filled - end), style),
        (" " * (inner - max(filled, end)), ""),
    ]
    return [Span(text, name) for text, name in parts if text]
