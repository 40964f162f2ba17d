"""The one way this package replaces a file: whole, durable and readable by its owner only.

A reader sees the old bytes or the new ones, never a mixture, also when the process is killed or the
disk fills up in between.
"""

from __future__ import annotations

import contextlib
import os
import tempfile

__all__ = ["make_private_directory", "write_private"]


def write_private(path: str, data: bytes) -> None:
    """Replace the file at `path` (or the one a symlink there points to) by `data`, mode 0600.

    Creates missing parents (0700).  Two writers at once: the last rename wins whole; whoever must not
    lose the other's change holds a lock around read and write.  Raises OSError and leaves the old file.
    """
    target = os.path.realpath(path)
    directory = os.path.dirname(target)
    make_private_directory(directory)
    # Same directory: a rename across file systems would be a copy.  mkstemp opens with 0600.
    handle, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(target)}.", suffix=".tmp", dir=directory)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_directory(directory)


def make_private_directory(path: str) -> None:
    """Create `path` with mode 0700; an existing directory keeps the mode its owner gave it."""
    os.makedirs(path, mode=0o700, exist_ok=True)


def _sync_directory(path: str) -> None:
    # Makes the rename itself durable.  Windows has no such thing, some file systems refuse it.
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
