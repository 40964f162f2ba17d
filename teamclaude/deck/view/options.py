"""How the Deck is to be shown: the size of the screen and what the person has chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

from ..text.spans import Line

__all__ = ["MIN_HEIGHT", "MIN_WIDTH", "FrameOptions", "Page"]

MIN_WIDTH, MIN_HEIGHT = 40, 8  # below that there is a notice only


class Page(NamedTuple):
    """Something to read instead of the sections: help, a decision, one row in full."""

    title: str
    lines: tuple[Line, ...]
    indent: int = 14
    """Of what a long line goes on with."""


@dataclass(frozen=True)
class FrameOptions:
    """`height` 0 is as many lines as it takes, without a footer."""

    width: int = 80
    height: int = 0
    top: int = 0
    """The first line of the body that is shown."""
    cursor: str = ""
    """Id of the selected row; empty: none."""
    scroll_to_cursor: bool = False
    """Scroll to where the cursor is."""
    filter: str = ""
    tree_folded: bool = False
    issues_open: bool = False
    max_requests: Optional[int] = None
    """How many finished ones are listed; None: all, 0: nor those under way."""
    ascii: bool = False
    percent: bool = False
    """Bars say their percentage: where there is no colour to see it by, or much room."""
    spinner_step: int = 0
    """Place of the spinners."""
    footer: tuple[Line, ...] = ()
    """Its wordings, longest first; the last one is cut where none fits."""
    page: Optional[Page] = None
