"""When the pool runs dry, and the colour of how full a window is.  Pure."""

from __future__ import annotations

from .facts import Facts
from .spans import Spans, duration, span

__all__ = ["forecast_spans", "use_style"]

TIGHT, FULL = 0.75, 0.9  # utilization from which on a window is shown in another colour


def use_style(used: float) -> str:
    """Return the style of a window's utilization."""
    return "bad" if used >= FULL else "warn" if used >= TIGHT else "good"


def forecast_spans(facts: Facts, now: float) -> Spans:
    """Return `dry in 40m-2h`, `lasts`, or `-` if nothing can be told."""
    if not facts.forecast_known:
        return span("-", "dim")
    if facts.dry_from is None:
        return span("lasts", "good")
    begin = duration(max(0.0, facts.dry_from - now))
    if facts.dry_until is None:
        return span(f"dry in {begin} or later", "warn")
    if facts.dry_until <= now:
        return span("dry", "bad")
    end = duration(max(0.0, facts.dry_until - now))
    return span(f"dry in {begin}" if begin == end else f"dry in {begin}-{end}", "bad")
