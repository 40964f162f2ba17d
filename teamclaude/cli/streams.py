"""stdin, stdout and stderr as a person's shell gave them: closed, full, or a pipe whose reader has left.

Rules:
1. A stream that was closed before the start is the null device: else its descriptor goes to the next file
   or socket, and what is printed goes there.
2. A reader who left (`| head -1`) has what it wanted: no error.
3. Output that can't be written (a full disk) is a failure, told in one line.
4. Nothing is left for the interpreter to flush at its exit: what fails there is a traceback and status 120.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TextIO

__all__ = ["output_failed", "flush_streams", "is_output_error", "reopen_closed_streams"]

# What a disk that is full or broken, or a terminal that is gone, answers to a write.
OUTPUT_ERRNOS = (
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO) if os.name == "posix" else (errno.ENOSPC,)
)


def reopen_closed_streams() -> None:
    """Rule 1."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:  # None: it was closed when the interpreter started
            continue
        try:
            os.fstat(number)
        except OSError:
            _point_at_null(number)
        # Open for ever: the descriptor must not be given to anything else.
        stream = open(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def flush_streams(status: int) -> int:
    """Write what is still buffered; the exit status, by rules 2 to 4."""
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
    """The exit status after a write to stdout failed, by rules 2 and 3; nothing more goes there."""
    discard_output(sys.stdout)
    if isinstance(error, BrokenPipeError):
        return 0
    with contextlib.suppress(OSError, ValueError):
        what = error.strerror or type(error).__name__
        print(f"teamclaude: can't write the output: {what}", file=sys.stderr)
    return 1


def is_output_error(error: OSError) -> bool:
    """Whether printing raised it: errors with files and sockets are translated where they enter."""
    return error.errno in OUTPUT_ERRNOS and error.filename is None


def discard_output(stream: TextIO) -> None:
    """Send what is buffered, and what is printed from now on, nowhere."""
    with contextlib.suppress(OSError, ValueError):
        _point_at_null(stream.fileno())
        stream.flush()


def _point_at_null(number: int) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    if null != number:
        os.dup2(null, number)
        os.close(null)
