"""The loop of a running Deck: waits for keys, signals and news, and paints at most twice a second.

Nothing is computed while nothing changes; a key, a signal and a change of size are answered at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import TYPE_CHECKING, Optional

from .board import DeckUi, CommandResult, TerminalTraits
from .cells import clean
from .controls import Controls, Worker
from .desk import Command
from .feed import Feed
from .keyboard import Key, Keyboard
from .signals import Inbox, caught, named

if TYPE_CHECKING:
    from .screen import Screen

__all__ = ["Console", "Ended"]

BEAT_SEC = 0.5  # between two repaints
SHARE = 0.03  # of a core: repaints are rarer where one takes longer
QUIET_SEC = 5.0  # between two when only minutes pass
ESCAPE_SEC = 0.05  # a lone Esc is one when nothing follows so long
FOREGROUND_SEC = 1.0  # between two looks whether `fg` was typed
KEPT_NOTES, KEPT_ERRORS = 200, 1 << 16
STOP, RELOAD = named("SIGINT", "SIGTERM"), named("SIGHUP")
RESIZE, PAUSE, RESUME = named("SIGWINCH"), named("SIGTSTP"), named("SIGCONT")

Ended = str
"""Why the Deck ended: `quit` (a person left), `stopped` (a signal, or the terminal is gone), `over`."""


class Console:
    """One Deck on one screen; `is_over` ends it from outside, `where` is the proxy it only watches."""

    def __init__(
        self,
        screen: Screen,
        feed: Feed,
        controls: Controls,
        *,
        ascii: bool = False,
        read_only: bool = False,
        where: str = "",
        is_over: Callable[[], bool] = lambda: False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen, self._feed, self._controls = screen, feed, controls
        self._is_over = is_over
        self._clock = clock
        terminal = TerminalTraits(ascii=ascii, percent=screen.depth < 8)
        self._board = DeckUi(feed.model(), terminal, read_only, where)
        self._keyboard = Keyboard()
        self._notes: deque[str] = deque(maxlen=KEPT_NOTES)
        self._inbox: Optional[Inbox] = None
        self._mark: Hashable = None
        self._modelled_at = float("-inf")
        self._cost = 0.0  # seconds that the last model took
        self._stale = True  # the screen is not what it should be
        self._away = False  # the terminal is another's for now

    def say(self, text: str) -> None:
        """Any thread: a warning for the footer."""
        self._notes.append(text)
        if self._inbox is not None:
            self._inbox.wake()

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> Ended:
        """Until somebody leaves.  Only for the main thread; the terminal is given back in any case."""
        with caught(STOP + RELOAD + RESIZE + PAUSE + RESUME) as inbox, _quiet_stderr():
            self._inbox = inbox
            self._worker = Worker(self._controls, inbox.wake)
            try:
                with self._screen:
                    return self._loop(inbox)
            finally:
                self._inbox = None

    def _loop(self, inbox: Inbox) -> Ended:
        while True:
            if self._is_over():
                return "over"
            if self._away:
                ended = self._wait_for_the_terminal(inbox)
                if ended is not None:
                    return ended
                continue
            self._refresh()
            self._paint()
            tty, mail = self._screen.fileno(), inbox.fileno()
            readable, _, _ = select.select([tty, mail], [tty] if self._screen.busy else [], [], self._pause())
            ended = self._signals(inbox) if mail in readable else None
            if ended is None and tty in readable:
                ended = self._keys()
            elif self._keyboard.pending:
                ended = self._pressed(self._keyboard.flush())
            if ended is not None:
                return ended

    def _pause(self) -> float:
        """How long nothing needs to be done unless something comes."""
        return ESCAPE_SEC if self._keyboard.pending else BEAT_SEC

    def _refresh(self) -> None:
        """A new model when there is something new, or enough time has passed to be seen."""
        self._tell()
        now = self._clock()
        due = now - self._modelled_at
        if due < max(0.9 * BEAT_SEC, self._cost / SHARE):
            return
        mark = self._feed.mark
        if mark == self._mark and due < QUIET_SEC and not self._board.is_animated:
            return
        self._mark, self._modelled_at = mark, now
        if self._board.update(self._feed.model()):
            self._screen.bell()
        self._cost = self._clock() - now
        self._stale = True

    def _tell(self) -> None:
        """Outcomes, warnings and troubles into the footer."""
        for outcome in self._worker.take():
            self._board.show_result(outcome)
            self._stale = True
            self._modelled_at = float("-inf")  # what was done shows at once
        news = self._feed.news()
        if news is not None:
            self._board.show_result(CommandResult(news, "bad"))
            self._stale = True
        while self._notes:
            self._board.show_result(CommandResult(clean(self._notes.popleft()), "warn"))
            self._stale = True

    def _paint(self) -> None:
        if self._screen.busy:
            self._screen.flush()
        if self._stale and not self._screen.busy:
            columns, lines = self._screen.size()
            self._screen.paint(self._board.draw(columns, lines))
            self._stale = False

    # --- what comes in ------------------------------------------------------------------------

    def _keys(self) -> Optional[Ended]:
        data = self._screen.read()
        if data is None:
            return "stopped"  # the terminal is gone
        return self._pressed(self._keyboard.feed(data))

    def _pressed(self, keys: list[Key]) -> Optional[Ended]:
        if not keys:
            return None
        if any(key.name == "ctrl-l" for key in keys):
            self._screen.forget()
        self._stale = True
        for command in self._board.press_keys(keys):
            if command.verb == "quit":
                return "quit"
            self._worker.put(command)
        return None

    def _signals(self, inbox: Inbox) -> Optional[Ended]:
        came = inbox.take()
        if any(number in STOP for number in came):
            return "stopped"
        if any(number in RELOAD for number in came):
            self._worker.put(Command("reload"))
        if any(number in PAUSE for number in came):
            self._step_back()
        elif any(number in RESUME for number in came):
            self._away = True  # whoever stopped this process may have used the terminal since
        self._stale = True  # another size perhaps
        return None

    def _step_back(self) -> None:
        """Ctrl-Z: give the terminal back and stop, as every program does."""
        self._screen.leave()
        self._away = True
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here the process stands still until SIGCONT.
        signal.signal(signal.SIGTSTP, ours)

    def _wait_for_the_terminal(self, inbox: Inbox) -> Optional[Ended]:
        """After `fg` it is ours again; after `bg` the proxy goes on without it."""
        if self._screen.in_front():
            self._screen.enter()
            self._away, self._stale = False, True
            return None
        readable, _, _ = select.select([inbox], [], [], FOREGROUND_SEC)
        return self._signals(inbox) if readable else None


@contextlib.contextmanager
def _quiet_stderr() -> Iterator[None]:
    """What is written to stderr meanwhile would spoil the screen: it comes afterwards."""
    kept = io.StringIO()
    before, sys.stderr = sys.stderr, kept
    try:
        yield
    finally:
        sys.stderr = before
        with contextlib.suppress(OSError, ValueError):
            before.write(kept.getvalue()[-KEPT_ERRORS:])
            before.flush()
