"""Move the cursor and scroll, in every mode that shows rows.  Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..values import replace
from .terminal.keyboard import Key
from .view.ui_state import ScreenContents, UiState

__all__ = ["move", "scroll", "to_next"]

WHEEL_LINES = 3


def move(state: UiState, key: Key, screen: ScreenContents, order: Sequence[str]) -> UiState:
    """Move the cursor, or scroll."""
    if key.name in ("j", "down"):
        return _move_cursor(state, screen, order, 1)
    if key.name in ("k", "up"):
        return _move_cursor(state, screen, order, -1)
    if key.name == "click":
        target = screen.frame.visible[key.row] if key.row < len(screen.frame.visible) else ""
        return replace(state, cursor=target) if target in order else state
    return scroll(state, key, screen)


def scroll(state: UiState, key: Key, screen: ScreenContents) -> UiState:
    """Scroll by a key; any other key changes nothing."""
    height = max(1, screen.frame.body_room)
    last = max(0, screen.frame.body_length - height)
    top = state.top
    if key.name == "tab":
        top = next((start for start in screen.frame.section_starts if start > state.top), 0)
    elif key.name == "backtab":
        top = next((start for start in reversed(screen.frame.section_starts) if start < state.top), last)
    else:
        top += _SCROLLS[key.name](height, screen.frame.body_length) if key.name in _SCROLLS else 0
    return replace(state, top=max(0, min(top, last)))


_SCROLLS: dict[str, Callable[[int, int], int]] = {
    "pagedown": lambda height, length: max(1, height - 2),
    " ": lambda height, length: max(1, height - 2),
    "pageup": lambda height, length: -max(1, height - 2),
    "wheeldown": lambda height, length: WHEEL_LINES,
    "wheelup": lambda height, length: -WHEEL_LINES,
    "home": lambda height, length: -length,
    "g": lambda height, length: -length,
    "end": lambda height, length: length,
    "G": lambda height, length: length,
}


def _move_cursor(state: UiState, screen: ScreenContents, order: Sequence[str], by: int) -> UiState:
    """Move the cursor by one row; when there is none yet, onto the first or last visible row."""
    if not order:
        return state
    if state.cursor in order:
        place = order.index(state.cursor) + by
        cursor = order[max(0, min(place, len(order) - 1))]
    else:
        visible = [row for row in screen.frame.visible if row in order] or list(order)
        cursor = visible[0] if by > 0 else visible[-1]
    return replace(state, cursor=cursor, scroll_to_cursor=True)


def to_next(state: UiState, order: Sequence[str]) -> UiState:
    """Move the cursor to the row after it in `order` (not empty), from its end to the first."""
    place = order.index(state.cursor) + 1 if state.cursor in order else 0
    return replace(state, cursor=order[place % len(order)], scroll_to_cursor=True)
