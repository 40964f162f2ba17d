"""Whether Claude Code is logged in on this machine; nothing is changed and no credential kept.

Paths as of Claude Code 2.1.330.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...accounts.config.json_file import json_object
from ...accounts.importing.claude_login import LOGIN_KEY, claude_directory, keychain_query

__all__ = ["is_logged_in"]

KEYCHAIN_TIMEOUT_S = 5.0


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


def _json_object(file: Path) -> Mapping[str, Any]:
    try:
        return json_object(file.read_bytes()) or {}
    except OSError:
        return {}
