"""Claude Code's settings files, in the order in which they take precedence; nothing is changed.

Paths and precedence as of Claude Code 2.1.330.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...accounts.config.json_file import json_object
from ...accounts.importing.find_login import claude_directory

__all__ = ["BaseUrl", "base_urls_in_settings"]

MANAGED = {
    "darwin": "/Library/Application Support/ClaudeCode/managed-settings.json",
    "win32": r"C:\Program Files\ClaudeCode\managed-settings.json",
}


class BaseUrl(NamedTuple):
    """An `ANTHROPIC_BASE_URL` in a settings file, which overrides the environment."""

    file: Path
    url: str


def base_urls_in_settings(
    env: Mapping[str, str], project: Path, platform: str = sys.platform
) -> list[BaseUrl]:
    """Return the base URLs in the settings files, highest precedence first; skip unreadable files."""
    return list(_base_urls(_settings_files(env, project, platform)))


def _settings_files(env: Mapping[str, str], project: Path, platform: str) -> list[Path]:
    managed = MANAGED.get(platform, "/etc/claude-code/managed-settings.json")
    files = [
        Path(managed),
        project / ".claude" / "settings.local.json",
        project / ".claude" / "settings.json",
        Path(claude_directory(env), "settings.json"),
    ]
    return list(dict.fromkeys(files))  # the home directory may be the project


def _base_urls(files: list[Path]) -> Iterator[BaseUrl]:
    for file in files:
        variables = _json_object(file).get("env")
        url = variables.get("ANTHROPIC_BASE_URL") if isinstance(variables, dict) else None
        if isinstance(url, str) and url:
            yield BaseUrl(file, url)


def _json_object(file: Path) -> Mapping[str, Any]:
    try:
        return json_object(file.read_bytes()) or {}
    except OSError:
        return {}
