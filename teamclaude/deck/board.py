"""The Deck between models and keys, which come in, and screens and commands, which go out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, Optional

from .desk import BROWSE, Command, Desk, Read, Scene, Secret
from .keyboard import Key
from .keys import press
from .model import DeckModel, Need
from .needs import new_needs
from .spans import Line
from .view import NO_FRAME, frame
from .view_details import account_page, node_page
from .view_footer import footer_lines
from .view_options import Options, Page

__all__ = ["Board", "Outcome", "Terminal"]

BURST = 16  # different characters at once are no typing


class Outcome(NamedTuple):
    """What became of a command: a notice, or a page to read."""

    notice: str = ""
    style: str = ""
    page: Optional[Page] = None


@dataclass(frozen=True)
class Terminal:
    """What is known of the terminal."""

    ascii: bool = False
    percent: bool = False


PLAIN = Terminal()


class Board:
    """One person's Deck; from one thread."""

    def __init__(
        self, model: DeckModel, terminal: Terminal = PLAIN, read_only: bool = False, where: str = ""
    ) -> None:
        self.desk = Desk()
        self.model = model
        self._terminal = terminal
        self._read_only, self._where = read_only, where
        self._frame = NO_FRAME
        self._needs: Optional[frozenset[Need]] = None
        self._spin = 0

    # --- what comes in ------------------------------------------------------------------------

    def show(self, model: DeckModel) -> bool:
        """A newer model; True when the bell is to ring for it."""
        news = new_needs(self._needs, model.needs)
        self.model, self._needs = model, model.needs
        self._spin += 1
        return bool(news) and not self.desk.muted

    def press(self, keys: list[Key]) -> list[Command]:
        """Keys that came together; what is to be done outside."""
        if _is_burst(keys) and self.desk.mode == BROWSE:
            # A terminal without marks around pasted text: its letters are no commands.
            self.desk = self.desk.saying("pasted text is ignored here (a adds an account)", "warn")
            return []
        commands: list[Command] = []
        for key in keys:
            was_secret = isinstance(self.desk.mode, Secret)
            self.desk, command = press(self.desk, key, self._scene())
            if command is not None and not self._looks_up(command):
                commands.append(command)
            if was_secret and not isinstance(self.desk.mode, Secret):
                break  # what was pasted behind the key
        return commands

    def answer(self, outcome: Outcome) -> None:
        """A command has been carried out, or something is to be told."""
        if outcome.page is not None:
            self._open(outcome.page)
        else:
            self.desk = self.desk.saying(outcome.notice, outcome.style)

    @property
    def animated(self) -> bool:
        """Something on the screen moves by itself: spinners, or a countdown of seconds."""
        model = self.model
        if any(row.running for row in model.activity[:1]):
            return True
        waits = [model.top.capacity.next, *(account.wait for account in model.accounts)]
        waits += [bar.left for account in model.accounts for bar in account.bars]
        return any(wait is not None and wait < 61 for wait in waits)

    # --- what goes out ------------------------------------------------------------------------

    def draw(self, width: int, height: int) -> tuple[Line, ...]:
        """The screen of this moment."""
        desk, terminal = self.desk, self._terminal
        options = Options(
            width=width,
            height=height,
            top=desk.top,
            cursor=desk.cursor,
            follow=desk.follow,
            filter=desk.filter,
            tree_folded=desk.tree_folded,
            issues_open=desk.issues_open,
            ascii=terminal.ascii,
            percent=terminal.percent,
            spin=self._spin,
            footer=footer_lines(desk, self._scene()),
            page=desk.mode.page if isinstance(desk.mode, Read) else None,
        )
        self._frame = frame(self.model, options)
        self.desk = replace(desk, top=self._frame.top)
        return self._frame.lines

    def _scene(self) -> Scene:
        seen, model = self._frame, self.model
        return Scene(
            order=seen.order,
            sight=seen.sight,
            starts=seen.starts,
            length=seen.length,
            statuses={account.name: account.status for account in model.accounts},
            nodes=model.nodes,
            inflight=sum(row.running for row in model.activity),
            read_only=self._read_only,
            where=self._where,
        )

    def _looks_up(self, command: Command) -> bool:
        """Pages of what is on the screen anyway; True when the command was one."""
        pages: dict[str, Callable[[], Optional[Page]]] = {
            "show node": lambda: node_page(self.model, command.session),
            "show account": lambda: account_page(self.model, command.account),
        }
        if command.verb not in pages:
            return False
        page = pages[command.verb]()
        if page is not None:
            self._open(page)
        return True

    def _open(self, page: Page) -> None:
        before = self.desk.mode
        top = before.top if isinstance(before, Read) else self.desk.top
        self.desk = replace(self.desk, mode=Read(page, top), top=0, notice="")


def _is_burst(keys: list[Key]) -> bool:
    names = [key.name for key in keys if len(key.name) == 1]
    return len(names) >= BURST and len(set(names)) > 4
