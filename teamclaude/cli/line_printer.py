"""Lines printed by a thread of their own: a terminal that stands still must not stop a request.

What is said of a request is put as the request itself, and becomes a line there: the thread that served
it has better things to do.
"""

from __future__ import annotations

import contextlib
import os
import select
from collections import deque
from collections.abc import Callable
from typing import Optional, TextIO, TypeVar

from ..proxy.records.background_queue import BackgroundQueue

__all__ = ["LinePrinter"]

T = TypeVar("T")

MAX_WAITING = 5000


class LinePrinter(BackgroundQueue[T]):
    """Lines are printed whole; what a stuck terminal does not take beyond KEPT is dropped, oldest first.

    What can't be written (a full disk, a reader who left) is dropped as well, and the next lines are tried:
    the disk may have room again, a FIFO another reader.  `line` makes a line of what was put; what it
    raises costs this line alone.
    """

    def __init__(self, stream: TextIO, line: Callable[[T], str]) -> None:
        self._stream = stream
        self._line = line
        self._line_incomplete = False  # the last line was written in part
        super().__init__("lines", self._print, MAX_WAITING)

    def _print(self, waiting: deque[T]) -> None:
        while waiting:
            lines = []
            for _ in range(len(waiting)):
                thing = waiting.popleft()
                try:
                    lines.append(self._line(thing))
                except Exception:  # a defect in showing one must not end the showing
                    continue
            # All that waits at once: under load that is one write for many requests.
            with contextlib.suppress(OSError, ValueError):
                self._write("\n".join([*lines, ""]))

    def _write(self, text: str) -> None:
        descriptor = _descriptor(self._stream)
        if descriptor is None:
            self._stream.write(text)
            self._stream.flush()
            return
        # Past the stream's buffer: it would keep what a full disk refused, and fail with it at the exit.
        data = ("\n" + text if self._line_incomplete else text).encode(
            self._stream.encoding or "utf-8", "replace"
        )
        left = len(data)
        try:
            while left:
                left -= _write_some(descriptor, data[-left:])
        finally:
            if left < len(data):
                self._line_incomplete = left > 0


def _descriptor(stream: TextIO) -> Optional[int]:
    """Of a stream whose text and bytes are the same; None: write to the stream itself."""
    if os.name != "posix":  # a console of Windows takes text
        return None
    try:
        return stream.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def _write_some(descriptor: int, data: bytes) -> int:
    """How many bytes were; waits for a full pipe, also one that another program made non-blocking."""
    while True:
        try:
            return os.write(descriptor, data)
        except BlockingIOError:
            select.select([], [descriptor], [], 1.0)
