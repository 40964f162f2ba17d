"""A program on a terminal of its own: type keys, wait for words."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

__all__ = ["Terminal"]

ROWS, COLUMNS = 50, 130
_SEQUENCE = re.compile(r"\x1b\[[0-9;?>=]*[A-Za-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()=>78][A-Z0-9]?")


class Terminal:
    """The program runs until the end of the `with`; `shown` is its text without control sequences."""

    def __init__(self, command: Sequence[str], cwd: Path, env: Mapping[str, str]) -> None:
        self._master, self._slave = pty.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self._read_bytes = bytearray()
        self._child = subprocess.Popen(
            list(command),
            cwd=cwd,
            env={**env, "TERM": "xterm-256color"},
            stdin=self._slave,
            stdout=self._slave,
            stderr=self._slave,
            start_new_session=True,
        )

    @property
    def shown(self) -> str:
        """All that was written so far; a moved cursor counts as a space."""
        return _SEQUENCE.sub(" ", self._read_bytes.decode("utf-8", "replace"))

    def wait_for(self, pattern: str, seconds: float = 20.0) -> Optional[str]:
        """Return the first words that match, None when they have not come in time."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, re.sub(r"\s+", " ", self.shown))
            if found is not None:
                return found[0]
            if time.monotonic() >= deadline or not self._read():
                return None

    def keep_reading(self, done: Any, seconds: float) -> bool:
        """Read, so that the program is not blocked, until `done()`; False when it did not come in time."""
        deadline = time.monotonic() + seconds
        while not done():
            if time.monotonic() >= deadline:
                return False
            self._read()
        return True

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def _read(self) -> bool:
        if select.select([self._master], [], [], 0.1)[0]:
            try:
                self._read_bytes += os.read(self._master, 65536)
            except OSError:  # EIO: the program has ended
                return False
        return True

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.wait()
        os.close(self._master)
        os.close(self._slave)
