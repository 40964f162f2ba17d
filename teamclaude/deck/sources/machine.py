"""Read this machine's load from Linux's /proc."""

from __future__ import annotations

from typing import Optional

from .files import read_start
from .sources import MachineLoad

__all__ = ["MachineLoadReader"]

SHARE_STEPS = 64  # shares are rounded, so that small changes draw no new frame: a gauge has 16 cells


class MachineLoadReader:
    """Read used memory, and processor use since the previous `read`, from Linux's /proc (proc(5))."""

    def __init__(self, proc: str = "/proc") -> None:
        self._proc = proc
        self._before: Optional[tuple[int, int]] = None  # (busy, all) processor time

    def read(self) -> MachineLoad:
        """Return used shares from 0 to 1; None where /proc does not tell."""
        return MachineLoad(_rounded(self._memory()), _rounded(self._processors()))

    def _memory(self) -> Optional[float]:
        words = dict(line.split(":", 1) for line in self._lines("meminfo") if ":" in line)
        try:
            total, available = (int(words[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
        except (KeyError, ValueError, IndexError):
            return None
        return 1 - available / total if total > 0 else None

    def _processors(self) -> Optional[float]:
        lines = self._lines("stat")
        try:
            user, nice, system, idle, iowait, *rest = map(int, lines[0].split()[1:9])
        except (ValueError, IndexError):
            return None
        everything = user + nice + system + idle + iowait + sum(rest)
        before, self._before = self._before, (everything - idle - iowait, everything)
        if before is None or everything <= before[1]:
            return None
        return (self._before[0] - before[0]) / (everything - before[1])

    def _lines(self, name: str) -> list[str]:
        try:
            return read_start(f"{self._proc}/{name}", 4096).decode("ascii", "replace").splitlines()
        except OSError:
            return []


def _rounded(share: Optional[float]) -> Optional[float]:
    return None if share is None else round(min(1.0, max(0.0, share)) * SHARE_STEPS) / SHARE_STEPS
