"""Run the program of an alert: the event on its stdin, no shell, a time limit.

Rules that hold in this file:

1. The program is found by its absolute path or on the PATH, never in the working directory.
2. What it prints is not kept, except the end of its stderr.  It gets our environment and TEAMCLAUDE_ALERT,
   the kind of the event; nothing else of the event is in arguments or environment.
3. A program that exceeds the limit is killed with all it has started in its process group.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..programs import find_program, kill_program

__all__ = ["LIMIT_SEC", "run_program"]

LIMIT_SEC = 30.0
POLL_SEC = 0.1
PIECE_BYTES = 65536
FLOOD_PAUSE_SEC = 0.01  # after a full piece: one that prints without end must not take the processor
KEPT_BYTES = 4096
MAX_CHARS = 200
# select() knows no descriptor above 1023, and a server with many connections has those.
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)


def run_program(
    command: Sequence[str],
    payload: bytes,
    kind: str,
    limit_sec: float = LIMIT_SEC,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """Run it and return what went wrong in one line; empty: it ended with status 0.

    `payload` gets a line end, so that what a program appends to a file has a line for each event.
    """
    name = os.path.expanduser(command[0])
    program = name if os.path.isabs(name) else find_program(name)
    if program is None:
        return f"{command[0]} is not on the PATH"
    try:
        child = subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if sys.platform == "win32" else subprocess.PIPE,
            cwd=os.path.expanduser("~"),
            env={**os.environ, "TEAMCLAUDE_ALERT": kind},
            start_new_session=sys.platform != "win32",
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        return f"{command[0]} can't be run: {getattr(error, 'strerror', None) or error}"
    with child:
        try:
            feed = _feed_and_wait if sys.platform == "win32" else _feed_and_read
            said = feed(child, payload + b"\n", time.monotonic() + limit_sec, is_cancelled)
        except subprocess.TimeoutExpired:
            if is_cancelled():
                return f"{command[0]} was killed, because the server has stopped"
            return f"{command[0]} did not end within {limit_sec:g} s and was killed"
        finally:
            kill_program(child)
    if child.returncode == 0:
        return ""
    code = child.returncode
    ended = f"exit status {code}" if code > 0 else f"signal {-code}"
    return f"{command[0]}: {ended}{': ' + said if said else ''}"


def _feed_and_read(
    child: subprocess.Popen[bytes], payload: bytes, deadline: float, is_cancelled: Callable[[], bool]
) -> str:
    """Write stdin and read stderr until the program ends; return the last line of stderr.

    Neither may block: the program need not read, and what it has started may hold stderr open.
    """
    assert child.stdin is not None
    assert child.stderr is not None
    stdin, stderr, said, left = child.stdin.fileno(), child.stderr.fileno(), b"", payload
    os.set_blocking(stdin, False)
    os.set_blocking(stderr, False)
    ended = False
    with _Selector() as selector:
        selector.register(stderr, selectors.EVENT_READ)
        selector.register(stdin, selectors.EVENT_WRITE)
        while not ended:
            if time.monotonic() > deadline or is_cancelled():
                raise subprocess.TimeoutExpired("", 0)
            ended = child.poll() is not None
            ready = {key.fd for key, _ in selector.select(0 if ended else POLL_SEC)}
            if stdin in ready:
                left = _written(stdin, left)
                if not left:
                    selector.unregister(stdin)
                    child.stdin.close()
            if stderr in ready:
                with contextlib.suppress(BlockingIOError):
                    piece = os.read(stderr, PIECE_BYTES)
                    said = (said + piece)[-KEPT_BYTES:]
                    if not piece:
                        selector.unregister(stderr)
                    elif len(piece) == PIECE_BYTES:
                        time.sleep(FLOOD_PAUSE_SEC)
            elif not ready and not ended and not selector.get_map():
                time.sleep(POLL_SEC / 5)
    return _last_line(said)


def _written(descriptor: int, data: bytes) -> bytes:
    """Write a part and return the rest; nothing is left of what the program does not want."""
    try:
        return data[os.write(descriptor, data) :]
    except BlockingIOError:
        return data
    except OSError:
        return b""


def _feed_and_wait(
    child: subprocess.Popen[bytes], payload: bytes, deadline: float, is_cancelled: Callable[[], bool]
) -> str:
    """Do the same where pipes can't be waited for; stderr is not read."""
    child.communicate(payload, timeout=max(0.0, deadline - time.monotonic()))
    return ""


def _last_line(said: bytes) -> str:
    lines = said.decode("utf-8", "replace").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")
    return "".join(char for char in last if char.isprintable()).strip()[:MAX_CHARS]
