"""Read the credential that a credentialCommand prints.

Pure.  1. One line: the API key or setup token itself, with or without a line end.
2. A JSON object: apiKey or accessToken, and perhaps expiresAt (milliseconds, seconds or ISO text).
3. A refresh token is refused: it works once, and nobody would store the next one.
No text made here contains what was printed.
"""

from __future__ import annotations

from ...errors import ConfigError, TeamClaudeError
from ..config.json_file import json_object
from ..config.value_types import read_text
from ..importing.login_fields import read_moment
from .token_pair import TokenPair

__all__ = ["MAX_OUTPUT_BYTES", "parse_credential"]

MAX_OUTPUT_BYTES = 65536
MAX_TOKEN_CHARS = 8192
# What each type of account is not served with, by prefix.
OTHERS = {
    "apikey": {
        "sk-ant-oat": 'is a setup token: the account needs "type": "oauth"',
        "sk-ant-ort": "is a refresh token, which works once",
        "sk-ant-admin": "is an admin key, which can't call models",
    },
    "oauth": {
        "sk-ant-api": 'is an API key: the account needs "type": "apikey"',
        "sk-ant-ort": "is a refresh token, which works once",
        "sk-ant-admin": "is an admin key, which can't call models",
    },
}


def parse_credential(output: bytes, kind: str) -> TokenPair:
    """Return the credential in the output for an account of type `kind`.

    Raise TeamClaudeError that completes `what it printed ...`.
    """
    if len(output) > MAX_OUTPUT_BYTES:
        raise TeamClaudeError(f"is longer than {MAX_OUTPUT_BYTES >> 10} KiB")
    text = output.decode("utf-8", "replace").removeprefix("\ufeff").strip(" \t\r\n\0")
    if not text:
        raise TeamClaudeError("is empty")
    if text.startswith(("{", "[")):
        return _from_json(text, kind)
    if len(text.splitlines()) > 1:  # not how many: each new text is a line in the log
        raise TeamClaudeError("has more than one line; the credential alone is expected")
    return TokenPair(_checked(text, kind))


def _from_json(text: str, kind: str) -> TokenPair:
    raw = json_object(text.encode("utf-8", "replace"))
    if raw is None:
        raise TeamClaudeError("is no JSON object")
    if raw.get("refreshToken") or raw.get("refresh_token"):
        raise TeamClaudeError(
            "has a refreshToken, which works once: only an API key or a setup token can come from a program"
        )
    names = ("apiKey", "api_key") if kind == "apikey" else ("accessToken", "access_token")
    token = next((raw[name] for name in names if raw.get(name)), None)
    if token is None:
        raise TeamClaudeError(f"has no {names[0]}")
    return TokenPair(
        _checked(token, kind), expires_at=read_moment(raw.get("expiresAt", raw.get("expires_at")))
    )


def _checked(token: object, kind: str) -> str:
    try:
        found = read_text(token, "", True)
    except ConfigError as error:
        raise TeamClaudeError("is no key or token: it " + _reason(error)) from None
    if len(found) > MAX_TOKEN_CHARS:
        raise TeamClaudeError("is too long to be a key or token")
    for prefix, what in OTHERS[kind].items():
        if found.startswith(prefix):
            raise TeamClaudeError(what)
    return found


def _reason(error: ConfigError) -> str:
    return str(error) if str(error).startswith("contains") else "is not text"
