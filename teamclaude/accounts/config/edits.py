"""Edit the config file's raw JSON; each public function is meant for `ConfigFile.update`.

An edit touches one account's entry, so that unknown keys and the order of keys survive.  `who` is
an account's identity (`AccountConfig.key`) or its exact name; a partial name could be another
account's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Optional

from ...errors import UsageError
from ...values import NamedTuple
from .config import AccountConfig
from .identity import (
    CREDENTIAL_FIELDS,
    PROFILE_FIELDS,
    free_name,
    group_entries,
    index_of,
    merge_duplicates,
    newest_entry,
)
from .original_keys import adapt
from .schema import declarations, read, to_json

__all__ = [
    "Placement",
    "account_json",
    "add_or_replace_account",
    "edit_account",
    "read_accounts",
    "remove_account",
    "swap_tokens",
]

_DECLARED = {entry.name: entry for entry in declarations(AccountConfig)}


class Placement(NamedTuple):
    """Where new credentials went; `kept`: the file already had newer ones."""

    name: str
    outcome: Literal["added", "updated", "kept"]


def edit_account(raw: dict[str, Any], who: str, **changes: Any) -> AccountConfig:
    """Set attributes of AccountConfig (`priority=2, expires_at=<epoch seconds>`); None removes the key.

    Return the account as it was before.  Raise UsageError when the file has no such account.
    """
    account, entry = _find_and_merge(raw, who)
    _set(account, entry, changes)
    return account


def swap_tokens(
    raw: dict[str, Any], who: str, spent: Optional[str], changes: Mapping[str, Any]
) -> AccountConfig:
    """Edit the account only if its refresh token is `spent`: a newer login is never overwritten.

    Return the account as it was before; errors as for edit_account.
    """
    account, entry = _find_and_merge(raw, who)
    if account.refresh_token == spent:
        _set(account, entry, changes)
    return account


def _set(account: AccountConfig, entry: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for name, value in changes.items():
        known = _DECLARED[name]
        if value is None:
            entry.pop(known.key, None)
        elif getattr(account, name) != value:
            entry[known.key] = to_json(value, known.unit)


def remove_account(raw: dict[str, Any], who: str) -> AccountConfig:
    """Remove all entries of the account and return it; errors as for edit_account."""
    account, entry = _find_and_merge(raw, who)
    raw["accounts"] = [other for other in raw["accounts"] if other is not entry]
    return account


def add_or_replace_account(raw: dict[str, Any], account: Mapping[str, Any], fresh: bool = True) -> Placement:
    """Add an account (as JSON), or give its credentials to the entry of the same account.

    `fresh` credentials were issued just now and always win; others win only with a later expiry.  A
    known account keeps its name, priority and other settings; a new one gets a unique name.
    """
    entries = raw.get("accounts") or []
    accounts = [*read_accounts(raw), read(AccountConfig, dict(account), "account")]
    positions = next(positions for positions in group_entries(accounts) if len(entries) in positions)
    if len(positions) == 1:
        name = free_name(accounts[-1].name, accounts[-1].org_name, {known.name for known in accounts[:-1]})
        raw["accounts"] = [*entries, {**account, "name": name}]
        return Placement(name, "added")
    winner = len(entries) if fresh else newest_entry(accounts, positions)
    raw["accounts"] = [*entries, dict(account)]
    entry = _merge_entries(raw, positions, winner)
    return Placement(entry["name"], "updated" if winner == len(entries) else "kept")


def account_json(account: AccountConfig) -> dict[str, Any]:
    """Return an account as JSON, without keys at their default (except the type)."""
    return {"name": account.name, "type": account.type, **to_json(account)}


def read_accounts(raw: Mapping[str, Any]) -> list[AccountConfig]:
    """Return the accounts as the file is read, also where an entry has keys of another program."""
    entries = adapt(raw).raw.get("accounts") or []
    return [read(AccountConfig, entry, f"accounts[{n}]") for n, entry in enumerate(entries)]


def _find_and_merge(raw: dict[str, Any], who: str) -> tuple[AccountConfig, dict[str, Any]]:
    """Return the account and its entry, after merging the entries of the same account."""
    accounts = read_accounts(raw)
    merged, _ = merge_duplicates(accounts)
    position = index_of(merged, who)
    if position is None:
        raise UsageError(f'the config file has no account "{who}" any more')
    positions = group_entries(accounts)[position]
    return merged[position], _merge_entries(raw, positions, newest_entry(accounts, positions))


def _merge_entries(raw: dict[str, Any], positions: Sequence[int], winner: int) -> dict[str, Any]:
    """Merge the entries at `positions` into the first, with the winner's credentials, and return it.

    Keys that the first entry lacks are filled from the others.
    """
    entries: list[dict[str, Any]] = raw["accounts"]
    first, source = entries[positions[0]], entries[winner]
    if len(positions) == 1:
        return first
    _copy_values(first, source, CREDENTIAL_FIELDS)
    _copy_values(first, source, (name for name in PROFILE_FIELDS if source.get(_DECLARED[name].key)))
    taken = {_DECLARED[name].key for name in CREDENTIAL_FIELDS}
    for position in positions[1:]:
        for key, value in entries[position].items():
            if first.get(key) is None and key not in taken:
                first[key] = value
    raw["accounts"] = [entry for n, entry in enumerate(entries) if n not in positions[1:]]
    return first


def _copy_values(entry: dict[str, Any], source: Mapping[str, Any], names: Iterable[str]) -> None:
    """Copy the named attributes from `source` to `entry`; remove those that the source lacks."""
    for key in [_DECLARED[name].key for name in names]:
        if source.get(key) is None:
            entry.pop(key, None)
        else:
            entry[key] = source[key]
