"""Ask whether a process still lives: one that wrote a file and may have been killed since.

Process ids are reused.  On Linux /proc/PID/stat tells when a process began (proc(5), field 22, in clock ticks
since boot): one that began after the file was written is another one.
"""

from __future__ import annotations

import os
import re
from functools import lru_cache
from typing import Optional

from .files import read_start

__all__ = ["process_lives"]

CLOCK_STEP_SEC = 60.0  # that the clock may have been set since the file was written


def process_lives(pid: int, wrote_at: float, proc: str = "/proc") -> bool:
    """Return whether the process that wrote a file at `wrote_at` (its mtime, epoch seconds) still runs.

    Where that can't be told (Windows, where signal 0 would end the process), it counts as running.
    """
    if os.name != "posix":
        return True
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's process; no process has so large an id
        return pid < 1 << 31
    began = _began(pid, proc)
    return began is None or began <= wrote_at + CLOCK_STEP_SEC


def _began(pid: int, proc: str) -> Optional[float]:
    """Return when a process began, epoch seconds; None where /proc does not tell."""
    boot = _booted_at(proc)
    try:
        # The name in parentheses may hold blanks and parentheses; what follows is field 3.
        fields = read_start(f"{proc}/{pid}/stat", 4096).rpartition(b")")[2].split()
        return None if boot is None else boot + int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


@lru_cache(maxsize=4)
def _booted_at(proc: str) -> Optional[float]:
    try:
        found = re.search(rb"^btime (\d+)", read_start(f"{proc}/stat", 1 << 20), re.MULTILINE)
    except OSError:
        return None
    return float(found[1]) if found else None
