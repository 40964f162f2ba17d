"""Messages between a server and its successor: JSON objects, one a line, over a pair of sockets.

The other end may be of another version: unknown messages and fields are ignored by who reads them.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Optional

from ...threads import start_with_retry

__all__ = ["STDERR", "TAKEOVER", "Channel", "ChannelClosedError", "ChannelSilentError"]

TAKEOVER = "TEAMCLAUDE_TAKEOVER"  # of the environment: the descriptors that a successor gets, as JSON
STDERR = 2
RECV_BYTES = 1 << 18
SEND_SEC = 10.0  # the other one reads all the time
LONG_SEC = 3600.0
MAX_MESSAGE_BYTES = 1 << 28  # the state of 100,000 conversations takes a tenth of it


class ChannelClosedError(Exception):
    """The other process has ended, or does not understand."""


class ChannelSilentError(ChannelClosedError):
    """The other process has said nothing for too long."""


class Channel:
    """One end; one thread receives, any thread sends."""

    def __init__(self, sock: socket.socket) -> None:
        # Python keeps a timeout for each of its objects; the descriptor is non-blocking for both.
        self._sock, self._reader = sock, sock.dup()
        self._sock.settimeout(SEND_SEC)
        self._lock = threading.Lock()  # one message at a time
        self._buffer = bytearray()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; raises ChannelClosedError."""
        data = json.dumps(message, separators=(",", ":"), default=list).encode() + b"\n"
        try:
            with self._lock:
                self._sock.sendall(data)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self, timeout: Optional[float] = None) -> dict[str, Any]:
        """Return the next message.

        Raises ChannelClosedError at the end, ChannelSilentError after `timeout` seconds without a message.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        seen = 0
        while (end := self._buffer.find(b"\n", seen)) < 0:
            seen = len(self._buffer)
            self._fill(deadline)
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            message = None
        if not isinstance(message, dict):
            raise ChannelClosedError("not a message")
        return message

    def _fill(self, deadline: Optional[float]) -> None:
        left = LONG_SEC if deadline is None else max(0.001, deadline - time.monotonic())
        try:
            self._reader.settimeout(left)
            data = self._reader.recv(RECV_BYTES)
        except socket.timeout:
            if deadline is None:
                return
            raise ChannelSilentError("no message") from None
        except (OSError, ValueError) as error:
            raise ChannelClosedError(str(error)) from error
        if not data or len(self._buffer) > MAX_MESSAGE_BYTES:
            raise ChannelClosedError("the other process has ended")
        self._buffer += data

    def follow(
        self, name: str, on_message: Callable[[dict[str, Any]], None], on_end: Callable[[], None]
    ) -> None:
        """Call `on_message` with each message, in a thread of its own, and `on_end` when there is no more."""

        def run() -> None:
            with suppress(ChannelClosedError):
                while True:
                    on_message(self.receive())
            on_end()

        start_with_retry(threading.Thread(target=run, name=name, daemon=True))

    def close(self) -> None:
        """End the channel; a thread that receives is woken."""
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()
        self._reader.close()
