"""A service manager that listens: the other end of $NOTIFY_SOCKET."""

from __future__ import annotations

import socket


class Manager:
    """Hears what is told to `address`, a path or `@name`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.bind("\0" + address[1:] if address.startswith("@") else address)

    def heard(self) -> list[str]:
        """Return the messages that have come."""
        self._sock.setblocking(False)
        found = []
        while True:
            try:
                found.append(self._sock.recv(4096).decode())
            except BlockingIOError:
                return found

    def wait_for(self, beginning: str, limit_sec: float = 60.0) -> str:
        """Return the next message that begins like this; what comes before it is dropped."""
        self._sock.settimeout(limit_sec)
        while True:
            message = self._sock.recv(4096).decode()
            if message.startswith(beginning):
                return message

    def close(self) -> None:
        """Stop listening."""
        self._sock.close()
