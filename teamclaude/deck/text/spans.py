"""A line of the screen as styled pieces, measured in cells.

A `Span` is clean text in one style; a style is a name of `paint` or several of them with spaces between
(`bad reverse`).  Lines know nothing of terminals: `plain` and `painted` make text of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple, Union

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

# style: (attributes without colours, with 8 colours, with 16, with 256)
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
    """The SGR parameters of one or more styles for `depth` colours: 1 (none), 8, 16 or 256."""
    place = 3 if depth >= 256 else 2 if depth >= 16 else 1 if depth >= 8 else 0
    names = [_BY_STATUS.get(name, name) for name in style.split()]
    if "reverse" in names and "dim" in names:  # grey letters on a bar are hard to read
        names.remove("dim")
    return ";".join(codes for name in names if (codes := _CODES[name][place] if name in _CODES else ""))


def colored(text: str, style: str, color: bool) -> str:
    """`text` in a style (`good`, `warn`, `bad`, `dim`, `strong`, or the status of an account)."""
    code = _BASIC_CODES.get(_BY_STATUS.get(style, style), "")
    return f"\x1b[{code}m{text}\x1b[0m" if color and code and text else text


_BASIC_CODES = {name: codes[1] for name, codes in _CODES.items()}


def usage_style(utilization: float) -> str:
    """The style of a used share: below 70 % good, below 90 % warn, then bad."""
    return "good" if utilization < 0.7 else "warn" if utilization < 0.9 else "bad"


class Span(NamedTuple):
    text: str
    style: str = ""


Line = tuple[Span, ...]
EMPTY_LINE: Line = ()


def line(*parts: Union[str, tuple[str, str]]) -> Line:
    """A line of texts and (text, style) pairs."""
    return tuple(Span(part) if isinstance(part, str) else Span(*part) for part in parts)


def join_lines(parts: Iterable[Line], between: str = " · ") -> Line:
    """Lines one after the other; empty ones are left out."""
    out: list[Span] = []
    for part in parts:
        if part:
            out += [Span(between, "dim"), *part] if out else part
    return tuple(out)


def line_width(of: Iterable[Span]) -> int:
    """Terminal cells that a line takes."""
    return sum(width(span.text) for span in of)


def clip_line(of: Iterable[Span], room: int) -> Line:
    """The line in at most `room` cells; what was cut shows as an ellipsis."""
    out: list[Span] = []
    left = room
    for span in of:
        size = width(span.text)
        if size > left:
            if left > 0:
                out.append(Span(clip(span.text, left), span.style))
            elif out:  # the place of the ellipsis is taken by the last cell of what stands there
                last = out.pop()
                out.append(Span(clip(last.text + " ", width(last.text)), last.style))
            break
        out.append(span)
        left -= size
    return tuple(out)


def first_fitting(wanted: Sequence[Line], room: int) -> Line:
    """The first of several wordings, longest first, that fits; none does: nothing."""
    return next((way for way in wanted if line_width(way) <= room), EMPTY_LINE)


def left_and_right(left: Line, right: Line, room: int, gap: int = 2) -> Line:
    """`left` and, at the right edge, `right`; which goes first where there is no room for both."""
    free = room - line_width(left) - line_width(right)
    if not right or free < gap:
        return clip_line(left, room)
    return (*left, Span(" " * free), *right)


def wrap_line(of: Iterable[Span], room: int, indent: int = 0) -> list[Line]:
    """The line as several of at most `room` cells, broken at blanks; those after the first are indented."""
    pieces = [(cluster, size, span.style) for span in of for cluster, size in clusters(span.text)]
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
            # Not in the indentation of the line itself, and no line of a few letters.
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


def cursor_line(of: Line, room: int) -> Line:
    """The line under the cursor: in reverse over its whole width, without colours; reverse is plain."""
    out = [Span(span.text, _cursor_style(span.style)) for span in of]
    return (*out, Span(" " * max(0, room - line_width(of)), "reverse"))


def _cursor_style(style: str) -> str:
    names = style.split()
    if "reverse" in names:
        return ""
    return "strong reverse" if "strong" in names else "reverse"


def plain_text(of: Line) -> str:
    """The text alone, without blanks at its end."""
    return "".join(span.text for span in of).rstrip()


def ansi_text(of: Line, depth: int) -> str:
    """The text with colour sequences for a terminal of `depth` colours (0: plain text, 1: no colours)."""
    if depth <= 0:
        return "".join(span.text for span in of)
    out = []
    for text, style in of:
        codes = sgr_codes(style, depth) if style else ""
        out.append(f"\x1b[{codes}m{text}\x1b[0m" if codes and text else text)
    return "".join(out)


def ascii_line(of: Line) -> Line:
    """A line for a terminal that knows ASCII alone."""
    return tuple(span if span.text.isascii() else Span(ascii_text(span.text), span.style) for span in of)
