"""What the person at the Deck has chosen, and what they are just doing.

`keys` moves from one `Desk` to the next; a `Command` is what is asked of the proxy on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Optional, Union

from ..model.model import Node
from ..text.spans import Line

__all__ = [
    "MIN_HEIGHT",
    "MIN_WIDTH",
    "AddAccount",
    "Browse",
    "ChooseRow",
    "Command",
    "Confirm",
    "EditFilter",
    "EnterSecret",
    "FrameOptions",
    "Mode",
    "Page",
    "ReadPage",
    "ScreenContents",
    "UiState",
]

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


@dataclass(frozen=True)
class Command:
    """Something to do outside the Deck; `verb` is a key of `controls`."""

    action: str
    account: str = ""
    session: str = ""
    request: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Browse:
    """Looking: the keys of the footer."""


@dataclass(frozen=True)
class ChooseRow:
    """Picking an account or a request with the cursor."""

    purpose: str
    """`switch`, `remove`, `disable` or `explain`."""
    session: str = ""
    """`switch`: the session to pin; empty: all work."""
    label: str = ""
    """What that session is called."""


@dataclass(frozen=True)
class Confirm:
    """A question to be answered with y before the command is carried out."""

    question: str
    command: Command


@dataclass(frozen=True)
class EditFilter:
    """Typing letters that rows must have; `before` comes back with Esc."""

    previous: str


@dataclass(frozen=True)
class AddAccount:
    """Which kind of account to add."""


@dataclass(frozen=True)
class EnterSecret:
    """Typing or pasting an API key, which is not shown."""

    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class ReadPage:
    """Reading a page instead of the sections; `top` is where the sections were."""

    page: Page
    return_top: int


Mode = Union[Browse, ChooseRow, Confirm, EditFilter, AddAccount, EnterSecret, ReadPage]
BROWSE = Browse()


@dataclass(frozen=True)
class UiState:
    """The whole state of the screen besides the model."""

    mode: Mode = BROWSE
    cursor: str = ""
    """Id of the selected row: it stays on that row wherever the row moves."""
    top: int = 0
    scroll_to_cursor: bool = False
    """The cursor was just moved: scroll to it."""
    filter: str = ""
    tree_folded: bool = False
    issues_open: bool = False
    muted: bool = False
    notice: str = ""
    notice_style: str = ""

    def with_notice(self, notice: str, style: str = "") -> UiState:
        """With a notice in the footer, until the next key."""
        return replace(self, notice=notice, notice_style=style)

    def with_mode(self, mode: Mode) -> UiState:
        return replace(self, mode=mode)


@dataclass(frozen=True)
class ScreenContents:
    """What is on the screen while a key is pressed."""

    selectable: tuple[str, ...] = ()
    """Ids of all rows that can be selected, as shown."""
    visible: tuple[str, ...] = ()
    """Ids of the rows of the screen, line by line; empty where nothing can be selected."""
    section_starts: tuple[int, ...] = ()
    """Lines of the body where a section begins."""
    body_length: int = 0
    """Lines of the body."""
    statuses: Mapping[str, str] = field(default_factory=dict)
    """Of the accounts, by name."""
    nodes: Mapping[str, Node] = field(default_factory=dict)
    inflight: int = 0
    read_only: bool = False
    address: str = ""
    """The address of the proxy that is watched."""
