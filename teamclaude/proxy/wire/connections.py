"""The open client connections: known, so that a shutdown can end them in order."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .client import Client

__all__ = ["Connections"]


class Connections:
    """All clients now connected."""

    def __init__(self) -> None:
        self._open: set[Client] = set()
        self._changed = threading.Condition()  # guards _open

    @contextmanager
    def open(self, client: Client) -> Iterator[None]:
        """Known from here to the end of the block."""
        with self._changed:
            self._open.add(client)
        try:
            yield
        finally:
            with self._changed:
                self._open.discard(client)
                self._changed.notify_all()

    def __len__(self) -> int:
        with self._changed:
            return len(self._open)

    def close_idle(self) -> None:
        """End the connections that are between requests."""
        self._shut(lambda client: client.idle)

    def close_all(self) -> None:
        self._shut(lambda client: True)

    def wait_empty(self, timeout: float) -> bool:
        """True once nobody is connected, False after `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, timeout)

    def _shut(self, which: Callable[[Client], bool]) -> None:
        with self._changed:
            chosen = [client for client in self._open if which(client)]
        for client in chosen:
            # Its thread sees the end and closes: a socket is closed only by the thread that uses it.
            # Not SSLSocket.shutdown: that takes the TLS object away from under the thread.
            with suppress(OSError):
                socket.socket.shutdown(client.sock, socket.SHUT_RDWR)
