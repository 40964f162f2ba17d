"""Settings files in a home directory and a project, for the tests of `teamclaude setup`."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

from tests.cli.support import CLAUDE_LOGIN


def tree(*directories: Path) -> dict[str, tuple[int, bytes]]:
    """Every path with mode and content, but for the lock beside the config file."""
    return {
        str(path): (
            stat.S_IMODE(path.lstat().st_mode),
            os.readlink(path).encode() if path.is_symlink() else path.read_bytes() if path.is_file() else b"",
        )
        for directory in directories
        for path in sorted(directory.rglob("*"))
        if path.name != "teamclaude.json.lock" and "teamclaude.tls" not in path.parts
    }


def file_of(target: str, scope: str, home: Path, project: Path) -> Path:
    if target == "vscode":
        base = home / ".config" / "Code" / "User" if scope == "user" else project / ".vscode"
        return base / "settings.json"
    if scope == "user":
        return home / ".claude" / "settings.json"
    return project / ".claude" / ("settings.json" if scope == "project" else "settings.local.json")


def log_in(home: Path) -> None:
    (home / ".claude").mkdir(exist_ok=True)
    (home / ".claude" / ".credentials.json").write_text(CLAUDE_LOGIN)


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    path.chmod(0o600)
    return path


def variables(target: str, path: Path) -> dict[str, str]:
    text = path.read_bytes()
    decoded = text.decode("utf-16" if text.startswith(b"\xff\xfe") else "utf-8-sig")
    raw = json.loads(decoded)
    if target == "claude":
        return dict(raw["env"])
    return {entry["name"]: entry["value"] for entry in raw["claudeCode.environmentVariables"]}
