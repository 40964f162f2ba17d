"""A line of the screen as styled pieces, measured in cells.

A `Span` is clean text in one style; a style is a name of `paint` or several of them with spaces between
(`bad reverse`).  Lines know nothing of terminals: `plain` and `painted` make text of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Union

from .cells import clip, clusters, width
from .colors import sgr_codes

__all__ = [
    "Line",
    "Span",
    "line_width",
    "clip_line",
    "first_fitting",
    "join_lines",
    "line",
    "ansi_text",
    "plain_text",
    "cursor_line",
    "left_and_right",
    "wrap_line",
]


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
