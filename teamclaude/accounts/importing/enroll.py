"""How an account that came through one of the doors gets its name and its place in the config file.

A name is, in this order: the one the person asked for, the one the account has there, the person's email
(`email (Org)` where that is taken by their account in another organisation), a number after a word.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Optional

from ...errors import TeamClaudeError
from ..config.config import AccountConfig
from ..config.edits import Placement, account_json, add_or_replace_account, edit_account

__all__ = ["enroll", "enroll_key", "numbered_name"]


def enroll(
    raw: dict[str, Any], account: AccountConfig, wanted: Optional[str], word: str, fresh: bool
) -> Placement:
    """Put a login into the file's JSON (for `ConfigFile.update`).

    `word` and a number make the name of an account without one.  A `wanted` name that another account has
    is passed over: a login must not be lost for its name.
    """
    taken = _account_names(raw)
    name = wanted or account.name or numbered_name(word, taken)
    placed = add_or_replace_account(raw, account_json(replace(account, name=name)), fresh)
    if wanted and placed.name != wanted and wanted not in taken:
        edit_account(raw, placed.name, name=wanted)
        return placed._replace(name=wanted)
    return placed


def enroll_key(raw: dict[str, Any], key: str, wanted: Optional[str]) -> Placement:
    """Put an API key into the file's JSON, as `wanted` or `api-N`.

    TeamClaudeError when it is there already.
    """
    for entry in raw.get("accounts") or []:
        if entry.get("apiKey") == key:
            raise TeamClaudeError(f'this key is there already, as "{entry["name"]}"')
    name = wanted or numbered_name("api", _account_names(raw))
    account = AccountConfig(name=name, type="apikey", api_key=key, source="login")
    return add_or_replace_account(raw, account_json(account))


def numbered_name(word: str, taken: set[str]) -> str:
    """`api-1`, `api-2`...: the first that is free."""
    number = 1
    while f"{word}-{number}" in taken:
        number += 1
    return f"{word}-{number}"


def _account_names(raw: dict[str, Any]) -> set[str]:
    return {entry["name"] for entry in raw.get("accounts") or []}
