"""Add a login or an API key to the config file, and give the account its name.

The name is the first of: the one the person asked for, the one the account already has in the file, the
person's email (`email (Org)` if their account in another organisation has that), a word with a number.
An API key is checked by its format alone, without asking the API.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Optional

from ...errors import TeamClaudeError
from ...values import replace
from ..config.config import AccountConfig
from ..config.edits import Placement, account_json, add_or_replace_account, edit_account, read_accounts
from .claude_login import is_renewable

__all__ = ["check_api_key", "enroll", "enroll_key", "enroll_token", "followed", "is_full_login", "recognized"]


def enroll(
    raw: dict[str, Any], account: AccountConfig, wanted: Optional[str], word: str, fresh: bool
) -> Placement:
    """Put a login into the file's JSON (for `ConfigFile.update`).

    An account without a name gets `word` with a number.  A `wanted` name that another account has is
    ignored: a login must not be lost because of its name.
    """
    taken = _account_names(raw)
    # Without an owner it is the account of its own name; it is renamed below.
    own = account.name if account.account_uuid is None and account.name in taken else None
    name = own or wanted or account.name or numbered_name(word, taken)
    placed = add_or_replace_account(raw, account_json(replace(account, name=name)), fresh)
    if wanted and placed.name != wanted and wanted not in taken:
        edit_account(raw, placed.name, name=wanted)
        return placed._replace(name=wanted)
    return placed


def enroll_key(raw: dict[str, Any], key: str, wanted: Optional[str]) -> Placement:
    """Put an API key into the file's JSON, named `wanted` or `api-N`.

    Raise TeamClaudeError when the file already has this key.
    """
    for entry in raw.get("accounts") or []:
        if entry.get("apiKey") == key:
            raise TeamClaudeError(f'this key is there already, as "{entry["name"]}"')
    name = wanted or numbered_name("api", _account_names(raw))
    account = AccountConfig(name=name, type="apikey", api_key=key, source="login")
    return add_or_replace_account(raw, account_json(account))


def enroll_token(raw: dict[str, Any], account: AccountConfig, wanted: Optional[str], now: float) -> Placement:
    """Put the account of a setup token into the file's JSON, named `wanted`, its email or `token-N`.

    An account named `wanted` gets the token in place of its credentials.  Raise TeamClaudeError when the file
    already has this token, when the name is an API key's, and when the person has a login here that can be
    renewed at `now` (epoch seconds) and was not named.
    """
    entries = raw.get("accounts") or []
    for entry in entries:
        if entry.get("accessToken") == account.access_token:
            raise TeamClaudeError(f'this token is there already, as "{entry["name"]}"')
        if entry["name"] == wanted and entry.get("type") == "apikey":
            raise TeamClaudeError(f'"{wanted}" is an API key: give the token another --name')
    named = replace(account, name=wanted or account.name)
    for other in read_accounts(raw):
        if _is_same(other, account) and is_full_login(other, now) and other.name != wanted:
            raise TeamClaudeError(
                f'"{other.name}" is the same person and has a login that is renewed, which is better; to put '
                f'the token in its place: --name "{other.name}"'
            )
    return enroll(raw, named, wanted, "token", True)


def _is_same(known: AccountConfig, account: AccountConfig) -> bool:
    same_org = None in (known.org_uuid, account.org_uuid) or known.org_uuid == account.org_uuid
    return account.account_uuid is not None and known.account_uuid == account.account_uuid and same_org


def is_full_login(account: AccountConfig, now: float) -> bool:
    """Return whether the account has a login that is renewed, here or in the file it follows."""
    return bool(account.import_from) or is_renewable(account, now)


def recognized(accounts: Sequence[AccountConfig], login: AccountConfig, path: Optional[str]) -> AccountConfig:
    """Return the login with the name and the owner of the account that has it already.

    That is the account with one of its tokens, or the one that follows the file `path` it is in: two accounts
    with one login would log each other out.
    """
    for known in accounts:
        same_token = {known.access_token, known.refresh_token} & {login.access_token, login.refresh_token}
        if same_token - {None} or (path is not None and known.import_from == path):
            return replace(
                login,
                name=login.name or known.name,
                account_uuid=login.account_uuid or known.account_uuid,
                org_uuid=login.org_uuid or known.org_uuid,
                org_name=login.org_name or known.org_name,
            )
    return login


def followed(account: AccountConfig, path: str) -> AccountConfig:
    """Return an account that follows the file `path`, without tokens: only one of two copies stays valid."""
    return replace(
        account,
        import_from=path,
        access_token=None,
        refresh_token=None,
        expires_at=None,
        refresh_token_expires_at=None,
        source="import",
    )


def numbered_name(word: str, taken: set[str]) -> str:
    """Return the first free name of `api-1`, `api-2`..."""
    number = 1
    while f"{word}-{number}" in taken:
        number += 1
    return f"{word}-{number}"


def _account_names(raw: dict[str, Any]) -> set[str]:
    return {entry["name"] for entry in raw.get("accounts") or []}


API_KEY_PATTERN = re.compile(r"sk-ant-api[0-9A-Za-z_-]+")
OTHER_CREDENTIALS = {
    "sk-ant-oat": "is a token of a subscription, not an API key: use teamclaude login --token",
    "sk-ant-ort": "is a refresh token of a subscription, not an API key: use teamclaude login",
    "sk-ant-admin": "is an admin key, which can't call models; an API key begins with sk-ant-api",
}


def check_api_key(text: str) -> str:
    """Return `text` without surrounding white space; raise TeamClaudeError if it is not an API key."""
    key = text.strip()
    if not key:
        raise TeamClaudeError("no key was given: type it (sk-ant-api...), or give it on stdin")
    for prefix, what in OTHER_CREDENTIALS.items():
        if key.startswith(prefix):
            raise TeamClaudeError(f"this {what}")
    if re.search(r"\s", key):
        raise TeamClaudeError("the key has a space or a line break in it: copy the key alone")
    if not API_KEY_PATTERN.fullmatch(key):
        raise TeamClaudeError("this is not an API key: they begin with sk-ant-api and have no quotes around")
    return key
