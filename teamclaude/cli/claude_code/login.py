"""Whether Claude Code is logged in on this machine; nothing is changed and no credential kept.

Paths as of Claude Code 2.1.332.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path

from ...accounts.importing.claude_files import credentials_file
from ...accounts.importing.keychain import keychain_query

__all__ = ["client_reads_login", "is_logged_in"]

INFERENCE = "user:inference"
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
        return client_reads_login(Path(path).read_bytes())
    except OSError:
        return False


def client_reads_login(text: bytes) -> bool:
    """Return whether Claude Code finds a login in this text of its credentials file.

    It is stricter than `import`: a client that is taken for logged in and is not gets no credential.
    Measured with 2.1.112 and 2.1.332 (`claude auth status`): a byte order mark, UTF-16, NULs or anything else
    after the JSON, a login that is not nested, without an access token, or without the scope user:inference
    is none; an expired access token, and one without a refresh token, is one.
    """
    try:
        raw = json.loads(text.decode("utf-8", "replace"), parse_constant=_refuse)
        login = raw["claudeAiOauth"]
        scopes = login.get("scopes")
        return bool(login.get("accessToken")) and isinstance(scopes, list) and INFERENCE in scopes
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return False


def _refuse(word: str) -> None:
    raise ValueError(word)


def _keychain_has_login(env: Mapping[str, str]) -> bool:
    import subprocess  # 6 ms, and only on macOS

    try:
        found = subprocess.run(
            keychain_query(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=KEYCHAIN_TIMEOUT_S
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return found.returncode == 0
