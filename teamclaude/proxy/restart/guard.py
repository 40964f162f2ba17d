"""The first process stays until its last successor has ended: a shell, launchd or a container wait for it.

It passes on the exit status, and the signals that the successor did not get itself: Ctrl-C goes to all
processes of a terminal, `kill` to one.  Each successor inherits the writing end of a pipe, and says there who
it is, which signals it gets and how it ends.  Under systemd, which can be told of another main process, there
is no such pipe.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from contextlib import suppress
from typing import Optional

from ...threads import start_with_retry

__all__ = ["Guard", "GuardLink"]

FORWARD_SEC = 0.3  # for a signal that goes to all processes to be told of
KILLED = 1  # exit status of a successor that could not tell its own


class GuardLink:
    """The writing end, in a successor; without a descriptor nothing is said."""

    def __init__(self, descriptor: Optional[int]) -> None:
        self.descriptor = descriptor if isinstance(descriptor, int) else None
        if self.descriptor is not None:
            with suppress(OSError):
                os.set_inheritable(self.descriptor, False)
        self._say("pid", os.getpid())

    def signal(self, number: int) -> None:
        """Tell that this signal was received."""
        self._say("signal", number)

    def ended(self, status: int) -> None:
        """Tell the exit status."""
        self._say("exit", status)

    def _say(self, what: str, number: int) -> None:
        if self.descriptor is not None:
            with suppress(OSError):
                os.write(self.descriptor, f"{what} {number}\n".encode())


class Guard:
    """The reading end, in the first process; used once that has a successor."""

    def __init__(self) -> None:
        self._reader, self.descriptor = os.pipe()
        self._ended = threading.Event()
        self._received: Counter[int] = Counter()
        self._reported: Counter[int] = Counter()
        self.pid = 0  # of the process that serves now
        self.status = KILLED
        self.active = False
        self.was_killed = False  # the last one ended without a word

    def begin(self) -> None:
        """Follow the successors, of which the first has the descriptor now."""
        self.active = True
        os.close(self.descriptor)
        start_with_retry(threading.Thread(target=self._read, name="guard", daemon=True))

    def wait(self) -> None:
        """Wait until the last of them has ended; return at once if there is none."""
        if self.active:
            self._ended.wait()

    def received(self, number: int) -> None:
        """Pass on a signal, unless the process that serves reports that it has it, too."""
        self._received[number] += 1
        threading.Timer(FORWARD_SEC, self.pass_on, (number,)).start()

    def pass_on(self, number: int) -> None:
        """Send the signal if fewer were reported than received."""
        if self.pid and self._reported[number] < self._received[number]:
            with suppress(OSError):
                os.kill(self.pid, number)

    def take(self, line: str) -> None:
        """Take in a line."""
        what, _, text = line.partition(" ")
        number = int(text) if text.isascii() and text.isdigit() else 0
        if what == "pid":
            self.pid, self.status, self.was_killed = number, KILLED, True
        elif what == "signal":
            self._reported[number] += 1
        elif what == "exit":
            self.status, self.was_killed = number, False

    def _read(self) -> None:
        rest = b""
        with suppress(OSError):
            while data := os.read(self._reader, 4096):
                *lines, rest = (rest + data).split(b"\n")
                for line in lines:
                    self.take(line.decode("ascii", "replace"))
        self._ended.set()
