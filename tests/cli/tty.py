"""A command on a terminal of its own, a keyboard, and a screen that understands what is painted."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

from teamclaude.deck.text.cells import clusters

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20.0
# The keyboard's signals go to the group that has the terminal.  Its parent leaves the session at once,
# so the group is no orphan: only then does Ctrl-Z stop it.
OWN_TERMINAL = (
    "import fcntl, os, sys, termios, signal; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "child = os.fork()\n"
    "if child == 0:\n"
    "    os.setpgid(0, 0); signal.signal(signal.SIGTTOU, signal.SIG_IGN); os.tcsetpgrp(0, os.getpid())\n"
    "    signal.signal(signal.SIGTTOU, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])\n"
    "sys.stderr = None\n"
    "print('PID', child, flush=True)\n"
    "while True:\n"
    "    _, status = os.waitpid(child, os.WUNTRACED)\n"
    "    if not os.WIFSTOPPED(status): break\n"
    "os._exit(os.waitstatus_to_exitcode(status) % 256 if hasattr(os, 'waitstatus_to_exitcode')"
    " else os.WEXITSTATUS(status))\n"
)
_SEQUENCE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|\x1b[()][A-Z0-9]|\x1b[=>78]|\x0f|\x0e")


class Screen:
    """Just enough of xterm: placing, erasing, text; what was switched on."""

    def __init__(self, columns: int, lines: int) -> None:
        self.rows: list[list[str]] = []
        self.modes: set[str] = set()
        self.bells = 0
        self.loose = ""  # what was written outside of the screen of its own
        self.resize(columns, lines)

    def resize(self, columns: int, lines: int) -> None:
        self.columns, self.lines = columns, lines
        self._clear()
        self.at = (0, 0)

    def _clear(self) -> None:
        self.rows = [[" "] * self.columns for _ in range(self.lines)]
        # What was painted beyond the edge.  Right after a resize that may be the old size's, on its way.
        self.beyond: list[str] = []

    @property
    def text(self) -> list[str]:
        return ["".join(row).rstrip() for row in self.rows]

    def write(self, text: str) -> None:
        place = 0
        for found in _SEQUENCE.finditer(text):
            self._print(text[place : found.start()])
            place = found.end()
            if found[2]:
                self._obey(found[1], found[2])
        self._print(text[place:])

    def _obey(self, parameters: str, final: str) -> None:
        if final in "hl" and parameters.startswith("?"):
            for mode in parameters[1:].split(";"):
                (self.modes.add if final == "h" else self.modes.discard)(mode)
        elif final == "H":
            row, _, column = (parameters or "1;1").partition(";")
            self.at = (int(row or 1) - 1, int(column or 1) - 1)
        elif final == "G":
            self.at = (self.at[0], int(parameters or 1) - 1)
        elif final == "K" and self.at[0] < self.lines:
            line, start = self.at
            self.rows[line][start:] = [" "] * (self.columns - start)
        elif final == "J":
            self._clear()

    def _print(self, text: str) -> None:
        self.bells += text.count("\x07")
        if "1049" not in self.modes:
            self.loose += text
            return
        row, column = self.at
        for cluster, size in clusters(text.replace("\x07", "")):
            if row < self.lines and column + size <= self.columns:
                self.rows[row][column : column + size] = [cluster] + [""] * (size - 1)
            else:
                self.beyond.append(f"{text!r} at {self.at}")
            column += size
        self.at = (row, column)


class Tty:
    """`see` waits for something on the screen, `type` presses keys."""

    def __init__(self, *words: str, size: tuple[int, int] = (80, 24), **env: str) -> None:
        self.screen = Screen(*size)
        self.master, self.slave = pty.openpty()
        self._set_size(*size)
        self.before = termios.tcgetattr(self.slave)
        command = [sys.executable, "-c", OWN_TERMINAL, sys.executable, "-m", "teamclaude", *words]
        self.child = subprocess.Popen(
            command,
            cwd=ROOT,
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            env={**os.environ, "TERM": "xterm-256color", "LC_ALL": "C.UTF-8", **env},
            start_new_session=True,
        )
        self.wait_until(lambda: "PID" in self.screen.loose and "\n" in self.screen.loose)
        self.pid = int(self.screen.loose.split()[1])
        self.screen.loose = ""

    # --- looking ------------------------------------------------------------------------------

    def wait_until(self, fulfilled: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not fulfilled():
            self._read(0.05)
            assert time.monotonic() < deadline, "\n".join(
                [
                    *self.screen.text,
                    self.screen.loose,
                    *(f"beyond the edge: {text}" for text in self.screen.beyond),
                ]
            )

    def see(self, pattern: str) -> re.Match[str]:
        """Wait until the screen shows it."""
        found: list[re.Match[str]] = []

        def shown() -> bool:
            match = re.search(pattern, "\n".join(self.screen.text))
            found.extend([match] if match else [])
            return match is not None and not self.screen.beyond

        self.wait_until(shown)
        return found[-1]

    def see_no_more(self, pattern: str) -> None:
        self.wait_until(lambda: re.search(pattern, "\n".join(self.screen.text)) is None)

    def hear(self, pattern: str) -> None:
        """Wait for a line outside of the Deck's screen."""
        self.wait_until(lambda: re.search(pattern, self.screen.loose) is not None)

    def see_or_hear(self, pattern: str) -> None:
        """Wait for it on the Deck's screen or outside of it."""
        self.wait_until(lambda: bool(re.search(pattern, "\n".join([*self.screen.text, self.screen.loose]))))

    def _read(self, patience: float) -> bool:
        if not select.select([self.master], [], [], patience)[0]:
            return False
        with contextlib.suppress(OSError):
            data = os.read(self.master, 1 << 16)
            self._rest = getattr(self, "_rest", b"") + data
            # A character or a sequence may be cut.
            text = self._rest.decode("utf-8", "ignore")
            cut = text.rfind("\x1b")
            if cut >= 0 and not _SEQUENCE.match(text, cut):
                text = text[:cut]
            self._rest = self._rest[len(text.encode()) :]
            self.screen.write(text)
            return True
        return False

    # --- doing --------------------------------------------------------------------------------

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def press(self, keys: str, seen: str) -> None:
        """Press keys and wait until the screen shows what they do."""
        self.type(keys)
        self.see(seen)

    def resize(self, columns: int, lines: int) -> None:
        self.screen.resize(columns, lines)
        self._set_size(columns, lines)
        os.kill(self.pid, signal.SIGWINCH)

    def kill(self, number: int) -> None:
        os.kill(self.pid, number)

    def _set_size(self, columns: int, lines: int) -> None:
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    # --- the end ------------------------------------------------------------------------------

    def end(self) -> int:
        """The exit status, once it has ended."""
        self.wait_until(lambda: self.child.poll() is not None)
        while self._read(0.05):
            pass
        return int(self.child.returncode)

    @property
    def settings(self) -> list[object]:
        """The terminal's, as `stty -g` tells them."""
        return termios.tcgetattr(self.slave)

    @property
    def restored(self) -> bool:
        """All is as before the Deck: settings, screen, cursor, mouse, no marks around pastes."""
        return self.settings == self.before and self.screen.modes <= {"7", "25", "12", "34", "1034"}

    def close(self) -> None:
        if self.child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
            self.child.kill()
            self.child.wait()
        os.close(self.master)
        os.close(self.slave)
