"""Read other programs' files: read-only, bounded; a file that cannot be read counts as missing."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Collection
from typing import Any, Generic, Optional, TypeVar

from ...values import NamedTuple
from ..text.cells import clean
from ..text.format import epoch_seconds

__all__ = [
    "FileCache",
    "FileStamp",
    "clean_text",
    "json_object",
    "open_to_read",
    "parse_time",
    "read_start",
    "stamp_of",
]

T = TypeVar("T")
MAX_TEXT_CHARS = 200  # of a title, a prompt, an intent
_OPEN = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class FileStamp(NamedTuple):
    """What differs between two states of a file."""

    mtime_ns: int
    size: int
    inode: int

    @property
    def modified(self) -> float:
        """The mtime in epoch seconds."""
        return self.mtime_ns / 1e9


def stamp_of(path: str) -> Optional[FileStamp]:
    """Return the stamp of a regular file; None for anything else."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return FileStamp(found.st_mtime_ns, found.st_size, found.st_ino)


def open_to_read(path: str) -> int:
    """Open a file for reading; raise OSError.  Opening a pipe in the file's place does not block."""
    return os.open(path, _OPEN)


def read_start(path: str, limit: int) -> bytes:
    """Return at most `limit` bytes from the start of a file; raise OSError."""
    descriptor = open_to_read(path)
    try:
        parts, left = [], limit
        while left > 0:
            part = os.read(descriptor, left)
            if not part:
                break
            parts.append(part)
            left -= len(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


class FileCache(Generic[T]):
    """Cache parsed small files; read one again only when its stamp changed.

    `parse` gets the bytes and returns None, or raises ValueError, for contents it cannot use.  Files larger
    than `limit` bytes are not read.
    """

    def __init__(self, parse: Callable[[bytes], Optional[T]], limit: int = 1 << 16) -> None:
        self._parse = parse
        self._limit = limit
        self._known: dict[str, tuple[FileStamp, Optional[T]]] = {}

    def get(self, path: str) -> Optional[T]:
        """Return the parsed file; None when it is missing, too large or unusable."""
        stamp = stamp_of(path)
        if stamp is None:
            self._known.pop(path, None)
            return None
        known = self._known.get(path)
        if known is not None and known[0] == stamp:
            return known[1]
        value = self._read(path) if stamp.size <= self._limit else None
        self._known[path] = (stamp, value)
        return value

    def _read(self, path: str) -> Optional[T]:
        try:
            return self._parse(read_start(path, self._limit))
        except (OSError, ValueError, RecursionError):
            return None

    def retain(self, paths: Collection[str]) -> None:
        """Forget all other files."""
        for path in [path for path in self._known if path not in paths]:
            del self._known[path]


# --- their contents -------------------------------------------------------------------------------


def json_object(raw: bytes) -> dict[str, Any]:
    """Return the JSON object in `raw`; raise ValueError for anything else."""
    value = json.loads(raw)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def clean_text(value: Any, limit: int = MAX_TEXT_CHARS) -> str:
    """Return a text from a file, safe to print and at most `limit` characters; empty for any other type."""
    return clean(value[: 4 * limit])[:limit] if isinstance(value, str) else ""


def parse_time(value: Any) -> Optional[float]:
    """Return a time from a file in epoch seconds (from ISO 8601, seconds or milliseconds), else None."""
    try:
        return epoch_seconds(value)
    except OverflowError:
        return None
