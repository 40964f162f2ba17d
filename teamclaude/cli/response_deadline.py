"""The time limit of a whole HTTP response: http.client has one for each time it waits for bytes.

A server that sends one byte now and then would keep a command waiting without end.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any, Callable

__all__ = ["response_until"]


class _TimedReader(io.RawIOBase):
    """The bytes of a socket until `deadline` (monotonic); raises socket.timeout afterwards."""

    def __init__(self, sock: socket.socket, raw: io.RawIOBase, deadline: float) -> None:
        self._sock, self._raw, self._deadline = sock, raw, deadline

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> Any:
        """Read what is there; wait for it until the deadline."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise socket.timeout("timed out")
        self._sock.settimeout(left)
        return self._raw.readinto(buffer)

    def close(self) -> None:
        """Close the socket's file, which lets the socket be closed."""
        self._raw.close()
        super().close()


class _TimedSocket:
    """What http.client reads a response from."""

    def __init__(self, sock: socket.socket, deadline: float) -> None:
        self._sock, self._deadline = sock, deadline

    def makefile(self, mode: str) -> io.BufferedReader:
        """Return the file that a response is read from."""
        raw: Any = self._sock.makefile(mode, buffering=0)  # type: ignore[call-overload]
        return io.BufferedReader(_TimedReader(self._sock, raw, self._deadline))


def response_until(deadline: float) -> Any:
    """Return the `response_class` of a connection whose response ends by `deadline` (monotonic)."""

    def response(sock: Any, *args: Any, **named: Any) -> http.client.HTTPResponse:
        timed: Any = _TimedSocket(sock, deadline)
        return http.client.HTTPResponse(timed, *args, **named)

    made: Callable[..., http.client.HTTPResponse] = response
    return made
