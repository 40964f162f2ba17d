"""Query the terminal's abilities, and ask a person questions."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable
from typing import Any, Optional, TextIO

from ..color import wants_color
from ..errors import TeamClaudeError, UsageError

__all__ = [
    "ask",
    "confirm",
    "did_you_mean",
    "has_color",
    "is_interactive",
    "json_text",
    "note",
    "plural",
    "shown",
    "width",
]


def has_color(stream: TextIO) -> bool:
    """Return whether to use colours on `stream` (rules: color.py)."""
    return wants_color(os.environ, stream.isatty())


def width(otherwise: int = 100) -> int:
    """Return COLUMNS, else the terminal's columns; `otherwise` if stdout is a file or pipe.

    As `shutil.get_terminal_size`, which takes 4 ms to load.
    """
    with contextlib.suppress(KeyError, ValueError):
        if (columns := int(os.environ["COLUMNS"])) > 0:
            return columns
    # There may be no stdout at all, or one that is closed.
    with contextlib.suppress(AttributeError, ValueError, OSError):
        return os.get_terminal_size(sys.__stdout__.fileno()).columns or otherwise  # type: ignore[union-attr]
    return otherwise


def json_text(schema: int, values: Any, indent: Optional[int] = 2) -> str:
    """Return the JSON of a command, an object, with its `schema`; raise TeamClaudeError for another answer.

    The schema grows when a key changes its meaning or goes away, not when one is added.  That of a server's
    own answer counts before the one of this program.
    """
    import json

    if not isinstance(values, dict):
        raise TeamClaudeError("the server's answer can't be read: is it another version?")
    return json.dumps({"schema": schema, **values}, indent=indent)


def note(line: str) -> None:
    """Print a line for the person, on stderr; `shown` as all that a terminal gets."""
    with contextlib.suppress(OSError):  # a full disk behind stderr must not end the command
        print(shown(line), file=sys.stderr, flush=True)


def shown(text: str) -> str:
    """Return a text without what a terminal obeys: parts of it may be of a file that somebody else wrote."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in "\n\t" else "?" for char in text)


def is_interactive() -> bool:
    """Return whether a person can be asked: stdin and stderr are terminals."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def ask(question: str) -> str:
    """Print the question and return the typed line; empty at the end of input."""
    print(question, end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()


def confirm(question: str) -> bool:
    """Ask a yes/no question; only `y` or `yes` means yes.  Raise UsageError if nobody can answer."""
    if not is_interactive():
        raise UsageError(f"{question} Nobody can answer here: repeat it with --yes")
    return ask(f"{question} [y/N]").lower() in ("y", "yes")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean "status"?`, or an empty text when no known word is similar."""
    import difflib

    matches = difflib.get_close_matches(word, list(known), n=1)
    return f'; did you mean "{matches[0]}"?' if matches else ""


def plural(count: int, noun: str) -> str:
    """Return `1 account`, `3 accounts`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
