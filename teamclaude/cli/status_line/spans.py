"""Styled text for one line: colours, cells, text from outside made safe.  Pure.

`deck.text.cells` measures and cleans what is not plain; it is imported only then (4 ms).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ...color import wants_color

__all__ = [
    "COLORS",
    "Span",
    "Spans",
    "cells_of",
    "clipped",
    "colors_for",
    "duration",
    "joined",
    "painted",
    "safe_text",
    "span",
]

SEPARATOR = " · "

# Styles by number of colours; the codes of SGR (ECMA-48).
COLORS: Mapping[int, Mapping[str, str]] = {
    0: {},
    16: {"good": "32", "warn": "33", "bad": "31", "dim": "2", "name": "36"},
    256: {"good": "38;5;71", "warn": "38;5;179", "bad": "38;5;203", "dim": "38;5;245", "name": "38;5;110"},
}

Span = tuple[str, str]  # text, style (a key of COLORS' values, or empty)
Spans = tuple[Span, ...]


def colors_for(env: Mapping[str, str]) -> int:
    """Return how many colours to use: 0, 16 or 256.

    Claude Code shows colours although stdout is a pipe.
    """
    term = env.get("TERM", "")
    if not wants_color(env, True):
        return 0
    rich = "256color" in term or env.get("COLORTERM", "") in ("truecolor", "24bit")
    return 256 if rich else 16


def span(text: str, style: str) -> Spans:
    """Return text in a style; nothing for no text."""
    return ((text, style),) if text else ()


def joined(parts: Sequence[Spans]) -> Spans:
    """Return the parts that are not empty, with separators between them."""
    spans: list[Span] = []
    for part in parts:
        if part:
            spans += [(SEPARATOR, "dim")] if spans else []
            spans += part
    return tuple(spans)


def painted(spans: Spans, colors: int) -> str:
    """Return the spans as text with escape sequences for 0, 16 or 256 colours."""
    codes = COLORS.get(colors, {})
    return "".join(f"\x1b[{codes[style]}m{text}\x1b[0m" if style in codes else text for text, style in spans)


def safe_text(text: str, most: int = 0) -> str:
    """Return text from outside without control characters, in at most `most` cells (0: any)."""
    if text.isascii() and text.isprintable() and "  " not in text:
        safe = text.strip()
        return safe if not most or len(safe) <= most else safe[: most - 1] + "…"
    from ...deck.text.cells import clean, clip

    safe = clean(text)
    return clip(safe, most) if most else safe


def cells_of(spans: Spans) -> int:
    """Return the terminal cells that the spans take."""
    return sum(_cells(text) for text, _ in spans)


def _cells(text: str) -> int:
    if all(char < "\u0300" or char in "↻…" for char in text):  # our own signs take one each
        return len(text)
    from ...deck.text.cells import width

    return width(text)


def clipped(spans: Spans, width: int) -> Spans:
    """Return the beginning of the spans that fits into `width` cells, with an ellipsis if it is less."""
    if cells_of(spans) <= width:
        return spans
    from ...deck.text.cells import clip

    kept: list[Span] = []
    left = width
    for text, style in spans:
        cells = _cells(text)
        if cells >= left:
            kept.append((clip(text + " ", left), style))  # longer than what is left: it ends in an ellipsis
            break
        kept.append((text, style))
        left -= cells
    return tuple(kept)


def duration(seconds: float) -> str:
    """Return `45s`, `12m`, `1h50m` or `2d4h`."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if minutes < 1:
        return f"{whole}s"
    if hours < 1:
        return f"{minutes}m"
    if days < 1:
        return f"{hours}h{minutes % 60:02d}m" if minutes % 60 else f"{hours}h"
    return f"{days}d{hours % 24}h" if hours % 24 else f"{days}d"
