"""The Deck without terminal and clock: models and keys in, screens and commands out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ..values import NamedTuple, replace
from .key_bindings import handle_key
from .model.build import new_alerts
from .model.model import Alert, DeckModel
from .terminal.keyboard import Key
from .text.spans import Line
from .view.footer import footer_lines
from .view.frame import render_frame
from .view.pages import account_page, node_page
from .view.ui_state import (
    BROWSE,
    Command,
    EnterSecret,
    Frame,
    FrameOptions,
    Page,
    ReadPage,
    ScreenContents,
    SwitchPriceOf,
    UiState,
)

__all__ = ["CommandResult", "DeckUi"]

PASTE_BURST = 16  # characters that arrive together were pasted, not typed


class CommandResult(NamedTuple):
    """The result of a command: a notice for the footer, or a page to read."""

    notice: str = ""
    style: str = ""
    page: Optional[Page] = None


class DeckUi:
    """One person's Deck; used from one thread."""

    def __init__(
        self,
        model: DeckModel,
        *,
        ascii: bool = False,
        percent: bool = False,
        read_only: bool = False,
        address: str = "",
        switch_price: SwitchPriceOf = lambda account, session: None,
    ) -> None:
        self.state = UiState()
        self.model = model
        self._ascii, self._percent = ascii, percent
        self._read_only, self._address, self._switch_price = read_only, address, switch_price
        self._anchor: Optional[int] = None  # where the selected row stays while the list changes
        self._frame = Frame()
        self._alerts: Optional[frozenset[Alert]] = None
        self._spinner_step = 0

    # --- input --------------------------------------------------------------------------------

    def update(self, model: DeckModel) -> bool:
        """Show a newer model; return whether to ring the bell for new alerts."""
        added = new_alerts(self._alerts, model.alerts)
        self.model, self._alerts = model, model.alerts
        self._anchor = self._cursor_line()
        self._spinner_step += 1
        return bool(added) and not self.state.muted

    def press_keys(self, keys: list[Key]) -> list[Command]:
        """Handle keys that arrived together; return the commands to execute."""
        if _is_burst(keys) and self.state.mode == BROWSE:
            # A terminal without bracketed paste: pasted letters are no commands.
            self.state = self.state.with_notice("pasted text is ignored here (a adds an account)", "warn")
            return []
        commands: list[Command] = []
        self._anchor = None
        for key in keys:
            was_secret = isinstance(self.state.mode, EnterSecret)
            self.state, command = handle_key(self.state, key, self._screen_contents())
            if command is not None and not self._open_page_for(command):
                commands.append(command)
            if was_secret and not isinstance(self.state.mode, EnterSecret):
                break  # whatever was pasted behind the API key
        return commands

    def show_result(self, result: CommandResult) -> None:
        """Show the result of a command, or any other message."""
        if result.page is not None:
            self._open_page(result.page)
        else:
            self.state = self.state.with_notice(result.notice, result.style)

    @property
    def is_animated(self) -> bool:
        """Whether the screen changes by itself: spinners, or a countdown of seconds."""
        model = self.model
        if any(row.running for row in model.activity[:1]):
            return True
        waits = [
            model.proxy.capacity.soonest_reset_sec,
            *(account.view.bench_sec for account in model.accounts),
        ]
        waits += [bar.reset_sec for account in model.accounts for bar in account.bars]
        return any(wait is not None and 0 < wait < 61 for wait in waits)

    def _cursor_line(self) -> Optional[int]:
        """Return the line of the selected row among those that scroll; None when it is not visible there."""
        frame = self._frame
        shown = frame.visible[frame.body_start : frame.body_start + frame.body_room]
        return shown.index(self.state.cursor) if self.state.cursor and self.state.cursor in shown else None

    # --- output -------------------------------------------------------------------------------

    def draw(self, width: int, height: int) -> tuple[Line, ...]:
        """Return the lines of the screen."""
        options = FrameOptions(
            width,
            height,
            self.state,
            ascii=self._ascii,
            percent=self._percent,
            anchor=self._anchor,
            spinner_step=self._spinner_step,
            footer=footer_lines(self.state, self._screen_contents()),
        )
        self._frame = render_frame(self.model, options)
        self.state = replace(self.state, top=self._frame.top)
        return self._frame.lines

    def _screen_contents(self) -> ScreenContents:
        return ScreenContents(
            self._frame,
            statuses={account.name: account.status for account in self.model.accounts},
            nodes=self.model.nodes,
            inflight=sum(row.running for row in self.model.activity),
            switch_price=self._switch_price,
            read_only=self._read_only,
            address=self._address,
        )

    def _open_page_for(self, command: Command) -> bool:
        """Open a page that shows more of the model; return False for any other command."""
        pages: dict[str, Callable[[], Optional[Page]]] = {
            "show node": lambda: node_page(self.model, command.session),
            "show account": lambda: account_page(self.model, command.account),
        }
        if command.action not in pages:
            return False
        page = pages[command.action]()
        if page is not None:
            self._open_page(page)
        return True

    def _open_page(self, page: Page) -> None:
        before = self.state.mode
        top = before.return_top if isinstance(before, ReadPage) else self.state.top
        self.state = replace(self.state, mode=ReadPage(page, top), top=0, notice="")


def _is_burst(keys: list[Key]) -> bool:
    names = [key.name for key in keys if len(key.name) == 1]
    return len(names) >= PASTE_BURST and len(set(names)) > 4
