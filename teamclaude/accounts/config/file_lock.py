"""A lock file that excludes threads and processes alike.

The kernel locks the open file (flock, or msvcrt.locking on Windows) and unlocks it when its holder
ends in any way, so the lock can't go stale.  The file is never deleted: a second process might lock
the deleted one.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import time
from collections.abc import Iterator
from typing import Callable, Optional

from .atomic_write import make_private_directory

__all__ = ["FileLock", "try_lock"]

# The errno of "held by another", by platform.
HELD_ERRNOS = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class FileLock:
    """`with FileLock(path):` admits one holder, even of one object shared by threads; not reentrant.

    Wait `timeout_s` seconds (None: for ever, blocked in the kernel), then raise TimeoutError.  Raise OSError
    when the file can't be created or the file system has no locks.
    """

    def __init__(
        self,
        path: str,
        timeout_s: Optional[float] = 10.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.path = path
        self._timeout_s = timeout_s
        self._clock = clock
        self._sleep = sleep
        self._handle = -1

    def __enter__(self) -> FileLock:
        make_private_directory(os.path.dirname(os.path.abspath(self.path)))
        # Every holder opens the file: the kernel's lock belongs to the open file, not to the process.
        handle = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            self._wait(handle)
        except BaseException:
            os.close(handle)
            raise
        self._handle = handle  # only ever touched by the holder
        return self

    def __exit__(self, *error: object) -> None:
        handle, self._handle = self._handle, -1
        with contextlib.suppress(OSError):
            _unlock(handle)
        os.close(handle)

    def _wait(self, handle: int) -> None:
        if self._timeout_s is None:
            _lock(handle, block=True)
            return
        deadline = self._clock() + self._timeout_s
        for pause in _retry_delays():
            if _lock(handle, block=False):
                return
            left = deadline - self._clock()
            if left <= 0:
                raise TimeoutError(
                    f"another process has held {self.path} for {self._timeout_s:g} s; try again"
                )
            self._sleep(min(pause, left))


def try_lock(handle: int) -> bool:
    """Lock an open file until it is closed; return False when another has it.

    Raise OSError when the file system has no locks.
    """
    return _lock(handle, block=False)


def _retry_delays() -> Iterator[float]:
    """Yield the seconds between attempts: the usual holder is done in a few milliseconds."""
    pause = 0.002
    while True:
        yield pause
        pause = min(pause * 1.5, 0.05)


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, block: bool) -> bool:
        # Locks the first byte, which need not exist; LK_LOCK itself gives up after 10 s.
        while True:
            os.lseek(handle, 0, os.SEEK_SET)
            try:
                msvcrt.locking(handle, msvcrt.LK_LOCK if block else msvcrt.LK_NBLCK, 1)
            except OSError as error:
                if error.errno not in HELD_ERRNOS:
                    raise
                if not block:
                    return False
            else:
                return True

    def _unlock(handle: int) -> None:
        os.lseek(handle, 0, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _lock(handle: int, block: bool) -> bool:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX if block else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD_ERRNOS:
                raise
            return False
        return True

    def _unlock(handle: int) -> None:
        # Explicitly, since a forked child may still have the file open.
        fcntl.flock(handle, fcntl.LOCK_UN)
