"""The loop of a running Deck: waits for keys, signals and news, and paints at most twice a second.

Nothing is computed while nothing changes; a key, a signal and a change of size are answered at once.
"""

from __future__ import annotations

import contextlib
import io
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TYPE_CHECKING, Optional

from .controls import CommandWorker, Controls
from .feed import Feed
from .terminal.keyboard import Key, KeyDecoder
from .text.cells import clean
from .ui import CommandResult, DeckUi, TerminalTraits
from .view.ui_state import Command

__all__ = ["DeckLoop", "ExitReason", "WakeupSocket", "catch_signals", "signal_numbers"]


class WakeupSocket:
    """Readable when a signal has come or somebody called `wake`."""

    def __init__(self, reader: socket.socket, writer: socket.socket) -> None:
        self._reader, self._writer = reader, writer

    def fileno(self) -> int:
        return self._reader.fileno()

    def wake(self, number: int = 0) -> None:
        """Any thread; no signal has the number 0."""
        with contextlib.suppress(OSError):
            self._writer.send(bytes([number]))

    def wait(self) -> int:
        """The number of the next signal, or what was woken with."""
        return self._reader.recv(1)[0]

    def drain(self) -> bytes:
        """All that has come; empty when nothing has."""
        try:
            return self._reader.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""


def signal_numbers(*names: str) -> list[int]:
    """The numbers of the signals that this system has."""
    return [int(getattr(signal, name)) for name in names if hasattr(signal, name)]


@contextlib.contextmanager
def catch_signals(numbers: Iterable[int]) -> Iterator[WakeupSocket]:
    """These signals go into the inbox; as before afterwards.  Only for the main thread."""
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        before = {number: signal.signal(number, lambda number, frame: None) for number in numbers}
        woken = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        try:
            yield WakeupSocket(reader, writer)
        finally:
            signal.set_wakeup_fd(woken)
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)


if TYPE_CHECKING:
    from .terminal.screen import Screen


REPAINT_SEC = 0.5  # between two repaints
MAX_CPU_SHARE = 0.03  # of a core: repaints are rarer where one takes longer
IDLE_REPAINT_SEC = 5.0  # between two when only minutes pass
ESCAPE_SEC = 0.05  # a lone Esc is one when nothing follows so long
FOREGROUND_SEC = 1.0  # between two looks whether `fg` was typed
MAX_WARNINGS, MAX_STDERR_CHARS = 200, 1 << 16
STOP, RELOAD = signal_numbers("SIGINT", "SIGTERM"), signal_numbers("SIGHUP")
RESIZE, SUSPEND, RESUME = signal_numbers("SIGWINCH"), signal_numbers("SIGTSTP"), signal_numbers("SIGCONT")

ExitReason = str
"""Why the Deck ended: `quit` (a person left), `stopped` (a signal, or the terminal is gone), `over`."""


