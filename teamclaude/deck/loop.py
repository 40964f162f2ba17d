"""Run the Deck: wait for keys, signals and new data; repaint at most twice a second.

Nothing is computed while nothing changes.  Keys, signals and changes of size are answered at once.

The interpreter itself writes signals to a socket; no handler runs.  A handler that filled a queue could run
between the loop's check of the queue and its sleep, and the signal would be lost.
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

from ..threads import SHORT_TURNS
from .controls import CommandWorker, Controls
from .feed import Feed
from .terminal.keyboard import Key, KeyDecoder
from .text.cells import clean
from .ui import CommandResult, DeckUi
from .view.ui_state import Command

if TYPE_CHECKING:
    from .terminal.screen import Screen

__all__ = ["DeckLoop", "ExitReason", "WakeupSocket", "catch_signals", "signal_numbers"]


class WakeupSocket:
    """A socket that is readable after a signal or a call of `wake`."""

    def __init__(self, reader: socket.socket, writer: socket.socket) -> None:
        self._reader, self._writer = reader, writer

    def fileno(self) -> int:
        """Return the descriptor to select on."""
        return self._reader.fileno()

    def wake(self, number: int = 0) -> None:
        """Make the socket readable, from any thread; 0 is no signal's number."""
        with contextlib.suppress(OSError):
            self._writer.send(bytes([number]))

    def drain(self) -> bytes:
        """Return the numbers of all signals since the last call."""
        try:
            return self._reader.recv(4096, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""


def signal_numbers(*names: str) -> list[int]:
    """Return the numbers of those signals that this system has."""
    return [int(getattr(signal, name)) for name in names if hasattr(signal, name)]


@contextlib.contextmanager
def catch_signals(numbers: Iterable[int]) -> Iterator[WakeupSocket]:
    """Send these signals to a socket instead of their handlers.  Main thread only."""
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


REPAINT_SEC = 0.5  # between two repaints
MAX_CPU_SHARE = 0.03  # of a core: expensive models are built less often
IDLE_REPAINT_SEC = 5.0  # between two repaints when only minutes change
ESCAPE_SEC = 0.05  # a lone Esc is the key when nothing follows for so long
FOREGROUND_SEC = 1.0  # between two checks whether `fg` was typed
MAX_WARNINGS, MAX_STDERR_CHARS = 200, 1 << 16
STOP, RELOAD = signal_numbers("SIGINT", "SIGTERM"), signal_numbers("SIGHUP")
DRAIN, RESTART = signal_numbers("SIGUSR1"), signal_numbers("SIGUSR2")
RESIZE, SUSPEND, RESUME = signal_numbers("SIGWINCH"), signal_numbers("SIGTSTP"), signal_numbers("SIGCONT")

ExitReason = str
"""Why the Deck ended: `quit` (the key), `stopped` (a signal, or the terminal is gone), `over` (`is_over`)."""


class DeckLoop:
    """One Deck on one screen; `is_over` ends it from outside, `where` is the address of a watched proxy."""

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
        percent = screen.color_depth < 8
        self._ui = DeckUi(
            feed.model(),
            ascii=ascii,
            percent=percent,
            read_only=read_only,
            address=where,
            switch_price=feed.switch_price,
        )
        self._key_decoder = KeyDecoder()
        self._warnings: deque[str] = deque(maxlen=MAX_WARNINGS)
        self._wakeup: Optional[WakeupSocket] = None
        self._version: Hashable = None
        self._modelled_at = float("-inf")
        self._model_seconds = 0.0  # to build the last model
        self._needs_paint = True  # the screen is out of date
        self._suspended = False  # another process uses the terminal

    def warn(self, text: str) -> None:
        """Show a warning in the footer; any thread."""
        self._warnings.append(text)
        if self._wakeup is not None:
            self._wakeup.wake()

    # --- the loop -----------------------------------------------------------------------------

    def run(self) -> ExitReason:
        """Run until it ends; main thread only.  The terminal is restored in any case."""
        with catch_signals(STOP + RELOAD + RESIZE + SUSPEND + RESUME) as wakeup, _stderr_deferred():
            self._wakeup = wakeup
            self._worker = CommandWorker(self._controls, wakeup.wake)
            try:
                with self._screen:
                    return self._loop(wakeup)
            finally:
                self._wakeup = None

    def _loop(self, wakeup: WakeupSocket) -> ExitReason:
        while True:
            if self._is_over():
                return "over"
            if self._suspended:
                ended = self._wait_for_foreground(wakeup)
                if ended is not None:
                    return ended
                continue
            with SHORT_TURNS:
                self._refresh()
                self._paint()
            tty, signals = self._screen.fileno(), wakeup.fileno()
            # A lone Esc waits for what may follow.
            timeout = ESCAPE_SEC if self._key_decoder.has_partial else REPAINT_SEC
            writing = [tty] if self._screen.has_pending_output else []
            readable, _, _ = select.select([tty, signals], writing, [], timeout)
            ended = self._handle_signals(wakeup) if signals in readable else None
            if ended is None and tty in readable:
                ended = self._read_keys()
            elif self._key_decoder.has_partial:
                ended = self._handle_keys(self._key_decoder.flush())
            if ended is not None:
                return ended

    def _refresh(self) -> None:
        """Build a new model when the data changed, or when enough time has passed for a visible change."""
        self._show_messages()
        now = self._clock()
        age = now - self._modelled_at
        if age < max(0.9 * REPAINT_SEC, self._model_seconds / MAX_CPU_SHARE):
            return
        version = self._feed.version
        if version == self._version and age < IDLE_REPAINT_SEC and not self._ui.is_animated:
            return
        self._version, self._modelled_at = version, now
        if self._ui.update(self._feed.model()):
            self._screen.bell()
        self._model_seconds = self._clock() - now
        self._needs_paint = True

    def _show_messages(self) -> None:
        """Show results of commands, the feed's errors, and warnings in the footer."""
        results = self._worker.take_results()
        if results:
            self._modelled_at = float("-inf")  # the effect shows at once
        error = self._feed.take_notice()
        if error is not None:
            results.append(CommandResult(error, "bad"))
        while self._warnings:
            results.append(CommandResult(clean(self._warnings.popleft()), "warn"))
        for result in results:
            self._ui.show_result(result)
            self._needs_paint = True

    def _paint(self) -> None:
        if self._screen.has_pending_output:
            self._screen.flush()
        if self._needs_paint and not self._screen.has_pending_output:
            size = self._screen.size()
            self._screen.paint(self._ui.draw(*size), size)
            self._needs_paint = False

    # --- input --------------------------------------------------------------------------------

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

    def _handle_signals(self, wakeup: WakeupSocket) -> Optional[ExitReason]:
        received = wakeup.drain()
        if any(number in STOP for number in received):
            return "stopped"
        if any(number in RELOAD for number in received):
            self._worker.submit(Command("reload"))
        for numbers, action in ((DRAIN, "drain"), (RESTART, "restart")):
            if any(number in numbers for number in received):
                self._worker.submit(Command(action))
        if any(number in SUSPEND for number in received):
            self._suspend()
        elif any(number in RESUME for number in received):
            self._suspended = True  # another process may have used the terminal meanwhile
        self._needs_paint = True  # the size may have changed
        return None

    def _suspend(self) -> None:
        """Restore the terminal and stop the process, as Ctrl-Z does in every program."""
        self._screen.leave()
        self._suspended = True
        previous = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)
        # The process is stopped here until SIGCONT.
        signal.signal(signal.SIGTSTP, previous)

    def _wait_for_foreground(self, wakeup: WakeupSocket) -> Optional[ExitReason]:
        """Take the terminal again after `fg`; after `bg` the proxy continues without it."""
        if self._screen.in_foreground():
            self._screen.enter()
            self._suspended, self._needs_paint = False, True
            return None
        readable, _, _ = select.select([wakeup], [], [], FOREGROUND_SEC)
        return self._handle_signals(wakeup) if readable else None


@contextlib.contextmanager
def _stderr_deferred() -> Iterator[None]:
    """Write to stderr only afterwards: meanwhile it would corrupt the screen."""
    deferred = io.StringIO()
    stderr, sys.stderr = sys.stderr, deferred
    try:
        yield
    finally:
        sys.stderr = stderr
        with contextlib.suppress(OSError, ValueError):
            stderr.write(deferred.getvalue()[-MAX_STDERR_CHARS:])
            stderr.flush()
