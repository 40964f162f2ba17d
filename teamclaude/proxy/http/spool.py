"""Large uploads on disk: written as they come, read as they are sent, never in memory as a whole.

The file has no name (or loses it at once), so nothing of it outlives the process; where there must be one it
is readable by its owner alone, in a directory of ours.
"""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile
from contextlib import suppress
from typing import IO, Any, Optional

from ...errors import DiskFullError

__all__ = ["DiskBody", "Spool", "SpoolFile", "is_spooled"]

DISK_MARGIN = 64 << 20  # bytes of the disk that are left to others
_DONTNEED: Optional[int] = getattr(mmap, "MADV_DONTNEED", None)


class DiskBody(mmap.mmap):
    """The bytes of a spooled body."""

    def drop_pages(self, end: int) -> None:
        """What stands before `end` has been sent: its pages need not stay; they can be read again."""
        if _DONTNEED is not None and hasattr(self, "madvise"):
            with suppress(OSError, ValueError):
                self.madvise(_DONTNEED, 0, end - end % mmap.PAGESIZE)


class Spool:
    """Where uploads go; `directory` is made, for us alone, when it is first needed."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def open(self, announced: int = 0) -> SpoolFile:
        """A new file for a body of `announced` bytes, 0 for unknown; raises NoDiskRoom."""
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
    """One body on its way to disk."""

    def __init__(self, file: IO[bytes], spool: Spool) -> None:
        self._file: Any = file
        self._spool = spool
        self.size = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append; raises NoDiskRoom."""
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
        """All of it, read-only; the file lives as long as this.  Raises NoDiskRoom."""
        try:
            if not self.size:
                return memoryview(b"")
            # The file is only ever appended to, by us: no page of it can vanish under the mapping.
            return memoryview(DiskBody(self._file.fileno(), self.size, access=mmap.ACCESS_READ))
        except (OSError, ValueError) as error:
            raise self._spool._disk_error(str(getattr(error, "strerror", None) or error)) from error
        finally:
            self.close()

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()


def is_spooled(body: object) -> bool:
    """It lies on the disk."""
    return isinstance(body, memoryview) and isinstance(body.obj, DiskBody)
