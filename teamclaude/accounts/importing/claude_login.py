"""Read a login that Claude Code made, as it really comes, and say whether it can be used here.

One reader for `import` and for followed files.  (Whether Claude Code itself can read its file is another
question: it is stricter, see cli/claude_code/login.py.)

1. The text may be UTF-8 or UTF-16, with a byte order mark, CRLF and NULs at its end.
2. The JSON is `{"claudeAiOauth": {"accessToken", "refreshToken", "expiresAt", ...}}` or those keys alone,
   in camelCase or snake_case; other keys are ignored.
3. A time may be in milliseconds, seconds, quotes or ISO text; any other value is an unknown time.
4. A login can be used while its access token lives, or has no known end, or while its refresh token lives.

Source of the keys: Claude Code 2.1.112 to 2.1.332.  No text made here contains a credential.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any, Optional

from ...errors import ConfigError, TeamClaudeError
from ...values import NamedTuple
from ..config.config import AccountConfig
from ..config.json_file import decode_text
from .login_fields import read_label, read_moment, read_token

__all__ = [
    "CURE",
    "LoginSource",
    "is_live",
    "is_renewable",
    "login_object",
    "parse_login",
    "read_login",
    "unusable_reason",
    "write_tokens",
]

LOGIN_KEY = "claudeAiOauth"
# What to do when nothing better is known.
CURE = "use teamclaude login"
MAX_BYTES = 1 << 20
# Other credentials by prefix, found where an access token should be.
OTHER_CREDENTIALS = {
    "sk-ant-api": "an API key: add it with teamclaude login --api",
    "sk-ant-ort": "a refresh token",
}


class LoginSource(NamedTuple):
    """A text that should hold a login; `label` is for error texts, `path` is set for a file only."""

    text: bytes
    label: str
    path: Optional[str] = None

    def __repr__(self) -> str:
        return f"LoginSource({self.label!r})"


def read_login(source: LoginSource, now: float) -> AccountConfig:
    """Return the login in a source as an account that has no name yet.

    Raise TeamClaudeError when there is none, or none that can be used or renewed at `now` (epoch seconds).
    """
    account = parse_login(source)
    reason = unusable_reason(account, now)
    if reason:
        raise TeamClaudeError(f"{source.label}: {reason}")
    return account


def parse_login(source: LoginSource) -> AccountConfig:
    """Return the login in a source, also one that has expired; its name is empty.

    Raise TeamClaudeError when the text is not JSON, or holds something else than a login.
    """
    raw = login_object(source)
    login = _login_in(raw)
    if login is None:
        raise TeamClaudeError(f"{source.label}: {LOGIN_KEY}: {_expected(raw[LOGIN_KEY])}")
    if not _tokens_in(login):
        raise TeamClaudeError(f"{source.label}: {_what_else(raw, login)}")
    try:
        return _account(_by_plain_name(login), "" if login is raw else f"{LOGIN_KEY}.")
    except ConfigError as error:
        cure = "" if "teamclaude login" in str(error) else f"; {CURE}"
        raise TeamClaudeError(f"{source.label}: {error}{cure}") from None


# --- the text -----------------------------------------------------------------------------------


def login_object(source: LoginSource, errors: str = "replace") -> dict[str, Any]:
    """Return the JSON object that a source holds; raise TeamClaudeError with line and column.

    `errors`: what becomes of bytes that are not text, as for bytes.decode.  Tokens are ASCII, so they can be
    replaced; a text that is to be written back is decoded strictly.
    """
    label = source.label
    if len(source.text) > MAX_BYTES:
        raise TeamClaudeError(f"{label}: is too long to be a login of Claude Code; {CURE}")
    text = ""
    try:
        text = decode_text(source.text, errors).strip()
        # Line breaks inside a text (strict=False) come from a terminal that wrapped a pasted token.
        raw = json.loads(text, parse_constant=_no_number, parse_float=_finite, strict=False)
    except json.JSONDecodeError as error:
        raise TeamClaudeError(f"{label}: {_json_problem(text, error)}") from None
    except RecursionError:
        raise TeamClaudeError(f"{label}: is nested too deeply; {CURE}") from None
    except ValueError:  # bytes that are not text; numbers of thousands of digits
        raise TeamClaudeError(f"{label}: is not a JSON text; {CURE}") from None
    if isinstance(raw, list) and len(raw) == 1:
        (raw,) = raw
    if not isinstance(raw, dict):
        raise TeamClaudeError(f"{label}: {_expected(raw)}")
    return raw


def _no_number(word: str) -> None:
    """Read NaN and Infinity as null: they could not be written back."""


def _finite(text: str) -> Optional[float]:
    number = float(text)
    return number if math.isfinite(number) else None


def _json_problem(text: str, error: json.JSONDecodeError) -> str:
    place = f"line {error.lineno}, column {error.colno}"
    if not text:
        return f"is empty; {CURE}"
    if "{" not in text and "sk-ant-oat" in text:
        return "is a token alone, not a login in JSON: teamclaude login --token takes it"
    if error.pos >= len(text) or error.msg.startswith("Unterminated string"):
        return f"{place}: it ends in the middle; run claude once, which writes it anew, or teamclaude login"
    if error.msg == "Extra data":
        return f"{place}: something follows the end of the JSON; remove that, or use teamclaude login"
    if text.startswith("{") and '"' not in text:
        return f"{place}: its quotes are missing (a shell took them away): use --json - and paste it"
    return f"{place}: is not JSON ({error.msg[:1].lower()}{error.msg[1:]}); {CURE}"


def _expected(value: object) -> str:
    if isinstance(value, list):
        return f"is a list of {len(value)}, not a login; import takes one login at a time (--json -)"
    return f"expected an object with accessToken, refreshToken and expiresAt; {CURE}"


def _login_in(raw: dict[str, Any]) -> Optional[dict[str, Any]]:
    """Return the object with the keys of the login; None: there is something else in its place."""
    nested = raw.get(LOGIN_KEY)
    if isinstance(nested, dict):
        return nested
    return raw if LOGIN_KEY not in raw or _tokens_in(raw) else None


# --- the login ----------------------------------------------------------------------------------


def _by_plain_name(login: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by key without `_`, `-` and case; a key in camelCase goes before other spellings."""
    names = sorted(login, key=lambda key: "_" not in key and "-" not in key)
    return {_plain(key): login[key] for key in names}


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


