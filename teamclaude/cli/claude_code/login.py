"""Whether Claude Code is logged in on this machine; nothing is changed and no credential kept.

Paths as of Claude Code 2.1.330.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from ...accounts.importing.claude_login import has_login
from ...accounts.importing.find_login import credentials_file
from ...accounts.importing.keychain import keychain_query

__all__ = ["is_logged_in"]

KEYCHAIN_TIMEOUT_S = 5.0


def is_logged_in(env: Mapping[str, str], platform: str = sys.platform) -> bool:
    """Return whether Claude Code has a subscription login: in the environment, its file or the Keychain.

    The credentials are not kept, and the Keychain is only asked whether it has the item.
    """
    if env.get("CLAUDE_CODE_OAUTH_TOKEN"):
        return True
    if _file_has_login(credentials_file(env)):
        return True
    return platform == "darwin" and _keychain_has_login(env)


def _file_has_login(path: str) -> bool:
    try:
        return has_login(Path(path).read_bytes())
    except OSError:
        return False


def _keychain_has_login(env: Mapping[str, str]) -> bool:
    try:
        found = subprocess.run(
            keychain_query(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=KEYCHAIN_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return found.returncode == 0
