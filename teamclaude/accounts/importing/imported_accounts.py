"""The accounts in another config file, as this program and its relatives write them, and a report on them.

Pure.  An account whose keys can't be read is left out, with one line that says why.
No text made here contains a credential.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Optional

from ...errors import ConfigError
from ...values import NamedTuple
from ..config.account_config import AccountConfig, program_name
from ..config.schema import declarations, read
from ..config.value_types import UNPRINTABLE, mask_keys, safe_repr
from .login_fields import read_moment

__all__ = ["UNKNOWN", "KeyReport", "read_accounts"]

# What holds a login inside an account's entry, in files of other programs.
NESTED_LOGINS = ("claudeAiOauth", "oauth", "credentials", "tokens")
TYPES = {
    **dict.fromkeys(("apikey", "api_key", "api-key", "api", "key"), "apikey"),
    **dict.fromkeys(("oauth", "claude", "subscription", "max", "pro"), "oauth"),
}
MOMENTS = ("expiresAt", "refreshTokenExpiresAt", "issuedAt")
UNKNOWN = "it is not known here"


class KeyReport(NamedTuple):
    """One line of the report; `fate` is kept, mapped, refused or ignored."""

    path: str
    fate: str
    text: str

    def __str__(self) -> str:
        path = mask_keys(UNPRINTABLE.sub("?", self.path)[:120])
        return f"{path}: {self.fate}{': ' if self.fate != 'mapped' else ' '}{self.text}".rstrip(": ")


def read_accounts(entries: Any) -> tuple[tuple[AccountConfig, ...], list[KeyReport]]:
    """Return the accounts of a file, and a report on each entry that is none and each unknown key."""
    accounts, reports = [], []
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        path = f"accounts[{number}]"
        try:
            account, unknown = _account(entry)
        except ConfigError as error:
            reports.append(KeyReport(path, "ignored", str(error)))
            continue
        accounts.append(account)
        reports += [KeyReport(f"{path}.{key}", "kept", text) for key, text in _what_is_foreign(account)]
        reports += [KeyReport(f"{path}.{key}", "ignored", UNKNOWN) for key in unknown]
    return tuple(accounts), reports


def _what_is_foreign(account: AccountConfig) -> Iterator[tuple[str, str]]:
    """Yield the keys of an account that run something, or lead its requests elsewhere, and what they do."""
    if account.credential_command:
        yield "credentialCommand", f"{program_name(account.credential_command)} is run, as you"
    if account.upstream:
        yield "upstream", f"its requests go to {mask_keys(account.upstream)}"
    if account.proxy:
        yield "proxy", "its requests go through that proxy"


_ACCOUNT_KEYS = {entry.key for entry in declarations(AccountConfig)}


def _account(entry: Any) -> tuple[AccountConfig, list[str]]:
    """Return the account of an entry, and its keys that are not known.  Raise ConfigError."""
    if not isinstance(entry, dict):
        raise ConfigError(f"expected an object, got {safe_repr(entry, True)}")
    values = _flat(entry)
    for key in MOMENTS:
        if key in values:
            values[key] = _milliseconds(values[key])
    values["type"], name = _type(values), _name(values)
    unknown = [key for key in values if key not in _ACCOUNT_KEYS]
    values = {key: value for key, value in values.items() if key in _ACCOUNT_KEYS}
    return read(AccountConfig, {**values, "name": name}), unknown


def _flat(entry: dict[str, Any]) -> dict[str, Any]:
    """Return the entry with the values of a login inside of it beside the others."""
    values = {key: value for key, value in entry.items() if value is not None}
    for name in NESTED_LOGINS:
        if isinstance(values.get(name), dict):
            login = values.pop(name)
            known = {key.replace("_", "").lower(): key for key in _ACCOUNT_KEYS}
            for key, value in login.items():
                values.setdefault(known.get(key.replace("_", "").lower(), key), value)
    values.pop("scopes", None)
    return values


def _milliseconds(value: Any) -> Optional[float]:
    moment = read_moment(value)
    return None if moment is None else moment * 1000


def _type(values: dict[str, Any]) -> Any:
    kind = values.get("type")
    if kind is None:
        return "apikey" if values.get("apiKey") and not values.get("accessToken") else "oauth"
    return TYPES.get(kind.lower(), kind) if isinstance(kind, str) else kind


def _name(values: dict[str, Any]) -> Any:
    return next((values[key] for key in ("name", "email", "accountUuid") if values.get(key)), "imported")
