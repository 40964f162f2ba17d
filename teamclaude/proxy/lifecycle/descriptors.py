"""The file descriptors that connections take: how many there may be, and one kept for refusing."""

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

# Two for each of thousands of connections: the client's and the upstream's.
DESCRIPTORS_WANTED = 65536
# macOS says "unlimited" and refuses more than this (OPEN_MAX).
_MACOS_MAX = 10240


def raise_descriptor_limit(target: int = DESCRIPTORS_WANTED) -> Optional[int]:
    """Raise the soft limit of descriptors as far as the hard one and `target` allow.

    Return the limit in force, None if there is none.
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
    """One descriptor kept open: released, it lets one more connection be accepted and refused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _fd
        self._fd = -1
        self.reacquire()

    def release(self) -> bool:
        """Close it; False when it was closed before."""
        with self._lock:
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)
        return fd >= 0

    def reacquire(self) -> None:
        """Open it again if a descriptor is free."""
        if self._fd >= 0:
            return
        with self._lock, suppress(OSError):
            if self._fd < 0:
                self._fd = os.open(os.devnull, os.O_RDONLY)

    close = release
