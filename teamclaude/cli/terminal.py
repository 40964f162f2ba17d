"""What the terminal can show, and how a person is asked."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from typing import TextIO

from ..errors import UsageError

__all__ = ["ask", "confirm", "has_color", "is_interactive", "note", "width"]


def has_color(stream: TextIO) -> bool:
    """Colour only on a terminal that knows it; NO_COLOR (https://no-color.org) wins."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def width() -> int:
    """Columns of the terminal; 100 where stdout is a file or pipe and COLUMNS is not set."""
    return shutil.get_terminal_size((100, 24)).columns


def note(line: str) -> None:
    """A line for the person, not for the program that reads stdout."""
    with contextlib.suppress(OSError):  # a full disk behind stderr does not end the command
        print(line, file=sys.stderr, flush=True)


def is_interactive() -> bool:
    """Whether a person can be asked."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> str:
    """The line a person types after the question; empty at the end of input."""
    print(question, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def confirm(question: str) -> bool:
    """Ask on the terminal; only `y` or `yes` means yes.  UsageError where nobody can answer."""
    if not is_interactive():
        raise UsageError(f"{question} Nobody can answer here: repeat it with --yes")
    return ask(f"{question} [y/N]").lower() in ("y", "yes")
