"""The keys for servers: from the environment, or from a file that a person names.

A key is no option of a command: other users can read the words of every process (`ps`), its environment they
can't.  `--key-file` also takes what is no file on a disk: /dev/fd/3, `<(pass show teamclaude)`, `-`.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Mapping, Sequence
from typing import Optional

from ...errors import TeamClaudeError, UsageError
from ..terminal import note

__all__ = ["KEY_VARIABLE", "check_key", "keys_for"]

KEY_VARIABLE = "TEAMCLAUDE_KEY"
MAX_BYTES = 65536  # of a file
STDIN = "-"


def keys_for(count: int, files: Sequence[str], env: Mapping[str, str]) -> list[str]:
    """Return a key for each of `count` servers: of the files, else of the environment, else empty.

    One key is for all of them, as many as servers are in their order.  Raise UsageError for another number,
    TeamClaudeError for a file that can't be read or holds no key.
    """
    if files:
        found, where = [_read(file) for file in files], "--key-file"
    else:
        text = env.get(KEY_VARIABLE, "").strip()
        found, where = (text.replace(",", " ").split() if count > 1 else [text]), KEY_VARIABLE
        for key in found:
            check_key(key, KEY_VARIABLE)
    if len(found) <= 1:
        return (found or [""]) * count
    if len(found) != count:
        raise UsageError(f"{where} gives {len(found)} keys for {count} servers: give one, or one for each")
    return found


def _read(file: str) -> str:
    """Return the key in a file; warn if others can read it."""
    try:
        if file == STDIN:
            data = sys.stdin.buffer.read(MAX_BYTES)
        else:
            with open(file, "rb") as source:
                mode = os.fstat(source.fileno()).st_mode
                data = source.read(MAX_BYTES)
            if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
                note(f"teamclaude: other users can read the key in {file}: chmod 600 {file}")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise TeamClaudeError(f"--key-file {file}: can't read it: {why}") from None
    lines = data.decode("utf-8", "replace").lstrip("\ufeff").split()
    if len(lines) != 1:
        what = f"{len(lines)} words, not one key" if lines else "no key"
        raise TeamClaudeError(f"--key-file {file}: it holds {what}")
    return check_key(lines[0], f"--key-file {file}")


def check_key(key: str, where: str) -> str:
    """Return a key that can stand in a header; the error never shows it."""
    problem: Optional[str] = None
    if not key.isascii():
        problem = "a character outside ASCII"
    elif not key.isprintable() or " " in key:
        problem = "a blank or control character"
    if problem:
        raise TeamClaudeError(f"{where}: it holds {problem}, so it is no key")
    return key
