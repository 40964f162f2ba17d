"""Print lines in a background thread, so that a blocked terminal never blocks a request.

A request is queued as an object and formatted by the background thread, off the request's path.  Under load
one thread in PIECE formats what waits by then, unless another is at it; `Reporter` says why.
"""

from __future__ import annotations

import contextlib
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import Optional, TextIO, TypeVar

from ...proxy.records.background_queue import BackgroundQueue

__all__ = ["LinePrinter", "WholeLines"]

T = TypeVar("T")

MAX_WAITING = 5000
PIECE = 64  # lines that are formatted at once: 0.5 ms


class LinePrinter(BackgroundQueue[T]):
    """A queue whose items are printed as lines; beyond MAX_WAITING the oldest are dropped.

    Lines are printed whole.  Lines that can't be written (a full disk, a closed pipe) are dropped, and later
    ones are tried again: the disk may have space, a FIFO another reader.  `line` formats an item; if it
    raises, that line is skipped.
    """

    def __init__(self, stream: TextIO, line: Callable[[T], str]) -> None:
        self._stream = stream
        self._line = line
        self._whole = WholeLines()
        self._formatting = threading.Lock()  # guards what is taken from the queue, and the lines
        self._lines: deque[str] = deque(maxlen=MAX_WAITING)
        super().__init__("lines", self._print, MAX_WAITING)

    def put(self, item: T) -> None:
        """Queue an item.  Any thread."""
        self._items.append(item)
        # As `BackgroundQueue.put`: a call less for each request.
        if not self._has_items.is_set:
            self._has_items.set()
        elif len(self._items) > PIECE and self._formatting.acquire(blocking=False):
            try:
                self._format(self._items)
            finally:
                self._formatting.release()

    def _format(self, waiting: deque[T]) -> None:
        """Make lines of all that waits now."""
        for _ in range(len(waiting)):
            thing = waiting.popleft()
            try:  # without `suppress`: three calls less for each line
                self._lines.append(self._line(thing))
            except Exception:  # a bug in formatting one line must not stop the others
                continue

    def _print(self, waiting: deque[T]) -> None:
        while waiting or self._lines:
            with self._formatting:
                self._format(waiting)
                lines = [*self._lines, ""]
                self._lines.clear()
            # Everything that waits, in one write: under load, one write for many requests.
            with contextlib.suppress(OSError, ValueError):
                self._write("\n".join(lines))

    def _write(self, text: str) -> None:
        descriptor = _descriptor(self._stream)
        if descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        # Bypass the stream's buffer: it would keep what a full disk refused and fail at exit.
        self._whole.write(descriptor, text.encode(self._stream.encoding or "utf-8", "replace"))


class WholeLines:
    """Write lines to a descriptor; what a full disk has cut off gets its end before the next line."""

    def __init__(self, cut_off: bool = False) -> None:
        self._cut_off = cut_off  # the last line was written partly

    def write(self, descriptor: int, data: bytes) -> None:
        """Write all of `data`, which ends a line; raises OSError."""
        data = b"\n" + data if self._cut_off else data
        left = len(data)
        try:
            while left:
                left -= _write_some(descriptor, data[-left:])
        finally:
            if left < len(data):
                self._cut_off = left > 0


def _descriptor(stream: TextIO) -> Optional[int]:
    """Return the file descriptor to write bytes to; None: write text to the stream."""
    if os.name != "posix":  # the Windows console takes text
        return None
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _write_some(descriptor: int, data: bytes) -> int:
    """Write and return the number of bytes written; wait for a full pipe, even a non-blocking one."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)
