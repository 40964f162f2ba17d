"""The login in the macOS Keychain, read with the `security` command.

Source of item names and exit statuses: Claude Code 2.1.112 and 2.1.332.  A status is the last byte of a
Security framework error.  No text made here contains a credential.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping
from typing import Optional

from ...errors import TeamClaudeError

__all__ = ["keychain_query", "read_keychain"]

SERVICE = "Claude Code-credentials"
DEFAULT_USER = "claude-code-user"
USER = re.compile(r"[a-zA-Z0-9._-]+")
# macOS may ask the person for permission or for the Keychain's password.
TIMEOUT_S = 120.0
NOT_FOUND_STATUS = 44  # errSecItemNotFound
# errSecInteractionNotAllowed, errSecAuthFailed, errSecUserCanceled
REFUSALS = {
    36: "is locked, or can't ask you here (ssh): run first: security unlock-keychain",
    51: "refused access: allow it when macOS asks, or run first: security unlock-keychain",
    128: "was not allowed to give it: allow it when macOS asks",
}
OTHER_REFUSAL = "refused it (status {}): allow it when macOS asks, or run first: security unlock-keychain"
# `security -w` prints a password in hexadecimal when it holds anything but ASCII characters.
HEX = re.compile(rb"(?:[0-9a-fA-F]{2})+")


def keychain_query(env: Mapping[str, str]) -> list[str]:
    """Return the command that looks for the item; each non-default config directory has its own item."""
    return ["security", "find-generic-password", "-a", _user(env), "-s", SERVICE + _suffix(env)]


def _user(env: Mapping[str, str]) -> str:
    user = env.get("USER") or _system_user()
    return user if USER.fullmatch(user) else DEFAULT_USER


def _system_user() -> str:
    try:
        import pwd

        return pwd.getpwuid(os.getuid()).pw_name
    except (ImportError, KeyError):  # Windows; a user id without a name
        return DEFAULT_USER


def _suffix(env: Mapping[str, str]) -> str:
    # CLAUDE_SECURESTORAGE_CONFIG_DIR goes first, also when it is empty: that is the default directory.
    directory = env.get("CLAUDE_SECURESTORAGE_CONFIG_DIR", env.get("CLAUDE_CONFIG_DIR"))
    if not directory:
        return ""
    import hashlib  # 4 ms: OpenSSL

    name = unicodedata.normalize("NFC", directory).encode("utf-8", "surrogateescape")
    return f"-{hashlib.sha256(name).hexdigest()[:8]}"


def read_keychain(env: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> Optional[bytes]:
    """Return the item's content, None when there is none; raise TeamClaudeError when access is refused."""
    import subprocess  # 6 ms that few commands need

    command = keychain_query(env)
    service = command[-1]
    try:
        found = subprocess.run(
            [*command, "-w"], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, env=dict(env)
        )
    except subprocess.TimeoutExpired:
        raise TeamClaudeError(
            f'the Keychain did not give "{service}" within {timeout_s:g} s: allow it when macOS asks'
        ) from None
    except OSError as error:
        raise TeamClaudeError(f"can't run security, the Keychain's command: {error.strerror}") from error
    if found.returncode == NOT_FOUND_STATUS:
        return None
    if found.returncode:
        why = REFUSALS.get(found.returncode, OTHER_REFUSAL.format(found.returncode))
        raise TeamClaudeError(f'the Keychain of "{service}" {why}')
    content = found.stdout.strip()
    return bytes.fromhex(content.decode()) if HEX.fullmatch(content) else content
