"""Signals as bytes to read: nothing happens inside a handler.

The interpreter itself writes them.  A handler that filled a queue could run in the instant between the
reader's look into it and its sleep: the signal would be lost.
"""

from __future__ import annotations

import contextlib
import signal
import socket
from collections.abc import Iterable, Iterator

__all__ = ["WakeupSocket", "catch_signals", "signal_numbers"]


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
