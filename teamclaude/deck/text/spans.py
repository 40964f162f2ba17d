"""Lines of the screen as spans of styled text, and the colors of the styles.

A `Span` is clean text in one style.  A style is a name by meaning (`good`, `warn`, `bad`, `accent`, `dim`,
`strong`, `reverse`, or an account's status), or several of them with spaces between (`bad reverse`).
Lines are independent of the terminal: `plain_text` and `ansi_text` make text of them.

The background stays the terminal's own.  The 256-color codes are readable on black and on white; with fewer
colors the terminal's theme decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Union

from ...values import NamedTuple
from .cells import ascii_text, clip, clusters, width

__all__ = [
    "Line",
    "Span",
    "ansi_text",
    "ascii_line",
    "clip_line",
    "colored",
    "cursor_line",
    "first_fitting",
    "join_lines",
    "left_and_right",
    "line",
    "line_width",
    "plain_text",
    "sgr_codes",
    "usage_style",
    "wrap_line",
]

# style: (attributes without colors, with 8 colors, with 16, with 256)
_CODES = {
    "good": ("", "32", "32", "38;5;34"),
    "warn": ("", "33", "33", "38;5;172"),
    "bad": ("1", "31", "31", "38;5;196"),
    "accent": ("", "36", "36", "38;5;32"),
    "dim": ("", "2", "90", "38;5;244"),
    "strong": ("1", "1", "1", "1"),
    "reverse": ("7", "7", "7", "7"),
}
_BY_STATUS = {"active": "good", "benched": "warn", "auth_failed": "bad", "disabled": "dim"}


@lru_cache(maxsize=512)
def sgr_codes(style: str, depth: int) -> str:
    """Return the SGR parameters of one or more styles for `depth` colors: 1 (none), 8, 16 or 256."""
    place = 3 if depth >= 256 else 2 if depth >= 16 else 1 if depth >= 8 else 0
    names = [_BY_STATUS.get(name, name) for name in style.split()]
    if "reverse" in names and "dim" in names:  # gray letters on a bar are hard to read
        names.remove("dim")
    return ";".join(codes for name in names if (codes := _CODES[name][place] if name in _CODES else ""))


def colored(text: str, style: str, color: bool) -> str:
    """Return `text` in one style for a terminal of 8 colors; unchanged without `color`."""
    code = _BASIC_CODES.get(_BY_STATUS.get(style, style), "")
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


_BASIC_CODES = {name: codes[1] for name, codes in _CODES.items()}


def usage_style(utilization: float) -> str:
    """Return the style of a used share: `good` below 0.7, `warn` below 0.9, else `bad`."""
    return "good" if utilization < 0.7 else "warn" if utilization < 0.9 else "bad"


class Span(NamedTuple):
    """A clean text in one style; an empty style is the terminal's default."""

    text: str
    style: str = ""


Line = tuple[Span, ...]
EMPTY_LINE: Line = ()


def line(*parts: Union[str, tuple[str, str]]) -> Line:
    """Return a line of texts and (text, style) pairs."""
    return tuple(Span(part) if isinstance(part, str) else Span(*part) for part in parts)


def join_lines(parts: Iterable[Line], between: str = " · ") -> Line:
    """Join the lines that are not empty."""
    out: list[Span] = []
    for part in parts:
        if part:
            out += [Span(between, "dim"), *part] if out else part
    return tuple(out)


def line_width(spans: Iterable[Span]) -> int:
    """Return the number of terminal cells that a line takes."""
    return sum(width(span.text) for span in spans)


def clip_line(spans: Iterable[Span], room: int) -> Line:
    """Return the line in at most `room` cells; an ellipsis replaces what is cut off."""
    out: list[Span] = []
    left = room
    for span in spans:
        size = width(span.text)
        if size > left:
            if left > 0:
                out.append(Span(clip(span.text, left), span.style))
            elif out:  # the ellipsis replaces the last cell of the previous span
                last = out.pop()
                out.append(Span(clip(last.text + " ", width(last.text)), last.style))
            break
        out.append(span)
        left -= size
    return tuple(out)


def first_fitting(wanted: Sequence[Line], room: int) -> Line:
    """Return the first of several wordings (longest first) that fits; an empty line if none does."""
    return next((wording for wording in wanted if line_width(wording) <= room), EMPTY_LINE)


def left_and_right(left: Line, right: Line, room: int, gap: int = 2) -> Line:
    """Return `left` and, at the right edge, `right`; drop `right` when there is no room for both."""
    free = room - line_width(left) - line_width(right)
    if not right or free < gap:
        return clip_line(left, room)
    return (*left, Span(" " * free), *right)


def wrap_line(spans: Iterable[Span], room: int, indent: int = 0) -> list[Line]:
    """Break the line at spaces into lines of at most `room` cells; indent all but the first."""
    pieces = [(cluster, size, span.style) for span in spans for cluster, size in clusters(span.text)]
    lines: list[Line] = []
    while pieces:
        start = indent if lines else 0
        used = end = 0
        while end < len(pieces) and start + used + pieces[end][1] <= room:
            used += pieces[end][1]
            end += 1
        end = max(end, 1)
        if end < len(pieces):
            blank = next((at for at in range(end, 0, -1) if pieces[at][0] == " "), 0)
            # Not inside the line's own indentation, and never after a few letters only.
            end = blank if blank > end // 2 else end
        lines.append((*((Span(" " * start),) if start else ()), *_merge_spans(pieces[:end])))
        pieces = pieces[end:]
        while pieces and pieces[0][0] == " ":
            pieces = pieces[1:]
    return lines or [EMPTY_LINE]


def _merge_spans(pieces: Iterable[tuple[str, int, str]]) -> list[Span]:
    out: list[Span] = []
    for text, _, style in pieces:
        if out and out[-1].style == style:
            out[-1] = Span(out[-1].text + text, style)
        else:
            out.append(Span(text, style))
    return out


def cursor_line(spans: Line, room: int) -> Line:
    """Return the line as it looks under the cursor: reversed over the whole width, without colors.

    Spans that are reversed already become plain.
    """
    out = [Span(span.text, _cursor_style(span.style)) for span in spans]
    return (*out, Span(" " * max(0, room - line_width(spans)), "reverse"))


def _cursor_style(style: str) -> str:
    names = style.split()
    if "reverse" in names:
        return ""
    return "strong reverse" if "strong" in names else "reverse"


def plain_text(spans: Line) -> str:
    """Return the text without styles and without trailing spaces."""
    return "".join(span.text for span in spans).rstrip()


def ansi_text(spans: Line, depth: int) -> str:
    """Return the text with SGR sequences for a terminal of `depth` colors (0: plain text, 1: no colors)."""
    if depth <= 0:
        return "".join(span.text for span in spans)
    out = []
    for text, style in spans:
        codes = sgr_codes(style, depth) if style else ""
        out.append(f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text)
    return "".join(out)


def ascii_line(spans: Line) -> Line:
    """Return the line for a terminal that shows ASCII only."""
    return tuple(span if span.text.isascii() else Span(ascii_text(span.text), span.style) for span in spans)
