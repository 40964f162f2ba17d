"""The Deck between models and keys, which come in, and screens and commands, which go out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Optional

from .key_bindings import handle_key
from .model.build import new_alerts
from .model.model import Alert, DeckModel
from .terminal.keyboard import Key
from .text.spans import Line
from .view.footer import footer_lines
from .view.frame import EMPTY_FRAME, render_frame
from .view.pages import account_page, node_page
from .view.ui_state import BROWSE, Command, EnterSecret, FrameOptions, Page, ReadPage, ScreenContents, UiState

__all__ = ["CommandResult", "DeckUi", "TerminalTraits"]

PASTE_BURST = 16  # different characters at once are no typing


class CommandResult(NamedTuple):
    """What became of a command: a notice, or a page to read."""

    notice: str = ""
    style: str = ""
    page: Optional[Page] = None


@dataclass(frozen=True)
class TerminalTraits:
    """What is known of the terminal."""

    ascii: bool = False
    percent: bool = False


DEFAULT_TRAITS = TerminalTraits()


class DeckUi:
    """One person's Deck; from one thread."""

    def __init__(
        self,
        model: DeckModel,
        traits: TerminalTraits = DEFAULT_TRAITS,
        read_only: bool = False,
        where: str = "",
    ) -> None:
        self.state = UiState()
        self.model = model
        self._traits = traits
        self._read_only, self._where = read_only, where
        self._frame = EMPTY_FRAME
        self._alerts: Optional[frozenset[Alert]] = None
        self._spinner_step = 0

    # --- what comes in ------------------------------------------------------------------------

    def update(self, model: DeckModel) -> bool:
        """A newer model; True when the bell is to ring for it."""
        news = new_alerts(self._alerts, model.alerts)
        self.model, self._alerts = model, model.alerts
        self._spinner_step += 1
        return bool(news) and not self.state.muted

    def press_keys(self, keys: list[Key]) -> list[Command]:
        """Keys that came together; what is to be done outside."""
        if _is_burst(keys) and self.state.mode == BROWSE:
            # A terminal without marks around pasted text: its letters are no commands.
            self.state = self.state.with_notice("pasted text is ignored here (a adds an account)", "warn")
            return []
        commands: list[Command] = []
        for key in keys:
            was_secret = isinstance(self.state.mode, EnterSecret)
            self.state, command = handle_key(self.state, key, self._screen_contents())
            if command is not None and not self._open_page_for(command):
                commands.append(command)
            if was_secret and not isinstance(self.state.mode, EnterSecret):
                break  # what was pasted behind the key
        return commands

    def show_result(self, outcome: CommandResult) -> None:
        """A command has been carried out, or something is to be told."""
        if outcome.page is not None:
            self._open_page(outcome.page)
        else:
            self.state = self.state.with_notice(outcome.notice, outcome.style)

    @property
    def is_animated(self) -> bool:
        """Something on the screen moves by itself: spinners, or a countdown of seconds."""
        model = self.model
        if any(row.running for row in model.activity[:1]):
            return True
        waits = [model.totals.capacity.next_reset_sec, *(account.bench_sec for account in model.accounts)]
        waits += [bar.reset_sec for account in model.accounts for bar in account.bars]
        return any(wait is not None and wait < 61 for wait in waits)

    # --- what goes out ------------------------------------------------------------------------

    def draw(self, width: int, height: int) -> tuple[Line, ...]:
        """The screen of this moment."""
        desk, terminal = self.state, self._traits
        options = FrameOptions(
            width=width,
            height=height,
            top=desk.top,
            cursor=desk.cursor,
            scroll_to_cursor=desk.scroll_to_cursor,
            filter=desk.filter,
            tree_folded=desk.tree_folded,
            issues_open=desk.issues_open,
            ascii=terminal.ascii,
            percent=terminal.percent,
            spinner_step=self._spinner_step,
            footer=footer_lines(desk, self._screen_contents()),
            page=desk.mode.page if isinstance(desk.mode, ReadPage) else None,
        )
        self._frame = render_frame(self.model, options)
        self.state = replace(desk, top=self._frame.top)
        return self._frame.lines

    def _screen_contents(self) -> ScreenContents:
        seen, model = self._frame, self.model
        return ScreenContents(
            selectable=seen.selectable,
            visible=seen.visible,
            section_starts=seen.section_starts,
            body_length=seen.body_length,
            statuses={account.name: account.status for account in model.accounts},
            nodes=model.nodes,
            inflight=sum(row.running for row in model.activity),
            read_only=self._read_only,
            address=self._where,
        )

    def _open_page_for(self, command: Command) -> bool:
        """Pages of what is on the screen anyway; True when the command was one."""
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
