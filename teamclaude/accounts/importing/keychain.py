"""Read Claude Code's login from the macOS Keychain with the `security` command.

Source of the item names: Claude Code 2.1.330.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from typing import Optional

from ...errors import TeamClaudeError

__all__ = ["keychain_query", "read_keychain"]

SERVICE = "Claude Code-credentials"
DEFAULT_USER = "claude-code-user"
# macOS may ask the person for permission or for the Keychain's password.
TIMEOUT_S = 120.0
NOT_FOUND_STATUS = 44  # errSecItemNotFound, as an exit status
# `security -w` prints a password in hexadecimal when it holds anything but ASCII characters.
HEX = re.compile(r"(?:[0-9a-f]{2})+")


def keychain_query(env: Mapping[str, str]) -> list[str]:
    """Return the command that looks for the item; each non-default config directory has its own item."""
    directory = env.get("CLAUDE_CONFIG_DIR")
    suffix = f"-{hashlib.sha256(directory.encode()).hexdigest()[:8]}" if directory else ""
    return [
        "security",
        "find-generic-password",
        "-a",
        env.get("USER") or DEFAULT_USER,
        "-s",
        SERVICE + suffix,
    ]


def read_keychain(env: Mapping[str, str], timeout_s: float = TIMEOUT_S) -> Optional[str]:
    """Return the item's text, None when there is none; raise TeamClaudeError when access is refused."""
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
        raise TeamClaudeError(
            f'the Keychain refused "{service}" (status {found.returncode}): allow it when macOS asks; '
            "over ssh, run first: security unlock-keychain"
        )
    return _decode_hex(found.stdout.decode("utf-8", "replace").strip())


def _decode_hex(text: str) -> str:
    if not HEX.fullmatch(text):
        return text
    return bytes.fromhex(text).decode("utf-8", "replace")
