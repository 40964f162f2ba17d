"""Find and read a login that Claude Code made, and check that it can be used here.

The login is in a file or, on macOS, in the Keychain, which is read with the `security` command.  The JSON:
`{"claudeAiOauth": {"accessToken", "refreshToken", "expiresAt", ...}}`, or those keys alone, with times in
milliseconds.  Source of paths, keys and item names: Claude Code 2.1.330.  No text made here contains a
credential.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from ...errors import ConfigError, TeamClaudeError
from ..config.config import AccountConfig
from ..config.json_file import decode
from ..config.schema import read

__all__ = ["LOGIN_KEY", "LoginSource", "claude_directory", "find_login", "keychain_query", "read_login"]

LOGIN_KEY = "claudeAiOauth"
MAX_BYTES = 1 << 20
FIELD_NAMES = {
    "accessToken": "accessToken",
    "refreshToken": "refreshToken",
    "expiresAt": "expiresAt",
    "refreshTokenExpiresAt": "refreshTokenExpiresAt",
    "subscriptionType": "subscriptionType",
    "rateLimitTier": "rateLimitTier",
    "accountUuid": "accountUuid",
    "organizationUuid": "orgUuid",
    "organizationName": "orgName",
}
# Other credentials by prefix, found where an access token should be.
OTHER_CREDENTIALS = {
    "sk-ant-api": "an API key: add it with teamclaude login --api",
    "sk-ant-ort": "a refresh token",
}
IMPORT_AGAIN = "run claude once, which renews it, and import again; or use teamclaude login"


class LoginSource(NamedTuple):
    """A text that should hold a login; `label` is for error texts, `path` is set for a file only."""

    text: bytes
    label: str
    path: Optional[str] = None


def claude_directory(env: Mapping[str, str]) -> str:
    """Return the directory of Claude Code's files: $CLAUDE_CONFIG_DIR or ~/.claude."""
    home = env.get("HOME") or env.get("USERPROFILE") or os.path.expanduser("~")
    return env.get("CLAUDE_CONFIG_DIR") or os.path.join(home, ".claude")


def find_login(env: Mapping[str, str], named: Optional[str], platform: str) -> LoginSource:
    """Return the file `named` (or in the directory `named`), else Claude Code's file, else the Keychain item.

    Raise TeamClaudeError when there is none.
    """
    own = os.path.join(claude_directory(env), ".credentials.json")
    path = os.path.abspath(os.path.expanduser(named) if named else own)
    if os.path.isdir(path):
        path = os.path.join(path, ".credentials.json")
    try:
        with open(path, "rb") as file:
            return LoginSource(file.read(MAX_BYTES + 1), path, path)
    except FileNotFoundError:
        if named:
            raise TeamClaudeError(f"{path}: there is no such file") from None
    except OSError as error:
        raise TeamClaudeError(f"{path}: can't read it: {error.strerror or error}") from error
    text = read_keychain(env) if platform == "darwin" else None
    if text is not None:
        return LoginSource(text.encode(), "the Keychain item of Claude Code")
    raise TeamClaudeError(f"{path}: Claude Code is not logged in here; run teamclaude login instead")


def read_login(source: LoginSource, now: float) -> AccountConfig:
    """Return the login in a source as an account that has no name yet.

    Raise TeamClaudeError when it is not JSON, has another shape, is an API key, expired before `now` (epoch
    seconds) or has no refresh token, without which it would not last.
    """
    if len(source.text) > MAX_BYTES:
        raise TeamClaudeError(f"{source.label}: is too long to be a login of Claude Code")
    if not source.text.strip():
        raise TeamClaudeError(f"{source.label}: is empty")
    raw = decode(source.text, source.label)
    path = LOGIN_KEY if LOGIN_KEY in raw else ""
    login = raw[path] if path else raw
    where = f"{source.label}: {path}" if path else source.label
    if not isinstance(login, dict):
        raise TeamClaudeError(f"{where}: expected an object with accessToken, refreshToken and expiresAt")
    _check_shape(raw, login, where)
    known = {ours: login[theirs] for theirs, ours in FIELD_NAMES.items() if theirs in login}
    try:
        account = read(AccountConfig, {**known, "name": "-", "type": "oauth"}, path)
    except ConfigError as error:
        raise TeamClaudeError(f"{source.label}: {error}") from None
    _check_usable(account, where, now)
    return replace(account, name="")


def _check_shape(raw: Mapping[str, Any], login: Mapping[str, Any], where: str) -> None:
    if login.get("accessToken") or login.get("refreshToken"):
        return
    values = [value for part in (raw, login) for value in part.values() if isinstance(value, str)]
    if any(value.startswith("sk-ant-api") for value in values):
        raise TeamClaudeError(f"{where}: holds an API key, not a login; add it with teamclaude login --api")
    raise TeamClaudeError(f"{where}: holds no login of Claude Code ({LOGIN_KEY}.accessToken)")


def _check_usable(account: AccountConfig, where: str, now: float) -> None:
    token = account.access_token or ""
    for prefix, what in OTHER_CREDENTIALS.items():
        if token.startswith(prefix):
            raise TeamClaudeError(f"{where}: its accessToken is {what}")
    if not token.startswith("sk-ant-"):
        raise TeamClaudeError(f"{where}: its accessToken is no token of Claude (sk-ant-oat...)")
    if not account.refresh_token:
        raise TeamClaudeError(
            f"{where}: has no refreshToken, so it can't be renewed; use teamclaude login "
            "(a token of claude setup-token goes into the config file: teamclaude help config)"
        )
    ends = account.refresh_token_expires_at
    if ends is not None and ends <= now:
        raise TeamClaudeError(f"{where}: this login has ended; use teamclaude login")
    if account.expires_at is not None and account.expires_at <= now:
        raise TeamClaudeError(f"{where}: its accessToken has expired; {IMPORT_AGAIN}")


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
