"""Look for Claude Code's login and settings files on this machine; nothing is changed.

Paths and precedence as of Claude Code 2.1.330.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ..accounts.config.json_file import json_object
from ..accounts.importing.claude_login import LOGIN_KEY, claude_directory, keychain_query

__all__ = ["BaseUrl", "base_urls_in_settings", "is_logged_in"]

KEYCHAIN_TIMEOUT_S = 5.0
MANAGED = {
    "darwin": "/Library/Application Support/ClaudeCode/managed-settings.json",
    "win32": r"C:\Program Files\ClaudeCode\managed-settings.json",
}


class BaseUrl(NamedTuple):
    """An `ANTHROPIC_BASE_URL` in a settings file, which overrides the environment."""

    file: Path
    url: str


# --- the login ------------------------------------------------------------------------------------


def is_logged_in(env: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether Claude Code has a subscription login: in the environment, its file or the Keychain.

    The credentials are not kept, and the Keychain is only asked whether it has the item.
    """
    if env.get("CLAUDE_CODE_OAUTH_TOKEN"):
        return True
    if _has_login(_json_object(Path(claude_directory(env), ".credentials.json"))):
        return True
    return platform == "darwin" and _keychain_has_login(env)


def _has_login(credentials: Mapping[str, Any]) -> bool:
    nested = credentials.get(LOGIN_KEY)
    login = nested if isinstance(nested, dict) else credentials
    return bool(login.get("accessToken") or login.get("refreshToken"))


def _keychain_has_login(env: Mapping[str, str]) -> bool:
    try:
        found = subprocess.run(
            keychain_query(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=KEYCHAIN_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return found.returncode == 0


# --- the settings ---------------------------------------------------------------------------------


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
