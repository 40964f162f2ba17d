"""Render the Deck: a model and options in, a frame of exactly the screen's size out.  Pure.

From top to bottom: the header and a line for each account, which are pinned; what scrolls; the newest
requests and the footer, which are pinned, too.  Rows that scroll are a list with a function that draws each.
Only visible rows are drawn, so the drawing costs the same with three conversations and with three hundred.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...values import NamedTuple
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
from .account_strip import strip_lines
from .header import header_lines
from .sections import BodyRow, Sections, drawn_row
from .ui_state import MIN_HEIGHT, MIN_WIDTH, Frame, FrameOptions, Page, ReadPage

__all__ = ["render_frame", "render_lines"]

HEADER_MIN_HEIGHT = 18  # below it a filter hides the header
MAX_PINNED_REQUESTS = 5  # unless everything else has room, too
# Lines of the strip, and pinned requests, by the height of the screen.
STRIP_LINES = ((50, 8), (36, 5), (24, 3), (15, 2), (0, 1))
PINNED_REQUESTS = ((24, 5), (20, 4), (17, 3), (14, 2), (12, 1), (0, 0))


class _Parts(NamedTuple):
    """The rows of one screen: pinned above, scrolling, pinned below."""

    head: list[BodyRow]
    middle: list[BodyRow]
    tail: list[BodyRow]
    selectable: tuple[str, ...]


def render_frame(model: DeckModel, options: FrameOptions) -> Frame:
    """Return one screen: what scrolls from `options.state.top` on, and the footer in the last line."""
    if options.width < MIN_WIDTH or options.height < MIN_HEIGHT:
        return _too_small(options)
    mode = options.state.mode
    if isinstance(mode, ReadPage):
        parts = _Parts([], _page_rows(mode.page, options), [], ())
    else:
        parts = _parts(model, options)
    room = options.height - 1 - len(parts.head) - len(parts.tail)
    top = _scroll_top(parts.middle, options, room)
    seen = parts.middle[top : top + room]
    seen += [drawn_row(())] * (room - len(seen))
    shown = [*parts.head, *seen, *parts.tail]
    lines = [_draw_row(row, options) for row in shown]
    lines.append(_footer(options, top, room, len(parts.middle)))
    if options.ascii:
        lines = [ascii_line(each) for each in lines]
    return Frame(
        tuple(lines),
        selectable=parts.selectable,
        visible=tuple(row.key for row in shown),
        section_starts=tuple(place for place, row in enumerate(parts.middle) if row.starts_section),
        top=top,
        body_length=len(parts.middle),
        body_start=len(parts.head),
        body_room=room,
    )


def render_lines(model: DeckModel, options: FrameOptions) -> list[Line]:
    """Return everything once as lines, without a footer: for `status` and for a file."""
    sections = Sections(model, options)
    rows = [drawn_row(shown) for shown in header_lines(model, options.width)] + sections.rows()
    requests = sections.requests() if options.max_requests != 0 else []
    rows += [*sections.requests_heading(len(requests)), *requests, *sections.unmatched()]
    lines = [_draw_row(row, options) for row in rows]
    return [ascii_line(shown) for shown in lines] if options.ascii else lines


def _parts(model: DeckModel, options: FrameOptions) -> _Parts:
    sections = Sections(model, options)
    width, height = options.width, options.height
    head: list[Line] = []
    if not options.state.filter or height >= HEADER_MIN_HEIGHT:  # else the matches need the room
        head = header_lines(model, width, height)
        head += strip_lines(model.accounts, width, _for_height(STRIP_LINES, height), model.now)
    rows, requests = sections.rows(), sections.requests()
    unmatched = sections.unmatched()
    order = tuple(row.key for row in (*rows, *requests) if row.key)
    pinned = _pinned_requests(height, height - 1 - len(head), len(rows) + len(unmatched), len(requests))
    tail = [*sections.requests_heading(len(requests)), *requests[:pinned]]
    if not pinned and requests:
        return _Parts(list(map(drawn_row, head)), [*rows, *tail, *requests], [], order)
    if not pinned and _for_height(PINNED_REQUESTS, height) == 0:
        rows, tail = [*rows, *tail], []
    earlier = requests[pinned:]
    if earlier:
        rows += [sections.earlier_heading(len(earlier)), *earlier]
    return _Parts(list(map(drawn_row, head)), [*rows, *unmatched], tail, order)


def _pinned_requests(height: int, room: int, rows: int, requests: int) -> int:
    """Return how many requests are pinned: some always, more if what scrolls leaves `room` for them."""
    least = _for_height(PINNED_REQUESTS, height)
    return min(requests, max(least, room - rows - 1)) if least else 0


def _for_height(steps: Sequence[tuple[int, int]], height: int) -> int:
    return next(count for least, count in steps if height >= least)


def _draw_row(row: BodyRow, options: FrameOptions) -> Line:
    shown = clip_line(row.draw(), options.width)
    return cursor_line(shown, options.width) if row.key and row.key == options.state.cursor else shown


def _page_rows(page: Page, options: FrameOptions) -> list[BodyRow]:
    lines = [part for shown in page.lines for part in wrap_line(shown, options.width, page.indent)]
    return [drawn_row(line((page.title, "strong"))), *map(drawn_row, lines)]


def _scroll_top(rows: Sequence[BodyRow], options: FrameOptions, room: int) -> int:
    """Return the first visible row of those that scroll: as the state says, limited to what there is.

    With `options.anchor` the selected row stays where it was on the screen, wherever it is in the list now;
    without it a cursor that was just moved is made visible.
    """
    state, top = options.state, options.state.top
    wanted = state.cursor and (state.scroll_to_cursor or options.anchor is not None)
    place = next((at for at, row in enumerate(rows) if row.key == state.cursor), None) if wanted else None
    if place is not None and options.anchor is not None:
        top = place - min(options.anchor, room - 1)  # there may be less room now
    elif place is not None:
        # Keep one line of context on both sides.
        top = min(top, place - 1)
        top = max(top, place + 2 - room)
        if place == min((at for at, row in enumerate(rows) if row.key), default=0):
            top = 0  # the first row shows its heading, too
    return max(0, min(top, len(rows) - room))


def _footer(options: FrameOptions, top: int, room: int, length: int) -> Line:
    """Return the keys or the input line, and at the right the position in what scrolls."""
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
