"""Short texts and cells that several sections of the Deck share."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Optional

from ...snapshot import ForecastView, ProbeView
from ..model.usage_sum import UsageSum
from ..text.cells import clip, pad
from ..text.format import UNKNOWN, finite_number, format_dollars, format_duration, format_tokens
from ..text.spans import Line, Span

__all__ = [
    "cell",
    "forecast_text",
    "model_name",
    "plural",
    "probe_problem",
    "short_time",
    "usage_burn",
    "usage_dollars",
    "usage_summary",
    "used_elsewhere",
]

_UNITS = ((86400, "d"), (3600, "h"), (60, "m"))
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DATED = re.compile(r"-20\d{6}$")


def usage_dollars(usage: UsageSum) -> str:
    """Return `$14.20`; `~`: partly by an estimated price, `+`: some tokens have no known price or number."""
    cost = finite_number(usage.cost)
    if cost is None:
        return UNKNOWN
    shown = format_dollars(cost) if cost < 999.995 else f"${cost:,.0f}"
    return ("~" if usage.estimated else "") + shown + ("+" if usage.unpriced or usage.unmeasured else "")


def usage_burn(usage: UsageSum) -> str:
    """Return the burn, `210k`; of an older proxy all tokens; `+`: those of some answers are unknown."""
    known = usage.tokens if usage.burn is None else usage.burn
    return format_tokens(known) + ("+" if usage.unmeasured and known is not None else "")


def usage_summary(usage: UsageSum) -> str:
    """Return `210k burn · $14.20`; `tok` stands for all tokens, cache reads too."""
    word = "tok" if usage.burn is None and usage.tokens is not None else "burn"
    return f"{usage_burn(usage)} {word} · {usage_dollars(usage)}"


def probe_problem(view: Optional[ProbeView]) -> str:
    """Return `probe: 429, next 14:05`; empty while there is no problem with it."""
    if view is None or not view.problem:
        return ""
    again = "" if view.next_at is None else f", next {datetime.fromtimestamp(view.next_at):%H:%M}"
    return f"probe: {view.problem}{again}"


def used_elsewhere(share_per_hour: Optional[float]) -> str:
    """Return `used elsewhere: 22 %/h`; empty when nothing is known of it."""
    share = finite_number(share_per_hour)
    return "" if share is None else f"used elsewhere: {100 * share:.0f} %/h"


def forecast_text(view: Optional[ForecastView], now: float, lasts: str = "lasts until reset") -> str:
    """Return `dry 15:10-16:40`, `lasts until reset`, or `38% dry from Tue 15:10`; empty when unknown.

    Times are local; of another day they have its name.  The range is that of 80 of 100 cases.
    """
    if view is None:
        return ""
    if view.p10 is None:
        return lasts
    begin = _clock_time(view.p10, now)
    if view.p90 is None:
        return f"{view.chance:.0%} dry from {begin}"
    if view.p90 <= now:
        return "dry"
    end = _clock_time(view.p90, now, since=view.p10)
    return f"dry {begin}" if end == begin else f"dry {begin}-{end}"


def _clock_time(at: float, now: float, since: Optional[float] = None) -> str:
    """Return `15:10`, or `Tue 15:10` when that is another day than that of `since`, or of `now`."""
    try:
        local, other = datetime.fromtimestamp(at), datetime.fromtimestamp(now if since is None else since)
    except (ValueError, OverflowError, OSError):  # what no calendar has
        return UNKNOWN
    day = "" if local.date() == other.date() else f"{_DAYS[local.weekday()]} "
    return f"{day}{local:%H:%M}"


def plural(amount: int, noun: str) -> str:
    """Return `1 tree`, `2 trees`."""
    return f"{amount} {noun}" if amount == 1 else f"{amount} {noun}s"


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
