"""How many files and sockets this process may have open, and the one that is kept for when there are none."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Optional

try:
    import resource
except ImportError:  # Windows, which has no such limit
    resource = None  # type: ignore[assignment]

__all__ = ["DESCRIPTORS_WANTED", "SpareDescriptor", "raise_descriptor_limit"]

# A client's and an upstream's for each of thousands of connections.
DESCRIPTORS_WANTED = 65536
# macOS says "unlimited" and refuses more than this (OPEN_MAX).
_MACOS_MAX = 10240


def raise_descriptor_limit(target: int = DESCRIPTORS_WANTED) -> Optional[int]:
    """Raise the soft limit of descriptors as far as the hard one and `enough` allow.

    Returns the limit in force; None where there is none.
    """
    if resource is None:
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = resource.RLIM_INFINITY
    for wanted in (target if hard == endless else min(hard, target), _MACOS_MAX):
        if soft == endless or soft >= wanted:
            break
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    return None if soft == endless else soft


class SpareDescriptor:
    """One open descriptor: given up, it lets one more connection be accepted, to be refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _fd
        self._fd = -1
        self.reacquire()

    def release(self) -> bool:
        """Let it go; False when it is gone already."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        return fd >= 0

    def reacquire(self) -> None:
        """Have one again, if one is to be had."""
        if self._fd >= 0:
            return
        with self._lock, suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(os.devnull, os.O_RDONLY)

    close = release
