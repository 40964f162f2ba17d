"""Waits with an end: for stdin, for a function that may block, for another command.

Rules:
1. A wait that is given up leaves a daemon thread or a killed process behind, never a waiting interpreter.
2. `threading` and `subprocess` are imported where they are needed: they take 2 and 9 ms.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import Optional, TypeVar

    T = TypeVar("T")

__all__ = ["in_time", "read_stdin"]

CHUNK = 65536
MAX_INPUT_BYTES = 1 << 20  # Claude Code sends about 1 KB


def read_stdin(seconds: float, number: int = 0) -> bytes:
    """Return what stdin (descriptor `number`) sends until its end, for `seconds` and a megabyte at most.

    A terminal is not read; what can't be read is empty.
    """
    try:
        if os.isatty(number):
            return b""
        if os.name != "posix":  # select knows only sockets there
            return in_time(lambda: _read_to_end(number), seconds) or b""
        return _read_until(number, time.monotonic() + seconds)
    except (OSError, ValueError):
        return b""


def _read_until(number: int, deadline: float) -> bytes:
    data = b""
    while len(data) < MAX_INPUT_BYTES:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([number], [], [], left)[0]:
            break
        piece = os.read(number, CHUNK)
        if not piece:
            break
        data += piece
    return data


def _read_to_end(number: int) -> bytes:
    data = b""
    while len(data) < MAX_INPUT_BYTES:
        piece = os.read(number, CHUNK)
        if not piece:
            break
        data += piece
    return data


def in_time(work: Callable[[], T], seconds: float) -> Optional[T]:
    """Return what `work` returns within `seconds`; None when it takes longer or fails."""
    import threading

    found: list[T] = []

    def run() -> None:
        try:
            found.append(work())
        except Exception:  # a traceback of the thread would be printed
            return

    thread = threading.Thread(target=run, name="statusline-wait", daemon=True)
    try:
        thread.start()
    except RuntimeError:  # no thread can be started
        return None
    thread.join(seconds)
    return found[0] if found else None


class OtherCommand:
    """A status line command of the user, run beside ours with the same stdin; its stderr is discarded."""

    def __init__(self, command: str, data: bytes) -> None:
        import subprocess

        self._data = data
        self._child: Optional[subprocess.Popen[bytes]] = None
        try:
            self._child = subprocess.Popen(
                _in_a_shell(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=os.name == "posix",
            )
        except (OSError, ValueError):
            return

    def output(self, seconds: float) -> bytes:
        """Return what it prints within `seconds`; nothing when it fails, as with Claude Code."""
        import subprocess

        child = self._child
        if child is None:
            return b""
        try:
            printed, _ = child.communicate(self._data, seconds)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            self._kill(child.pid)
            return b""
        return printed[:MAX_INPUT_BYTES].rstrip() if child.returncode == 0 else b""

    def _kill(self, pid: int) -> None:
        """End it with all that it has started, as far as that is in its process group."""
        import contextlib
        import signal

        assert self._child is not None
        with contextlib.suppress(OSError):
            if os.name == "posix":
                os.killpg(pid, signal.SIGKILL)
            else:
                self._child.kill()


def _in_a_shell(command: str) -> list[str]:
    """Return the words that run it as Claude Code does: with sh, on Windows with the bash of Git."""
    if os.name == "posix":
        return ["/bin/sh", "-c", command]
    from ...programs import find_program  # on Windows alone: it imports shutil

    return [os.environ.get("CLAUDE_CODE_GIT_BASH_PATH") or find_program("bash") or "", "-c", command]
