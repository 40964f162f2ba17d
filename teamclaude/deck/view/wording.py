"""Short wordings that several sections of the Deck share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional

from ..model.model import UsageSum
from ..text.cells import clip, pad, width
from ..text.format import UNKNOWN, finite_number, format_dollars, format_duration, format_tokens
from ..text.spans import Line, Span

__all__ = [
    "cell",
    "model_name",
    "padded",
    "plural",
    "short_names",
    "short_time",
    "usage_dollars",
    "usage_summary",
    "usage_tokens",
]

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_DATED = re.compile(r"-20\d{6}$")


def usage_dollars(tally: UsageSum) -> str:
    """`$14.20`; `~$14.20` by an estimated price; a plus: tokens of unknown price or number come on top."""
    cost = finite_number(tally.cost)
    if cost is None:
        return UNKNOWN
    shown = format_dollars(cost) if cost < 999.995 else f"${cost:,.0f}"
    return ("~" if tally.estimated else "") + shown + ("+" if tally.unpriced or tally.unmeasured else "")


def usage_tokens(tally: UsageSum) -> str:
    """`1.2M`; with a plus where answers whose tokens are unknown come on top."""
    return format_tokens(tally.tokens) + ("+" if tally.unmeasured and tally.tokens is not None else "")


def usage_summary(tally: UsageSum) -> str:
    """`1.2M tok · $14.20`."""
    return f"{usage_tokens(tally)} tok · {usage_dollars(tally)}"


def plural(amount: int, noun: str) -> str:
    """`1 tree`, `2 trees`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Account names for narrow columns: emails without their domain where that leaves them different."""
    known = list(names)
    locals_ = [name.partition("@")[0] for name in known]
    return {name: part if part and locals_.count(part) == 1 else name for name, part in zip(known, locals_)}


def short_time(seconds: Optional[float]) -> str:
    """A duration by its largest unit alone: `5h`."""
    if seconds is None:
        return ""
    for size, name in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f}{name}"
    return format_duration(seconds)


def model_name(model: str) -> str:
    """`opus-4-8` of `claude-opus-4-8-20260101`."""
    name = _DATED.sub("", model)
    return name[7:] if name.startswith("claude-") and len(name) > 7 else name


def cell(text: str, cells: int, style: str = "", right: bool = False) -> Span:
    """A text in exactly `cells` cells."""
    return Span(pad(text, cells, right), style)


def padded(of: Line, room: int) -> Line:
    """The line filled with blanks to `room` cells; it may not be longer."""
    used = sum(width(span.text) for span in of)
    return (*of, Span(" " * (room - used))) if used < room else of


def clipped_cell(text: str, cells: int, style: str = "") -> Line:
    """A text in at most `cells` cells; nothing where there are none."""
    return (Span(clip(text, cells), style),) if text and cells > 0 else ()
