"""Where recorded traffic is written: one file a day, a new one when it grows long, old ones deleted.

One thread writes.  A file is only ever appended to, whole lines at a time, with mode 0600 in a directory of
mode 0700.  The salt of the hashes lies beside the files: without it they can't be tied to anything else.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from pathlib import Path

from ...accounts.config.atomic_write import make_private_directory, write_private

__all__ = ["TraceFile", "trace_directory"]

MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_FILES = 60
KEEP_DAYS = 60
SALT_NAME = ".salt"
SALT_BYTES = 16
_OURS = re.compile(r"(\d{8})-(\d{3})\.jsonl")


def trace_directory(config: Path) -> Path:
    """`X.json` -> `X.traffic`, beside it."""
    stem = config.name[: -len(".json")] if config.name.endswith(".json") else config.name
    return config.with_name(f"{stem}.traffic")


class TraceFile:
    """The files of one directory; every method may raise OSError."""

    def __init__(self, directory: Path, max_bytes: int = MAX_FILE_BYTES) -> None:
        self.directory = directory
        self._max_bytes = max_bytes
        self._handle = -1
        self._day = ""
        self._size = 0

    def salt(self) -> bytes:
        """The key of the hashes, made at first use."""
        make_private_directory(str(self.directory))
        path = self.directory / SALT_NAME
        known = path.read_bytes() if path.exists() else b""
        if len(known) != SALT_BYTES:
            known = secrets.token_bytes(SALT_BYTES)
            write_private(str(path), known)
        return known

    def append(self, lines: bytes, now: float) -> None:
        """Write whole lines to the file of the day of `now` (epoch seconds, UTC)."""
        day = time.strftime("%Y%m%d", time.gmtime(now))
        if self._handle < 0 or day != self._day or self._size >= self._max_bytes:
            self._open(day)
        view = memoryview(lines)
        while view:
            view = view[os.write(self._handle, view) :]
        self._size += len(lines)

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
        self._handle = -1

    def files(self) -> list[Path]:
        """Oldest first."""
        with contextlib.suppress(OSError):
            return sorted(path for path in self.directory.iterdir() if _OURS.fullmatch(path.name))
        return []

    def _open(self, day: str) -> None:
        self.close()
        make_private_directory(str(self.directory))
        numbers = [int(path.name[9:12]) for path in self.files() if path.name.startswith(day)]
        number = max(numbers, default=1)
        path = self.directory / f"{day}-{number:03d}.jsonl"
        if path.exists() and path.stat().st_size >= self._max_bytes:
            path = self.directory / f"{day}-{number + 1:03d}.jsonl"
        # Not through a symbolic link that somebody else put there.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        self._handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
        self._day, self._size = day, os.fstat(self._handle).st_size
        self._prune(day)

    def _prune(self, today: str) -> None:
        """Delete what is older than KEEP_DAYS, and the oldest beyond MOST_FILES."""
        files = self.files()
        oldest = time.strftime("%Y%m%d", time.gmtime(_noon(today) - KEEP_DAYS * 86400.0))
        for place, path in enumerate(files):
            if path.name[:8] < oldest or place < len(files) - MAX_FILES:
                with contextlib.suppress(OSError):
                    path.unlink()


def _noon(day: str) -> float:
    import calendar

    return calendar.timegm(time.strptime(day + " 12", "%Y%m%d %H"))
