"""Handle stdin, stdout and stderr that are closed, on a full disk, or a pipe without a reader.

Rules:
1. A stream closed before the start becomes the null device: otherwise the next file or socket gets its
   descriptor, and printed text goes there.
2. A closed pipe (`| head -1`) is not an error.
3. Output that can't be written (a full disk) is a failure, reported in one line.
4. Everything is flushed before the interpreter exits: a failure there is a traceback and status 120.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys

TYPE_CHECKING = False  # as in typing, which takes 5 ms to load
if TYPE_CHECKING:
    from typing import TextIO

__all__ = ["flush_streams", "is_output_error", "output_failed", "reopen_closed_streams"]

# The errno of a write to a full or broken disk or a closed terminal.
OUTPUT_ERRNOS = (
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO) if os.name == "posix" else (errno.ENOSPC,)
)


def reopen_closed_streams() -> None:
    """Open the null device for streams that were closed before the start (rule 1)."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:  # None: it was closed when the interpreter started
            continue
        try:
            os.fstat(number)
        except OSError:
            _point_at_null(number)
        # closefd=False: the descriptor must never be closed and reused.
        stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def flush_streams(status: int) -> int:
    """Flush the output; return the exit status by rules 2 to 4."""
    try:
        sys.stdout.flush()
    except OSError as error:
        status = output_failed(error) or status
    except ValueError:  # closed by ourselves
        pass
    try:
        sys.stderr.flush()
    except (OSError, ValueError):
        discard_output(sys.stderr)
    return status


def output_failed(error: OSError) -> int:
    """Return the exit status after a failed write to stdout (rules 2 and 3), and discard further output."""
    discard_output(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return 0
    with contextlib.suppress(OSError, ValueError):
        what = error.strerror or type(error).__name__
        print(f"teamclaude: can't write the output: {what}", file=sys.stderr)
    return 1


def is_output_error(error: OSError) -> bool:
    """Return whether printing raised the error: those of files and sockets are translated at their source."""
    return error.errno in OUTPUT_ERRNOS and error.filename is None


def discard_output(stream: TextIO) -> None:
    """Discard what is buffered and what is printed later."""
    with contextlib.suppress(OSError, ValueError):
        _point_at_null(stream.fileno())
        stream.flush()


def _point_at_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
