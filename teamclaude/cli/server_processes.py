"""The processes of one server: those before this one, and those that come after it by restarts.

Who waits for the server waits for the first of them, unless a service manager is told of each; and one of
them at a time has the terminal.
"""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING, Any, Optional

from ..proxy.restart.guard import Guard, GuardLink
from .terminal import note

if TYPE_CHECKING:
    from ..deck.terminal.screen import Screen
    from ..proxy.restart.predecessor import Predecessor
    from ..proxy.server import ProxyServer

__all__ = ["ServerProcesses"]

LEAVE_SEC, LOOK_SEC = 3.0, 0.02  # for the Deck of a later process to leave it
TERMINAL_SEC = 10.0  # that the process before may need to leave the terminal


class ServerProcesses:
    """As this process sees it; used by its main thread, but for `wait`."""

    def __init__(self, proxy: ProxyServer, is_managed: bool, predecessor: Optional[Predecessor]) -> None:
        self._succession = proxy.succession
        self._has_predecessor = predecessor is not None
        self._link = GuardLink(None if predecessor is None else predecessor.told.get("guardFd"))
        self._guard = None if is_managed or self._has_predecessor else Guard()
        self._succession.guard_fd = self._link.descriptor if self._guard is None else self._guard.descriptor
        self._settings: Optional[list[Any]] = None  # the terminal's, before a Deck
        if self._guard is not None:
            self._succession.on_successor = self._guard.begin

    def screen(self) -> Optional[Screen]:
        """Return the terminal, once the process before has left it; None if it can't show the Deck."""
        from .deck_page import deck_screen

        if self._has_predecessor:
            self._succession.terminal_free.wait(TERMINAL_SEC)
        screen = deck_screen()
        self._succession.uses_terminal = screen is not None
        if screen is not None:
            self._settings = screen.settings()
        return screen

    def left_terminal(self) -> bool:
        """Note that no Deck is shown any more; return whether a successor has the terminal now."""
        self._succession.release_terminal()
        return self._succession.successor is not None

    def stopped_in_deck(self) -> None:
        """Report the signal that ended the Deck, whichever it was: nobody has to pass it on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self._link.signal(number)

    # --- for the signals ------------------------------------------------------------------------

    def on_signal(self, number: int) -> bool:
        """Return whether the signal was for the process that serves in place of this one, and pass it on."""
        if self._succession.successor is None:
            self._link.signal(number)
            return False
        if self._guard is not None:
            self._guard.received(number)
        return True

    def wait_for_terminal(self) -> None:
        """Wait until the Deck of a later process has left the terminal: its settings tell."""
        from .deck_page import deck_screen

        if self._succession.successor is None or self._settings is None:
            return
        screen, deadline = deck_screen(), time.monotonic() + LEAVE_SEC
        while screen is not None and screen.settings() != self._settings and time.monotonic() < deadline:
            time.sleep(LOOK_SEC)

    def wait(self) -> None:
        """Wait for the last successor, where somebody waits for this process."""
        if self._guard is not None:
            self._guard.wait()

    def ended(self, status: int) -> int:
        """Tell the process before how this one ended; return the exit status, that of the last successor."""
        if self._guard is not None and self._guard.active:
            if self._guard.was_killed:
                self._restore_terminal()
                note(f"teamclaude: process {self._guard.pid}, which served, was killed")
            return self._guard.status
        if self._succession.successor is None:
            self._link.ended(status)
        return status

    def _restore_terminal(self) -> None:
        """Do what a process that was killed could not: its Deck's screen and keys are still there."""
        from .deck_page import deck_screen

        screen = None if self._settings is None else deck_screen()
        if screen is not None and self._settings is not None:
            screen.leave(self._settings)
