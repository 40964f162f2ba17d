"""The loop that accepts connections, which can be paused without closing the listening socket.

A pause leaves what connects in the backlog of the kernel: for the next `run`, or for another process that
listens on the same socket.  The socket itself is never shut down, which would end it for the other one too.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

__all__ = ["AcceptLoop"]


class AcceptLoop:
    """Call a function whenever a connection waits; `pause` and `close` are for any other thread."""

    def __init__(self) -> None:
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)
        self._accepting = False
        self._ended = threading.Event()
        self._ended.set()

    def prepare(self) -> None:
        """Allow the next `run`; before its thread is started, so that a pause can't come in between."""
        self._accepting = True
        self._ended.clear()

    def run(self, listening: socket.socket, accept: Callable[[], None]) -> None:
        """Call `accept` for what connects to `listening`, until `pause`."""
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(listening, selectors.EVENT_READ)
                selector.register(self._wake_reader, selectors.EVENT_READ)
                while self._accepting:
                    selector.select()
                    if self._accepting:
                        accept()
        finally:
            self._ended.set()

    def pause(self) -> None:
        """End `run`, and return when it has ended."""
        self._accepting = False
        with suppress(OSError):
            self._wake_writer.send(b"x")
        self._ended.wait()
        with suppress(OSError):
            self._wake_reader.recv(64)

    def close(self) -> None:
        """End `run` for good."""
        self.pause()
        self._wake_reader.close()
        self._wake_writer.close()