class DeckLoop:
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
        terminal = TerminalTraits(ascii=ascii, percent=screen.color_depth < 8)
        self._ui = DeckUi(feed.model(), terminal, read_only, where)
        self._key_decoder = KeyDecoder()
        self._warnings: deque[str] = deque(maxlen=MAX_WARNINGS)
        self._wakeup: Optional[WakeupSocket] = None
        self._version: Hashable = None
        self._modelled_at = float("-inf")
        self._model_seconds = 0.0  # seconds that the last model took
        self._needs_paint = True  # the screen is not what it should be
        self._suspended = False  # the terminal is another's for now

    def warn(self, text: str) -> None:
        """Any thread: a warning for the footer."""
        self._warnings.append(text)
        if self._wakeup is not None:
            self._wakeup.wake()

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> ExitReason:
        """Until somebody leaves.  Only for the main thread; the terminal is given back in any case."""
        with catch_signals(STOP + RELOAD + RESIZE + SUSPEND + RESUME) as inbox, _stderr_deferred():
            self._wakeup = inbox
            self._worker = CommandWorker(self._controls, inbox.wake)
            try:
                with self._screen:
                    return self._loop(inbox)
            finally:
                self._wakeup = None

    def _loop(self, inbox: WakeupSocket) -> ExitReason:
        while True:
            if self._is_over():
                return "over"
            if self._suspended:
                ended = self._wait_for_foreground(inbox)
                if ended is not None:
                    return ended
                continue
            self._refresh()
            self._paint()
            tty, mail = self._screen.fileno(), inbox.fileno()
            readable, _, _ = select.select(
                [tty, mail], [tty] if self._screen.has_pending_output else [], [], self._select_timeout()
            )
            ended = self._handle_signals(inbox) if mail in readable else None
            if ended is None and tty in readable:
                ended = self._read_keys()
            elif self._key_decoder.has_partial:
                ended = self._handle_keys(self._key_decoder.flush())
            if ended is not None:
                return ended

    def _select_timeout(self) -> float:
        """How long nothing needs to be done unless something comes."""
        return ESCAPE_SEC if self._key_decoder.has_partial else REPAINT_SEC

    def _refresh(self) -> None:
        """A new model when there is something new, or enough time has passed to be seen."""
        self._show_messages()
        now = self._clock()
        due = now - self._modelled_at
        if due < max(0.9 * REPAINT_SEC, self._model_seconds / MAX_CPU_SHARE):
            return
        mark = self._feed.version
        if mark == self._version and due < IDLE_REPAINT_SEC and not self._ui.is_animated:
            return
        self._version, self._modelled_at = mark, now
        if self._ui.update(self._feed.model()):
            self._screen.bell()
        self._model_seconds = self._clock() - now
        self._needs_paint = True

    def _show_messages(self) -> None:
        """Outcomes, warnings and troubles into the footer."""
        for outcome in self._worker.take_results():
            self._ui.show_result(outcome)
            self._needs_paint = True
            self._modelled_at = float("-inf")  # what was done shows at once
        news = self._feed.take_notice()
        if news is not None:
            self._ui.show_result(CommandResult(news, "bad"))
            self._needs_paint = True
        while self._warnings:
            self._ui.show_result(CommandResult(clean(self._warnings.popleft()), "warn"))
            self._needs_paint = True

    def _paint(self) -> None:
        if self._screen.has_pending_output:
            self._screen.flush()
        if self._needs_paint and not self._screen.has_pending_output:
            columns, lines = self._screen.size()
            self._screen.paint(self._ui.draw(columns, lines))
            self._needs_paint = False

    # --- what comes in ------------------------------------------------------------------------

    def _read_keys(self) -> Optional[ExitReason]:
        data = self._screen.read()
        if data is None:
            return "stopped"  # the terminal is gone
        return self._handle_keys(self._key_decoder.feed(data))

    def _handle_keys(self, keys: list[Key]) -> Optional[ExitReason]:
        if not keys:
            return None
        if any(key.name == "ctrl-l" for key in keys):
            self._screen.invalidate()
        self._needs_paint = True
        for command in self._ui.press_keys(keys):
            if command.action == "quit":
                return "quit"
            self._worker.submit(command)
        return None

    def _handle_signals(self, inbox: WakeupSocket) -> Optional[ExitReason]:
        came = inbox.drain()
        if any(number in STOP for number in came):
            return "stopped"
        if any(number in RELOAD for number in came):
            self._worker.submit(Command("reload"))
        if any(number in SUSPEND for number in came):
            self._suspend()
        elif any(number in RESUME for number in came):
            self._suspended = True  # whoever stopped this process may have used the terminal since
        self._needs_paint = True  # another size perhaps
        return None

    def _suspend(self) -> None:
        """Ctrl-Z: give the terminal back and stop, as every program does."""
        self._screen.leave()
        self._suspended = True
        ours = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # Here the process stands still until SIGCONT.
        signal.signal(signal.SIGTSTP, ours)

    def _wait_for_foreground(self, inbox: WakeupSocket) -> Optional[ExitReason]:
        """After `fg` it is ours again; after `bg` the proxy goes on without it."""
        if self._screen.in_foreground():
            self._screen.enter()
            self._suspended, self._needs_paint = False, True
            return None
        readable, _, _ = select.select([inbox], [], [], FOREGROUND_SEC)
        return self._handle_signals(inbox) if readable else None


@contextlib.contextmanager
def _stderr_deferred() -> Iterator[None]:
    """What is written to stderr meanwhile would spoil the screen: it comes afterwards."""
    kept = io.StringIO()
    before, sys.stderr = sys.stderr, kept
    try:
        yield
    finally:
        sys.stderr = before
        with contextlib.suppress(OSError, ValueError):
            before.write(kept.getvalue()[-MAX_STDERR_CHARS:])
            before.flush()
