"""Which settings files there are: of Claude Code by scope, and of each editor.

Places as of Claude Code 2.1.332 and VS Code 1.106.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ...accounts.config.state_place import home_directory
from ...accounts.importing.claude_files import claude_directory
from ...errors import UsageError
from ...programs import find_program
from ...values import NamedTuple
from ..claude_code.settings_files import main_checkout

__all__ = ["SCOPES", "SettingsFile", "claude_file", "editor_files", "is_shared_by_git"]

SCOPES = ("user", "project", "local")
# The directories in which VS Code and the editors made of it keep their settings.
EDITORS = ("Code", "Code - Insiders", "Code - OSS", "VSCodium", "Cursor", "Windsurf")
# The same on a machine that is reached from another one (SSH, WSL, containers), in the home directory.
REMOTE_EDITORS = (".vscode-server", ".vscode-server-insiders", ".vscodium-server", ".cursor-server")
GIT_S = 5.0


class SettingsFile(NamedTuple):
    """A settings file; `program` and `scope` name it for a person."""

    program: str
    scope: str
    path: Path


def claude_file(env: Mapping[str, str], project: Path, scope: str) -> SettingsFile:
    """Return Claude Code's settings file of a scope; for `user` CLAUDE_CONFIG_DIR is obeyed.

    The local one is at the root of the git repository, where 2.1.332 looks for it.
    """
    if scope == "user":
        path = Path(os.path.abspath(claude_directory(env)), "settings.json")
    elif scope == "project":
        path = project / ".claude" / "settings.json"
    else:
        path = (main_checkout(project) or project) / ".claude" / "settings.local.json"
    return SettingsFile("Claude Code", scope, path)


def editor_files(env: Mapping[str, str], project: Path, scope: str, platform: str) -> list[SettingsFile]:
    """Return the settings file of each editor that has been started here, or that of the project.

    Raise UsageError if there is none.
    """
    if scope == "project":
        return [SettingsFile("VS Code", scope, project / ".vscode" / "settings.json")]
    if scope != "user":
        raise UsageError("VS Code has no private settings of a project: --scope user or --scope project")
    home = Path(home_directory(env))
    base = _editors_directory(env, home, platform)
    places = [(name, base / name / "User") for name in EDITORS]
    places += [(name.strip("."), home / name / "data" / "Machine") for name in REMOTE_EDITORS]
    found = [SettingsFile(name, scope, place / "settings.json") for name, place in places if place.is_dir()]
    if not found:
        raise UsageError(
            f"no VS Code has been started here ({base / EDITORS[0] / 'User'}); "
            "its extension also obeys: teamclaude setup claude"
        )
    return found


def _editors_directory(env: Mapping[str, str], home: Path, platform: str) -> Path:
    if platform == "darwin":
        return home / "Library" / "Application Support"
    if platform == "win32":
        return Path(env.get("APPDATA") or home / "AppData" / "Roaming")
    base = env.get("XDG_CONFIG_HOME", "")
    return Path(base) if os.path.isabs(base) else home / ".config"


def is_shared_by_git(file: Path) -> bool:
    """Return whether `git add` would take the file: it is in a work tree and not ignored.

    Without the program git every file of a work tree counts as shared.
    """
    program = find_program("git")
    there = next(above for above in file.parents if above.is_dir())
    if not any((above / ".git").exists() for above in (there, *there.parents)):
        return False
    if program is None:
        return True
    # A work tree that came in an archive has a configuration of its own, where this names a program to start.
    safe = ("-c", "core.fsmonitor=false")
    try:
        ignored = subprocess.run(
            [program, *safe, "-C", str(there), "check-ignore", "--quiet", "--", str(file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=GIT_S,
        )
    except (OSError, subprocess.SubprocessError):
        return True
    return ignored.returncode != 0
