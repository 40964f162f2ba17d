"""A log file of bounded size: rotated by the standard library, readable by its owner alone.

Rules that hold in this file:

1. One thread writes.  A full or broken disk loses lines and raises OSError; the next write tries again.
2. Lines are whole: what a full disk or a crash has cut off gets its end before the next line.
3. During a restart two processes write: one of them rotates, and the other one goes on in the new file.
4. A file that somebody has moved or removed meanwhile (logrotate) is made anew.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from typing import Optional

from ...accounts.config.atomic_write import ends_whole, make_private_directory
from ...errors import TeamClaudeError
from .line_printer import WholeLines

try:
    import fcntl
except ImportError:  # Windows, where no two processes have one log
    fcntl = None  # type: ignore[assignment]

__all__ = ["KEPT_FILES", "MAX_BYTES", "LogFile"]

MAX_BYTES = 10_000_000  # of one file
KEPT_FILES = 5  # rotated ones, PATH.1 the newest
NOT_REGULAR = "it is not a regular file"
PIECE_CHARS = 65_536  # written between two looks at the size


class LogFile:
    """The log file at `path`, as a stream of text; a missing directory is made with 0700, the file with 0600.

    Raises TeamClaudeError, one line, when it can't be written at the start; `warn` gets one line when it
    can't be written later, until it can be again.
    """

    encoding = "utf-8"

    def __init__(
        self,
        path: str,
        warn: Callable[[str], None],
        max_bytes: int = MAX_BYTES,
        kept_files: int = KEPT_FILES,
    ) -> None:
        self.path = os.path.abspath(os.path.expanduser(path))
        self._warn = warn
        self._max_bytes, self._kept_files = max_bytes, kept_files
        self._stream: Optional[_Appended] = None
        self._failing = False
        problem = _prepare(self.path)
        if problem:
            raise TeamClaudeError(f"can't write the log file {self.path}: {problem}")

    def isatty(self) -> bool:
        """Return False: a file has no colours."""
        return False

    def write(self, text: str) -> None:
        """Append whole lines; raises OSError."""
        try:
            self._append(text)
        except OSError as error:
            if not self._failing:
                self._failing = True
                reason = error.strerror or error
                self._warn(f"can't write the log file {self.path} ({reason}); lines are missing from it")
            raise
        self._failing = False

    def _append(self, text: str) -> None:
        if self._stream is not None and _is_moved(self._stream, self.path):
            self._stream.close()
            self._stream = None
        for piece in _pieces(text):
            if self._stream is None:
                self._stream = _Appended(self.path)
            size, data = self._stream.size(), piece.encode("utf-8", "backslashreplace")
            if size and size + len(data) > self._max_bytes:
                full, self._stream = self._stream, None
                self._replace(full)
                self._stream = _Appended(self.path)
            self._stream.write(data)

    def _replace(self, full: _Appended) -> None:
        """Rotate and close the file, unless another process has rotated it meanwhile; raises OSError."""
        if fcntl is None:
            full.close()  # an open file can't be renamed there
            _rotate(self.path, self._kept_files)
            return
        try:
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(full.descriptor, fcntl.LOCK_EX)
            if not _is_moved(full, self.path):
                _rotate(self.path, self._kept_files)
        finally:
            full.close()  # ends the lock, too

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Close the file; the last call."""
        if self._stream is not None:
            self._stream.close()


def _prepare(path: str) -> str:
    """Return why a log file can't be kept at `path`; else it exists."""
    directory = os.path.dirname(path)
    try:
        make_private_directory(directory)
        if os.path.exists(path) and not stat.S_ISREG(os.stat(path).st_mode):
            return NOT_REGULAR
        _Appended(path).close()
    except OSError as error:
        return str(error.strerror or error)
    return "" if os.access(directory, os.W_OK) else f"{directory} must be writable, to rotate the file"


class _Appended:
    """A file opened for appending, unbuffered: a buffer would keep what a full disk refused."""

    def __init__(self, path: str) -> None:
        # Not blocking: a FIFO that somebody has put there would be waited for, for ever.
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0)
        self.descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
        if not stat.S_ISREG(os.fstat(self.descriptor).st_mode):
            self.close()
            raise OSError(NOT_REGULAR)
        self._lines = WholeLines(cut_off=not ends_whole(path))

    def write(self, data: bytes) -> None:
        self._lines.write(self.descriptor, data)

    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.descriptor)


def _rotate(path: str, kept_files: int) -> None:
    """Rename PATH to PATH.1, that to PATH.2, and so on; raises OSError."""
    from logging.handlers import RotatingFileHandler  # 1.3 MB and 15 ms, which most servers never need

    handler = RotatingFileHandler(path, maxBytes=1, backupCount=kept_files, delay=True)
    try:
        handler.doRollover()
    finally:
        handler.close()


def _is_moved(stream: _Appended, path: str) -> bool:
    """Return whether the path is another file by now, or none."""
    try:
        here, ours = os.stat(path), os.fstat(stream.descriptor)
    except OSError:
        return True
    return (here.st_dev, here.st_ino) != (ours.st_dev, ours.st_ino)


def _pieces(text: str) -> Iterator[str]:
    """Yield the lines in pieces of at most PIECE_CHARS, or of one line."""
    begin = 0
    while begin < len(text):
        end = len(text)
        if end - begin > PIECE_CHARS:
            end = text.rfind("\n", begin, begin + PIECE_CHARS) + 1 or text.find("\n", begin) + 1 or end
        yield text[begin:end]
        begin = end
