"""Lines that a person types while a command waits for something else as well."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

__all__ = ["read_stdin_lines"]

MAX_LINE_BYTES = 65536


def read_stdin_lines(take: Callable[[str], None], end: Callable[[], None]) -> None:
    """Pass each line of stdin to `take`, then call `end` once; both in a new thread."""
    try:
        handle = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):  # there is no stdin, or it is closed
        end()
        return
    threading.Thread(target=_read, args=(handle, take, end), name="typed", daemon=True).start()


def _read(handle: int, take: Callable[[str], None], end: Callable[[], None]) -> None:
    # Not sys.stdin.readline: a thread blocked there holds a lock that the interpreter needs to exit.
    line = b""
    while True:
        try:
            piece = os.read(handle, 4096)
        except OSError:
            piece = b""
        *whole, line = (line + piece).split(b"\n")
        for text in whole:
            take(text.decode("utf-8", "replace"))
        if not piece or len(line) > MAX_LINE_BYTES:
            break
    if line:
        take(line.decode("utf-8", "replace"))
    end()
