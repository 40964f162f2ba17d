"""Short texts and cells that several sections of the Deck share."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Optional

from ..model.model import UsageSum
from ..text.cells import clip, pad
from ..text.format import UNKNOWN, finite_number, format_dollars, format_duration, format_tokens
from ..text.spans import Line, Span

__all__ = [
    "cell",
    "model_name",
    "plural",
    "short_names",
    "short_time",
    "usage_dollars",
    "usage_summary",
    "usage_tokens",
]

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_DATED = re.compile(r"-20\d{6}$")


def usage_dollars(usage: UsageSum) -> str:
    """Return `$14.20`; `~`: partly by an estimated price, `+`: some tokens have no known price or number."""
    cost = finite_number(usage.cost)
    if cost is None:
        return UNKNOWN
    shown = format_dollars(cost) if cost < 999.995 else f"${cost:,.0f}"
    return ("~" if usage.estimated else "") + shown + ("+" if usage.unpriced or usage.unmeasured else "")


def usage_tokens(usage: UsageSum) -> str:
    """Return `1.2M`; with `+` when the tokens of some answers are unknown."""
    return format_tokens(usage.tokens) + ("+" if usage.unmeasured and usage.tokens is not None else "")


def usage_summary(usage: UsageSum) -> str:
    """Return `1.2M tok · $14.20`."""
    return f"{usage_tokens(usage)} tok · {usage_dollars(usage)}"


def plural(amount: int, noun: str) -> str:
    """Return `1 tree`, `2 trees`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Return names for narrow columns: emails without their domain where they remain distinct."""
    known = list(names)
    locals_ = [name.partition("@")[0] for name in known]
    return {name: part if part and locals_.count(part) == 1 else name for name, part in zip(known, locals_)}


def short_time(seconds: Optional[float]) -> str:
    """Return a duration in its largest unit alone: `5h`."""
    if seconds is None:
        return ""
    for size, name in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f}{name}"
    return format_duration(seconds)


def model_name(model: str) -> str:
    """Return `opus-4-8` for `claude-opus-4-8-20260101`."""
    name = _DATED.sub("", model)
    return name[7:] if name.startswith("claude-") and len(name) > 7 else name


def cell(text: str, cells: int, style: str = "", right: bool = False) -> Span:
    """Return a text in exactly `cells` cells."""
    return Span(pad(text, cells, right), style)


def clipped_cell(text: str, cells: int, style: str = "") -> Line:
    """Return a text in at most `cells` cells; an empty line when that is 0."""
    return (Span(clip(text, cells), style),) if text and cells > 0 else ()
