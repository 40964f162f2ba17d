"""Lines printed by a thread of their own: a terminal that stands still must not stop a request."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from typing import TextIO

__all__ = ["Lines"]

KEPT = 2000


class Lines:
    """`put` never waits; what a stuck terminal does not take beyond KEPT lines is dropped, oldest first."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._waiting: deque[str] = deque(maxlen=KEPT)
        self._something = threading.Event()
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._write, name="lines", daemon=True)
        self._thread.start()

    def put(self, line: str) -> None:
        """Any thread; a line is printed whole."""
        self._waiting.append(line)
        # Set already: it is cleared before what is waiting is taken, so this line is taken too.
        if not self._something.is_set():
            self._something.set()

    def close(self, timeout_s: float = 2.0) -> None:
        """Print what is left, but do not wait for ever."""
        self._closed.set()
        self._something.set()
        self._thread.join(timeout_s)

    def _write(self) -> None:
        # A closed pipe or terminal ends the printing, not the server.
        with contextlib.suppress(OSError, ValueError):
            while not (self._closed.is_set() and not self._waiting):
                self._something.wait()
                self._something.clear()
                while self._waiting:
                    print("\n".join(self._taken()), file=self._stream)
                self._stream.flush()

    def _taken(self) -> list[str]:
        """What is waiting, to be written at once: under load that is one write for many requests."""
        return [self._waiting.popleft() for _ in range(len(self._waiting))]
