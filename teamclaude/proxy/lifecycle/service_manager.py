"""What a service manager is told, and the listening sockets that it passes on.

systemd's protocol, in two parts.  sd_notify(3): datagrams of `NAME=value` lines to the socket that
$NOTIFY_SOCKET names.  sd_listen_fds(3): $LISTEN_FDS descriptors from 3 on, meant for the process $LISTEN_PID.

Both are read once, at the start, and then removed from the environment: a program that the server starts
must not speak in its name.  Without a service manager every method does nothing.  A message that can't be
sent is dropped: the server serves its clients all the same.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Optional

from ...snapshot import CapacityView

__all__ = ["ServiceManager", "pool_status", "sockets_of_manager"]

NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID = "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"
LISTEN_FDS, LISTEN_PID, LISTEN_FDNAMES = "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"
STATUS = "STATUS="
FIRST_DESCRIPTOR = 3  # sd_listen_fds(3): SD_LISTEN_FDS_START
MAX_DESCRIPTORS = 256
SEND_SEC = 1.0  # a manager that reads nothing must not stop the server
MAX_STATUS_CHARS = 200


class ServiceManager:
    """Tells the service manager how the server is.

    `address` is a path or, with `@` in front, an abstract name; None: there is no service manager.
    `watchdog_sec` is how long it waits for a sign of life before it restarts the server; None: it does not.
    """

    def __init__(
        self,
        address: Optional[str],
        watchdog_sec: Optional[float] = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address = address
        self._monotonic = monotonic
        self._told_alive = float("-inf")
        self._told_status: list[str] = []
        self.watchdog_sec = None if address is None else watchdog_sec

    @classmethod
    def from_environment(cls, env: MutableMapping[str, str], pid: Optional[int] = None) -> ServiceManager:
        """Return the service manager that `env` names, and remove the variables from it.

        `pid` is this process: a watchdog that is meant for another one is not served; None: not compared.
        """
        address = env.pop(NOTIFY_SOCKET, None)
        watchdog, meant_for = env.pop(WATCHDOG_USEC, ""), env.pop(WATCHDOG_PID, "")
        if not address or address[0] not in "/@" or not hasattr(socket, "AF_UNIX"):
            return cls(None)
        ours = pid is None or not meant_for or _number(meant_for) == pid
        microseconds = _number(watchdog) if ours else 0
        return cls(address, microseconds / 1e6 if microseconds else None)

    @property
    def present(self) -> bool:
        """Whether there is a service manager."""
        return self._address is not None

    def environment(self) -> dict[str, str]:
        """Return the variables with which a successor of this process speaks to the same manager."""
        if self._address is None:
            return {}
        variables = {NOTIFY_SOCKET: self._address}
        if self.watchdog_sec is not None:
            variables[WATCHDOG_USEC] = str(round(self.watchdog_sec * 1e6))
        return variables

    def ready(self, status: str = "") -> None:
        """Tell that the server answers; also the end of `reloading`.  `status` is one line for people."""
        self._send("READY=1", *_status_line(status))

    def status(self, text: str) -> None:
        """Tell in one line how the server is, if that has changed; `systemctl status` shows it."""
        if _status_line(text) != self._told_status:
            self._send(*_status_line(text))

    def reloading(self) -> None:
        """Tell that the configuration is read again; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={round(self._monotonic() * 1e6)}")

    def stopping(self, limit_sec: Optional[float] = None, status: str = "") -> None:
        """Tell that the server ends; `limit_sec` is how long that may take (None: as the unit says)."""
        lines = [] if limit_sec is None else [f"EXTEND_TIMEOUT_USEC={round(limit_sec * 1e6)}"]
        self._send("STOPPING=1", *lines, *_status_line(status))

    def main_pid(self, pid: int) -> None:
        """Tell that the process `pid` is the server from now on."""
        self._send(f"MAINPID={pid}")

    def retire(self) -> None:
        """Tell nothing any more: another process is the server."""
        self._address = self.watchdog_sec = None

    def alive(self) -> None:
        """Give a sign of life, where a watchdog waits for one; at most four in its time."""
        if self.watchdog_sec is None:
            return
        now = self._monotonic()
        if now - self._told_alive >= self.watchdog_sec / 4:
            self._told_alive = now
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if self._address is None or not lines:
            return
        self._told_status = [line for line in lines if line.startswith(STATUS)] or self._told_status
        # sd_notify(3): "@" stands for the zero byte that an abstract name begins with.
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(SEND_SEC)
            sock.connect(address)
            sock.send("\n".join(lines).encode("utf-8", "replace"))


def sockets_of_manager(env: MutableMapping[str, str], pid: int) -> list[socket.socket]:
    """Return the listening TCP sockets that the service manager passed to this process.

    The variables are removed from `env`, and children don't inherit the sockets.  A descriptor that is no
    listening TCP socket is left alone.
    """
    count, meant_for = env.pop(LISTEN_FDS, ""), env.pop(LISTEN_PID, "")
    env.pop(LISTEN_FDNAMES, None)
    if not count or _number(meant_for) != pid:
        return []
    last = FIRST_DESCRIPTOR + min(_number(count), MAX_DESCRIPTORS)
    found = (_listening_socket(descriptor) for descriptor in range(FIRST_DESCRIPTOR, last))
    return [sock for sock in found if sock is not None]


def pool_status(url: str, capacity: CapacityView) -> str:
    """Return where the server listens and how its pool is, for `status`."""
    paid = len(capacity.last_resort.accounts) if capacity.last_resort is not None else 0
    if not capacity.total:
        return f"{url}: {f'paid keys only ({paid})' if paid else 'no account yet (teamclaude login)'}"
    return f"{url}: {capacity.live_accounts} of {capacity.total} accounts serve, capacity {capacity.verdict}"


def _listening_socket(descriptor: int) -> Optional[socket.socket]:
    try:
        sock = socket.socket(fileno=descriptor)
    except OSError:
        return None
    sock.set_inheritable(False)
    with suppress(OSError):
        inet = sock.family in (socket.AF_INET, socket.AF_INET6) and sock.type == socket.SOCK_STREAM
        if inet and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.setblocking(True)  # Python takes it for blocking, whatever the manager has set
            return sock
    sock.detach()
    return None


def _status_line(text: str) -> list[str]:
    line = "".join(char if char.isprintable() else " " for char in text).strip()
    return [f"{STATUS}{line[:MAX_STATUS_CHARS]}"] if line else []


def _number(text: str) -> int:
    """Return a whole number of at most 18 digits, 0 for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else 0
