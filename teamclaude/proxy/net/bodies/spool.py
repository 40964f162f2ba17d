"""The disk as the place for large uploads.

A file has no name (or loses it at once), so nothing outlives the process; where there must be one, only its
owner can read it, in a directory of its own.
"""

from __future__ import annotations

import mmap
import os
from contextlib import suppress
from typing import IO, Any, Optional

from ....errors import DiskFullError

__all__ = ["DiskBody", "Spool", "SpoolFile", "is_spooled"]

DISK_MARGIN = 64 << 20  # bytes of the disk that stay free
_DONTNEED: Optional[int] = getattr(mmap, "MADV_DONTNEED", None)


class DiskBody(mmap.mmap):
    """The bytes of a spooled body."""

    def drop_pages(self, end: int) -> None:
        """Let the kernel drop the pages before `end`, which were sent; they can be read again."""
        if _DONTNEED is not None and hasattr(self, "madvise"):
            with suppress(OSError, ValueError):
                self.madvise(_DONTNEED, 0, end - end % mmap.PAGESIZE)


class Spool:
    """The place for large uploads; `directory` is made, for our user alone, when it is first needed."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def open(self, announced: int = 0) -> SpoolFile:
        """Return a new file for a body of `announced` bytes, 0 for unknown; raises DiskFullError."""
        import shutil
        import tempfile  # both 0.5 MB, for large uploads alone

        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            if shutil.disk_usage(self._directory).free < announced + DISK_MARGIN:
                raise self._disk_error("the disk is full")
            return SpoolFile(tempfile.TemporaryFile(dir=self._directory, prefix="upload-", buffering=0), self)
        except OSError as error:
            raise self._disk_error(str(error.strerror or error)) from error

    def _disk_error(self, reason: str) -> DiskFullError:
        return DiskFullError(f"No room to keep this upload in {self._directory}: {reason}. Nothing was sent.")


class SpoolFile:
    """One body that is being written to disk."""

    def __init__(self, file: IO[bytes], spool: Spool) -> None:
        self._file: Any = file
        self._spool = spool
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`; raises DiskFullError."""
        view = memoryview(data)
        try:
            while view:
                written = self._file.write(view)
                self.size += written
                view = view[written:]
        except OSError as error:
            self.close()
            raise self._spool._disk_error(str(error.strerror or error)) from error

    def content(self) -> memoryview:
        """Return all of it, read-only; the file lives as long as the view.  Raises DiskFullError."""
        try:
            if not self.size:
                return memoryview(b"")
            # Only this object writes to the file, and only appends: no page can vanish under the mapping.
            return memoryview(DiskBody(self._file.fileno(), self.size, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise self._spool._disk_error(str(getattr(error, "strerror", None) or error)) from error
        finally:
            self.close()

    def close(self) -> None:
        """Close the file, which deletes it unless a view maps it."""
        with suppress(OSError):
            self._file.close()


def is_spooled(body: object) -> bool:
    """Return whether a body is on disk."""
    return isinstance(body, memoryview) and isinstance(body.obj, DiskBody)
