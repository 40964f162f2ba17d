"""A change of a settings file as text for a person."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

from ...accounts.config.state_place import home_directory
from ..settings_edit.edit_record import decoded
from ..settings_edit.edited_files import Change

__all__ = ["diff_of", "hide_secrets", "readable_by_others", "shown_path", "undone"]

_MEMBER = re.compile(r'("[^"]*(?:KEY|TOKEN|SECRET|PASSWORD|HEADERS)"\s*:\s*")(?:[^"\\]|\\.)+', re.I)
_ENTRY = re.compile(
    r'("name"\s*:\s*"[^"]*(?:KEY|TOKEN|SECRET|PASSWORD|HEADERS)",\s*"value"\s*:\s*")(?:[^"\\]|\\.)+', re.I
)
_USER = re.compile(r"(://[^\s/:@]*:)[^\s/@]+@")
HIDDEN = "..."


def shown_path(path: Path, env: Mapping[str, str]) -> str:
    """Return a path with ~ for the home directory."""
    home = home_directory(env)
    text = str(path)
    return f"~{text[len(home) :]}" if home and text.startswith(home.rstrip(os.sep) + os.sep) else text


def diff_of(change: Change, exact: bool) -> Iterator[str]:
    """Yield the lines of a unified diff; unless `exact`, values of keys and tokens are hidden."""
    import difflib  # 4 ms, for a preview only

    before, after = _lines(change.before, exact), _lines(change.after, exact)
    names = (change.file if change.before is not None else os.devnull, change.file)
    for line in difflib.unified_diff(before, after, *names, lineterm="", n=3 if exact else 1):
        yield line.rstrip("\r\n")


def _lines(data: Optional[bytes], exact: bool) -> list[str]:
    text = decoded(data)
    return (text if exact else hide_secrets(text)).splitlines()


def hide_secrets(text: str) -> str:
    """Return settings without the values of keys, tokens and headers, and without passwords in URLs."""
    for pattern in (_MEMBER, _ENTRY):
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return _USER.sub(rf"\g<1>{HIDDEN}@", text)


def undone(change: Change, path: str) -> str:
    """Return the line that says what an undo has done with a file."""
    if change.before is None:
        return f"{path}: is gone already"
    if change.after is None:
        return f"removed {path}: setup had made it"
    if change.kept:
        names = ", ".join(str(getattr(kept[-1], "name", kept[-1])) for kept in change.kept)
        return f"restored {path}, except {names}: somebody has changed that since, and it stays"
    return f"restored {path}"


def readable_by_others(file: Path) -> bool:
    """Return whether other users of this machine can read the file."""
    try:
        return os.name != "nt" and bool(file.stat().st_mode & 0o044)
    except OSError:
        return False
