"""The quota windows of an account as bars: `Ses[██ 2h30m   ]↓5h`.

The fill is what is used, the label the time to the reset; the arrow tells where the use stands against its
line: ↑ behind it, → on it, ↓ ahead, with the time in which the window will be full if it goes on so.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..model.model import QuotaBar
from ..text.cells import clip, width
from ..text.format import UNKNOWN, format_duration, format_percent
from ..text.spans import Line, Span, line_width, usage_style
from .wording import cell, short_time

__all__ = ["bar_width", "bar_line", "bars_line"]

ARROW_CELLS, PERCENT_CELLS = 4, 5
ARROWS = {"behind": ("↑", "good"), "on": ("→", "dim"), "ahead": ("↓", "warn")}


def bar_width(bar: QuotaBar, inner: int, with_percent: bool) -> int:
    """How wide `bar_line` is."""
    return width(bar.label) + 2 + inner + ARROW_CELLS + (PERCENT_CELLS if with_percent else 0)


def bar_line(bar: QuotaBar, inner: int, with_percent: bool) -> Line:
    """One bar with `inner` cells between its brackets."""
    arrow, style = ARROWS.get(bar.pace, ("", ""))
    shown = [Span(f"{bar.label}["), *_inside(bar, inner), Span("]")]
    if with_percent:
        shown.append(
            Span(f"{format_percent(bar.used):>5}", "dim" if bar.used is None else usage_style(bar.used))
        )
    return (*shown, cell(arrow + short_time(bar.full_sec), ARROW_CELLS, style))


def bars_line(
    bars: Sequence[QuotaBar], inner: int, with_percent: bool, room: int
) -> tuple[Line, Sequence[QuotaBar]]:
    """As many bars as fit into `room` cells, and those that do not."""
    out: list[Span] = []
    for place, bar in enumerate(bars):
        shown = bar_line(bar, inner, with_percent)
        if line_width(out) + line_width(shown) + 1 > room:
            return tuple(out), bars[place:]
        out += [Span(" "), *shown] if out else shown
    return tuple(out), ()


def _inside(bar: QuotaBar, inner: int) -> list[Span]:
    """The cells between the brackets: fill, label in their middle, blanks."""
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
    return [Span(text, of) for text, of in parts if text]
