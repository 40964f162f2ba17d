"""Render the Deck: a model and options in, a frame of exactly the screen's size out.  Pure.

The body is a list of rows with a function that draws each.  Only visible rows are drawn, so the drawing costs
the same with three conversations and with three hundred.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..model.model import DeckModel
from ..text.spans import (
    Line,
    ascii_line,
    clip_line,
    cursor_line,
    first_fitting,
    left_and_right,
    line,
    wrap_line,
)
from .sections import BodyRow, body_rows, drawn_row
from .ui_state import MIN_HEIGHT, MIN_WIDTH, Frame, FrameOptions, Page, ReadPage

__all__ = ["render_frame", "render_lines"]


def render_frame(model: DeckModel, options: FrameOptions) -> Frame:
    """Return one screen: the body from `options.state.top` on, and the footer in the last line."""
    if options.width < MIN_WIDTH or options.height < MIN_HEIGHT:
        return _too_small(options)
    mode = options.state.mode
    rows = _page_rows(mode.page, options) if isinstance(mode, ReadPage) else body_rows(model, options)
    room = options.height - 1
    top = _scroll_top(rows, options, room)
    seen = rows[top : top + room]
    lines = [_draw_row(row, options) for row in seen]
    lines += [()] * (room - len(lines))
    lines.append(_footer(options, top, room, len(rows)))
    if options.ascii:
        lines = [ascii_line(shown) for shown in lines]
    return Frame(
        tuple(lines),
        selectable=tuple(row.key for row in rows if row.key),
        visible=tuple(row.key for row in seen) + ("",) * (room - len(seen)),
        section_starts=tuple(place for place, row in enumerate(rows) if row.starts_section),
        top=top,
        body_length=len(rows),
    )


def render_lines(model: DeckModel, options: FrameOptions) -> list[Line]:
    """Return all lines of the body, without a footer: for `status` and for a file."""
    lines = [_draw_row(row, options) for row in body_rows(model, options)]
    return [ascii_line(shown) for shown in lines] if options.ascii else lines


def _draw_row(row: BodyRow, options: FrameOptions) -> Line:
    shown = clip_line(row.draw(), options.width)
    return cursor_line(shown, options.width) if row.key and row.key == options.state.cursor else shown


def _page_rows(page: Page, options: FrameOptions) -> list[BodyRow]:
    lines = [part for shown in page.lines for part in wrap_line(shown, options.width, page.indent)]
    return [drawn_row(line((page.title, "strong"))), *map(drawn_row, lines)]


def _scroll_top(rows: Sequence[BodyRow], options: FrameOptions, room: int) -> int:
    """Return the first visible line: as the state says, limited to the body, or moved to show the cursor."""
    state, top = options.state, options.state.top
    if state.scroll_to_cursor and state.cursor:
        place = next((place for place, row in enumerate(rows) if row.key == state.cursor), None)
        if place is not None:
            # Keep one line of context on both sides.
            top = min(top, place - 1)
            top = max(top, place + 2 - room)
            if place == min((at for at, row in enumerate(rows) if row.key), default=0):
                top = 0  # the first row shows the header, too
    return max(0, min(top, len(rows) - room))


def _footer(options: FrameOptions, top: int, room: int, length: int) -> Line:
    """Return the keys or the input line, and at the right the position in the body."""
    place: Line = ()
    if length > room:
        arrows = ("↑" if top else " ") + ("↓" if top + room < length else " ")
        place = line((f"{top + 1}-{min(length, top + room)}/{length} {arrows}", "dim"))
    left = options.width - sum(len(span.text) for span in place) - 2
    words = first_fitting(options.footer, left) or (
        clip_line(options.footer[-1], left) if options.footer else ()
    )
    return left_and_right(words, place, options.width)


def _too_small(options: FrameOptions) -> Frame:
    notice = f"TeamClaude needs {MIN_WIDTH}x{MIN_HEIGHT}, this is {options.width}x{options.height}"
    lines = [clip_line(line(notice), options.width)] + [()] * (options.height - 1)
    return Frame(tuple(lines[: max(0, options.height)]))
