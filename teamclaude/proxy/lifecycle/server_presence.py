"""Which servers run with this config file: a file of each in X.servers/, beside the config file.

Two servers with the same logins are safe (one refreshes at a time, accounts/tokens/refresh.py), but neither
knows what the other sends, and each overwrites the other's state file.  So both say that the other is there.

Rules that hold in this file:

1. Each server writes its own file alone, and keeps it locked: on the same machine (one kernel, containers
   too) a file that can be locked is one of a server that has ended in any way, and is removed.
2. Of another machine, whose locks may not be seen, the age counts: a server touches its file every BEAT_SEC,
   and ages are differences of times that the file system itself has set, never of two clocks.  A time that
   is still to come is of a clock that was wrong, and as old.
3. Nothing here keeps a server from starting: files may be left behind, unreadable or somebody else's.
4. During a restart two servers have the same port for a while: one that is about to end, and one with our
   machine (or its name) and port for less than RESTART_SEC, is none to tell of.  By name it is our own from
   before a crash of the machine, whose lock has gone with that boot.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

from ...accounts.config.atomic_write import make_private_directory
from ...accounts.config.config_file import path_beside
from ...accounts.config.file_lock import try_lock
from ...values import NamedTuple

__all__ = [
    "OtherServer",
    "ServerPresence",
    "other_servers",
    "port_elsewhere",
    "presence_directory",
    "warning_of",
]

BEAT_SEC = 15.0
GONE_SEC = 120.0  # of another machine's file: some network file systems show times a minute late
FORGOTTEN_SEC = 7 * 86400.0
RESTART_SEC = 180.0
MAX_BYTES = 4096
MAX_FILES = 100
_BOOT_ID = "/proc/sys/kernel/random/boot_id"
_HAS_LOCKS = sys.platform != "win32"  # a locked file can't be read there


class OtherServer(NamedTuple):
    """A server that runs, as its file tells of it."""

    id: str
    pid: int
    host: str
    machine: str  # the same for all processes under one kernel
    port: int
    started: float  # epoch seconds
    ending: bool = False
    locked: bool = False  # its file is locked as long as it runs

    def __str__(self) -> str:
        """Return `pid 4711 on port 3457 of HOST, since 14:03`."""
        text = f"pid {self.pid} on port {self.port} of {self.host}"
        with contextlib.suppress(ValueError, OverflowError, OSError):
            text += f", since {time.strftime('%a %H:%M', time.localtime(self.started))}"
        return "".join(char if char.isprintable() else " " for char in text)


def presence_directory(config: Path) -> Path:
    """Return `X.servers` for the config `X.json`; all symlinks to one file share it."""
    return path_beside(Path(os.path.realpath(config)), "servers")


class ServerPresence:
    """This server's own file, and a look at those of others; used by one thread at a time.

    `clock` returns epoch seconds, `monotonic` any.
    """

    def __init__(
        self,
        config: Path,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory = presence_directory(config)
        self._monotonic = monotonic
        self._clock = clock
        self._handle: Optional[int] = None
        self._own: Optional[OtherServer] = None
        self._due = 0.0  # monotonic
        self._first_seen: dict[str, float] = {}  # others on our port: monotonic
        self._told: set[str] = set()
        self.others: tuple[OtherServer, ...] = ()

    def begin(self, port: int) -> None:
        """Write this server's file.  Without one (a full or read-only disk) others aren't told of it."""
        host = socket.gethostname() or "?"
        self._own = OtherServer(os.urandom(8).hex(), os.getpid(), host, machine_id(), port, self._clock())
        self._create(self._own)

    def _create(self, own: OtherServer) -> None:
        temporary = self._directory / f"{own.id}.new"
        self._close()
        with contextlib.suppress(OSError):
            make_private_directory(str(self._directory))
            self._handle = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
            # Locked before it has its name: nobody takes it for one that was left behind.
            self._own = own._replace(locked=_locks(self._handle))
            self._write(self._own)
            os.replace(temporary, self._path(own.id))

    def look(self) -> list[OtherServer]:
        """Show that this server runs, and return the others that were not told of yet.  Cheap in between."""
        now = self._monotonic()
        if now < self._due or self._own is None:
            return []
        self._due = now + BEAT_SEC
        own = self._own
        try:
            os.utime(self._path(own.id))
        except FileNotFoundError:
            if self._own is not None:  # somebody has cleared up
                self._create(own)
        except OSError:
            pass
        self.others = tuple(
            each
            for each in other_servers(self._directory, own.id)
            if not each.ending and not self._is_restart(each, own, now)
        )
        new = [each for each in self.others if each.id not in self._told]
        self._told.update(each.id for each in new)
        return new

    def _is_restart(self, other: OtherServer, own: OtherServer, now: float) -> bool:
        since = self._first_seen.setdefault(other.id, now)
        is_here = other.machine == own.machine or other.host == own.host
        return is_here and other.port == own.port and now - since < RESTART_SEC

    def ending(self) -> None:
        """Say that this server is about to end."""
        if self._own is not None and self._handle is not None:
            with contextlib.suppress(OSError):
                self._write(self._own._replace(ending=True))

    def end(self) -> None:
        """Remove this server's file."""
        own, self._own = self._own, None
        if own is not None:
            with contextlib.suppress(OSError):
                os.unlink(self._path(own.id))
        self._close()

    def _close(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            os.close(handle)

    def _write(self, own: OtherServer) -> None:
        assert self._handle is not None
        data = json.dumps(own._asdict()).encode()
        os.lseek(self._handle, 0, os.SEEK_SET)
        os.write(self._handle, data.ljust(1024))  # in one piece, over all of what was there

    def _path(self, id: str) -> Path:
        return self._directory / f"{id}.json"


def warning_of(other: OtherServer) -> str:
    """Return what a person has to know of another server, and what to do, in one line."""
    return (
        f"another server runs with the same config file: {other}. Neither knows what the other sends, and "
        "each overwrites the other's state file: stop one, or give it a config file and logins of its own"
    )


def port_elsewhere(config: Path, port: int) -> Optional[int]:
    """Return the port of a server of this machine with this config file, that is not `port`; None without."""
    found = (each for each in other_servers(presence_directory(config), tidy=False) if not each.ending)
    return next((each.port for each in found if each.machine == machine_id() and each.port != port), None)


def other_servers(directory: Path, own: str = "", tidy: bool = True) -> list[OtherServer]:
    """Return the servers that run, but the one with the id `own`; remove what ended ones left.

    Where nothing can be read there are none.  Without `tidy` nothing is removed or touched, and the age of
    another machine's file is by our clock.
    """
    try:
        names = sorted(entry.name for entry in os.scandir(directory) if entry.name.endswith(".json"))
    except OSError:
        return []
    # The file system's own time: that of a file just touched, of the directory where there is none of ours.
    now = _changed_at(directory / f"{own}.json") if own else _touched(directory) if tidy else time.time()
    others = [name for name in names if name != f"{own}.json"][:MAX_FILES]
    return list(_running(directory, others, now, tidy))


def _running(directory: Path, names: list[str], now: Optional[float], tidy: bool) -> Iterator[OtherServer]:
    machine = machine_id()
    for name in names:
        path = directory / name
        found = _read(path, name[: -len(".json")])
        ours = found is not None and found.locked and found.machine == machine
        locked = _is_locked(path) if ours else None
        at = _changed_at(path)
        age = 0.0 if at is None or now is None else abs(now - at)
        if locked is False or age > FORGOTTEN_SEC:
            if tidy:
                with contextlib.suppress(OSError):
                    os.unlink(path)
        elif found is not None and (locked or age < GONE_SEC):
            yield found


def _read(path: Path, id: str) -> Optional[OtherServer]:
    try:
        # A pipe of that name, without a writer, must not stop the server.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
            raw = json.loads(file.read(MAX_BYTES) or b"")
        return OtherServer(
            id,
            int(raw["pid"]),
            str(raw["host"])[:100],
            str(raw["machine"]),
            int(raw["port"]),
            float(raw["started"]),
            raw.get("ending") is True,
            raw.get("locked") is True,
        )
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None


def _locks(handle: int) -> bool:
    """Lock our own file; return False where there are no locks, or none that leave it readable."""
    try:
        return _HAS_LOCKS and try_lock(handle)
    except OSError:
        return False


def _is_locked(path: Path) -> Optional[bool]:
    """Return whether a process has it locked; None: it can't be told."""
    try:
        handle = os.open(path, os.O_RDWR)
    except OSError:
        return None
    try:
        return not try_lock(handle)
    except OSError:
        return None
    finally:
        os.close(handle)


def _changed_at(path: Path) -> Optional[float]:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return None


def _touched(directory: Path) -> Optional[float]:
    """Return the file system's time by a file that is made and removed."""
    path = directory / f"{os.urandom(8).hex()}.look"
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            return _changed_at(path)
        finally:
            os.unlink(path)
    except OSError:
        return None


def machine_id() -> str:
    """Return what all processes under this kernel have in common until the next boot."""
    try:
        with open(_BOOT_ID) as file:
            return file.read(100).strip()
    except (OSError, ValueError):
        return f"host {socket.gethostname()}"