def _tokens_in(login: Mapping[str, Any]) -> bool:
    return any(value for key, value in login.items() if _plain(key) in ("accesstoken", "refreshtoken"))


def _account(values: Mapping[str, Any], where: str) -> AccountConfig:
    token = read_token(values.get("accesstoken"), f"{where}accessToken")
    for prefix, what in OTHER_CREDENTIALS.items():
        if token is not None and token.startswith(prefix):
            raise ConfigError(f"{where}accessToken is {what}")
    if token is not None and not token.startswith("sk-ant-"):
        raise ConfigError(f"{where}accessToken is no token of Claude (sk-ant-oat...)")
    return AccountConfig(
        name="",
        access_token=token,
        refresh_token=read_token(values.get("refreshtoken"), f"{where}refreshToken"),
        expires_at=read_moment(values.get("expiresat")),
        refresh_token_expires_at=read_moment(values.get("refreshtokenexpiresat")),
        subscription_type=read_label(values.get("subscriptiontype")),
        rate_limit_tier=read_label(values.get("ratelimittier")),
        account_uuid=read_label(values.get("accountuuid")),
        org_uuid=read_label(values.get("organizationuuid")),
        org_name=read_label(values.get("organizationname")),
    )


def _what_else(raw: Mapping[str, Any], login: Mapping[str, Any]) -> str:
    """Return what JSON without tokens is, and what to do."""
    values = [value for part in (raw, login) for value in part.values()]
    if any(isinstance(value, str) and value.startswith("sk-ant-api") for value in values):
        return "holds an API key, not a login; add it with teamclaude login --api"
    if isinstance(raw.get("accounts"), (list, dict)):
        count = len(raw["accounts"])
        return f"holds {count} accounts, not a login; import takes one login at a time (--json -)"
    if "oauthAccount" in raw:
        return "is Claude Code's settings (.claude.json), which hold no tokens; its login: teamclaude import"
    if isinstance(raw.get("keychainOverflow"), dict):
        return f"keeps its login in another item, encrypted; {CURE}"
    # Claude Code leaves empty tokens and expiresAt 0 when its login has ended.
    if "accesstoken" in _by_plain_name(login):
        return "Claude Code's login there has ended; log in with teamclaude login, or in claude"
    return f"holds no login of Claude Code ({LOGIN_KEY}.accessToken); {CURE}"


# --- use ----------------------------------------------------------------------------------------


def is_live(account: AccountConfig, now: float) -> bool:
    """Return whether the access token may be used at `now`; without a known end it may, until refused."""
    return account.access_token is not None and (account.expires_at is None or account.expires_at > now)


def is_renewable(account: AccountConfig, now: float) -> bool:
    """Return whether the refresh token may be spent at `now`."""
    ends = account.refresh_token_expires_at
    return account.refresh_token is not None and (ends is None or ends > now)


def unusable_reason(account: AccountConfig, now: float) -> str:
    """Return why the login can't be used at `now` nor renewed; an empty text when it can."""
    if is_live(account, now) or is_renewable(account, now):
        return ""
    if account.refresh_token is not None:
        return f"this login has ended; {CURE}"
    return f"its accessToken has expired, and there is no refreshToken to renew it; {CURE}"


def write_tokens(text: bytes, path: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON of the credentials file `path` with other values of accessToken, expiresAt...

    Every other key stays.  Raise TeamClaudeError when the text can't be read without loss.
    """
    raw = login_object(LoginSource(text, os.path.basename(path)), errors="strict")
    login = _login_in(raw) or raw
    spelled = {_plain(key): key for key in login}
    for key, value in values.items():
        login[key if key in login else spelled.get(_plain(key), key)] = value
    return raw
