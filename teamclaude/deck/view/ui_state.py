"""The state of the Deck's user interface, and the values that pass between it and the renderer.

`key_bindings` maps one `UiState` to the next; a `Command` is an action outside the Deck.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Optional, Union

from ...routing.switch_price import SwitchPrice
from ...values import NamedTuple, dataclass, field, replace
from ..model.model import Node
from ..text.cells import clean
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
    "Frame",
    "FrameOptions",
    "Mode",
    "Page",
    "ReadPage",
    "ScreenContents",
    "UiState",
]

MIN_WIDTH, MIN_HEIGHT = 40, 8  # a smaller terminal shows a notice only


class Page(NamedTuple):
    """A page shown instead of the sections: help, a decision, one row in full."""

    title: str
    lines: tuple[Line, ...]
    indent: int = 14  # cells before the continuation of a long line


@dataclass(frozen=True)
class Command:
    """An action outside the Deck; see `LocalControls` for the actions."""

    action: str
    account: str = ""
    session: str = ""
    request: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True)
class Browse:
    """Mode: moving around; the footer lists the keys."""


@dataclass(frozen=True)
class ChooseRow:
    """Mode: choosing an account or a request with the cursor."""

    purpose: str  # `switch`, `remove`, `disable` or `explain`
    session: str = ""  # for `switch`: the session to pin; empty: all work
    label: str = ""  # the name of that session


@dataclass(frozen=True)
class Confirm:
    """Mode: a question to answer with y before the command is executed."""

    question: str
    command: Command


@dataclass(frozen=True)
class EditFilter:
    """Mode: typing the filter's letters; Esc restores the `previous` filter."""

    previous: str


@dataclass(frozen=True)
class AddAccount:
    """Mode: choosing the kind of account to add."""


@dataclass(frozen=True)
class EnterSecret:
    """Mode: typing or pasting an API key, which is not shown."""

    text: str = field(default="", repr=False)


@dataclass(frozen=True)
class ReadPage:
    """Mode: reading a page instead of the sections; `return_top` is the sections' scroll position."""

    page: Page
    return_top: int


Mode = Union[Browse, ChooseRow, Confirm, EditFilter, AddAccount, EnterSecret, ReadPage]
BROWSE = Browse()


@dataclass(frozen=True)
class UiState:
    """The whole state of the user interface besides the model."""

    mode: Mode = BROWSE
    cursor: str = ""  # id of the selected row: the cursor stays on that row wherever it moves
    top: int = 0  # the first visible line of what scrolls
    scroll_to_cursor: bool = False  # the cursor was just moved: make it visible
    filter: str = ""
    tree_folded: bool = False
    issues_open: bool = False
    muted: bool = False
    notice: str = ""
    notice_style: str = ""

    def with_notice(self, notice: str, style: str = "") -> UiState:
        """Return the state with a notice in the footer until the next key; a server may have written it."""
        return replace(self, notice=clean(notice), notice_style=style)

    def with_mode(self, mode: Mode) -> UiState:
        """Return the state in another mode."""
        return replace(self, mode=mode)


@dataclass(frozen=True)
class FrameOptions:
    """What the renderer is told besides the model; `height` 0: all lines, without a footer."""

    width: int = 80
    height: int = 0
    state: UiState = UiState()
    max_requests: Optional[int] = None
    """How many finished requests are listed; None: all, 0: no activity section."""
    ascii: bool = False
    percent: bool = False  # bars show their percentage: for a terminal without colors
    anchor: Optional[int] = None
    """The line of what scrolls where the selected row stays when the list changes; None: it may move."""
    spinner_step: int = 0  # the frame of the spinners' animation
    footer: tuple[Line, ...] = ()  # its wordings, longest first; the last one is clipped when none fits


class Frame(NamedTuple):
    """The lines of a screen, and what the key bindings need to know about it."""

    lines: tuple[Line, ...] = ()
    selectable: tuple[str, ...] = ()  # ids of all rows that can be selected, in their order
    visible: tuple[
        str, ...
    ] = ()  # the row id of each line of the screen; empty where nothing can be selected
    section_starts: tuple[int, ...] = ()  # numbers of the scrolling lines where a section begins
    top: int = 0  # the first visible line of what scrolls
    body_length: int = 0  # number of lines that scroll
    body_start: int = 0  # the line of the screen where they begin
    body_room: int = 0  # how many of them are visible at a time


EMPTY_FRAME = Frame()
SwitchPriceOf = Callable[[str, Optional[str]], Optional[SwitchPrice]]
"""Returns what a switch of a session (None: of all work) to an account costs; None: it can't be told."""


@dataclass(frozen=True)
class ScreenContents:
    """What is on the screen when a key is pressed."""

    frame: Frame = EMPTY_FRAME
    statuses: Mapping[str, str] = field(default_factory=dict)  # account name -> status
    nodes: Mapping[str, Node] = field(default_factory=dict)
    inflight: int = 0
    switch_price: SwitchPriceOf = lambda account, session: None
    read_only: bool = False
    address: str = ""  # of the watched proxy; empty for the proxy of this process
