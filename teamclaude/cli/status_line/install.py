"""Claude Code's setting `statusLine`: set to our command, beside a command of the user; and taken back.

The setting as of Claude Code 2.1.332: `{"type": "command", "command": ..., "padding": n, "refreshInterval":
seconds}`; the command runs with sh, on Windows with the bash of Git.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from ...accounts.importing.claude_files import claude_directory
from ...errors import TeamClaudeError
from ...own_program import own_command
from ..settings_edit.edit_record import Edit
from ..settings_edit.edited_files import Change, EditedFiles
from ..settings_edit.json_edit import JsonTextError, get_path

__all__ = ["OWNER", "REFRESH_SEC", "SCOPES", "install", "overriding", "settings_file", "status_line_setting"]

OWNER = "statusline"
SCOPES = ("user", "project", "local")  # a later one overrides an earlier one
REFRESH_SEC = 10  # a hold begins and ends without an event that makes Claude Code run the command
KEY = ("statusLine",)


def settings_file(scope: str, env: Mapping[str, str], project: Path) -> Path:
    """Return Claude Code's settings file of a scope; absolute."""
    if scope == "user":
        return Path(claude_directory(env), "settings.json").absolute()
    name = "settings.json" if scope == "project" else "settings.local.json"
    return project.absolute() / ".claude" / name


def install(files: EditedFiles, file: Path, template: str = "", refresh_sec: int = REFRESH_SEC) -> Change:
    """Set our command in `file`; a command that is there goes on, first.  Raise TeamClaudeError.

    Set again, it does not come before itself.
    """
    theirs = _setting_in(file, files.preview_undo(file, OWNER).after)
    setting = status_line_setting(theirs, template, refresh_sec)
    return files.write(file, OWNER, [Edit(KEY, setting)])


def status_line_setting(theirs: Any, template: str, refresh_sec: int) -> dict[str, Any]:
    """Return our setting in place of `theirs` (None: there is none), whose other keys stay."""
    kept = dict(theirs) if isinstance(theirs, dict) else {}
    command = kept.get("command")
    first = command if isinstance(command, str) and not _is_ours(command) else ""
    words = own_command("statusline", options=("-I", "-S"))
    words += ["--format", template] if template else []
    words += ["--first", first] if first.strip() else []
    ours = {**kept, "type": "command", "command": shell_command(words)}
    if refresh_sec:
        ours.setdefault("refreshInterval", refresh_sec)
    return ours


def shell_command(words: Sequence[str], windows: bool = os.name == "nt") -> str:
    """Return the words as one command for sh, and on Windows for the bash of Git."""
    if windows:  # bash takes a backslash for an escape, Windows takes slashes in paths
        words = [word.replace("\\", "/") if os.path.isabs(word) else word for word in words]
    return " ".join(shlex.quote(word) for word in words)


def overriding(scope: str, env: Mapping[str, str], project: Path) -> Optional[Path]:
    """Return the settings file of this project that has a `statusLine` of its own, which overrides ours."""
    for higher in SCOPES[SCOPES.index(scope) + 1 :]:
        file = settings_file(higher, env, project)
        if file != settings_file(scope, env, project):
            try:
                if _setting_in(file, file.read_bytes()) is not None:
                    return file
            except (OSError, TeamClaudeError):
                continue
    return None


def _setting_in(file: Path, data: Optional[bytes]) -> Any:
    """Return the setting in a file's bytes; raise TeamClaudeError when they are no JSON."""
    if data is None:
        return None
    try:
        return get_path(data.decode("utf-8-sig"), KEY)
    except (UnicodeDecodeError, JsonTextError) as error:
        raise TeamClaudeError(f"{file}: {error}; mend it first (nothing was changed)") from None


def _is_ours(command: str) -> bool:
    return "teamclaude" in command and " statusline" in command
