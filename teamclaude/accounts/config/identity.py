"""Decide which entries are the same account, and which account a name means.

An account is a person in an organisation (`accountUuid` + `orgUuid`), never a position in a list:
1. the same person and organisation: the same account, whatever the names;
2. one entry without organisation: the same account as the person's only other one; if the person has
   two known organisations it is ambiguous and stays a separate account;
3. no person known: the one account of that name;
4. an API key is identified by its name alone and is never the same account as a login.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Callable, Optional

from ...errors import UsageError
from ...values import replace
from .config import AccountConfig
from .value_types import safe_repr

__all__ = [
    "CREDENTIAL_FIELDS",
    "PROFILE_FIELDS",
    "find_account",
    "find_name",
    "free_name",
    "group_entries",
    "index_of",
    "merge_duplicates",
    "newest_entry",
]

# Set together by a login or an import: a mixture of two logins would be neither.
CREDENTIAL_FIELDS = (
    "access_token",
    "refresh_token",
    "expires_at",
    "refresh_token_expires_at",
    "issued_at",
    "api_key",
    "credential_command",
    "import_from",
    "source",
)
# Updated by a login where it knows a value; every other field of an account stays.
PROFILE_FIELDS = ("account_uuid", "org_uuid", "org_name", "subscription_type", "rate_limit_tier")


def group_entries(accounts: Sequence[AccountConfig]) -> list[list[int]]:
    """Return the positions of each account's entries, in the order of their first entry."""
    orgs: dict[str, set[str]] = {}
    people: dict[str, set[str]] = {}
    for account in accounts:
        if _person_uuid(account):
            known = orgs.setdefault(_person_uuid(account), set())
            known.update([account.org_uuid] if account.org_uuid else [])
    for account in accounts:
        if _person_uuid(account):
            people.setdefault(account.name, set()).add(_full_key(account, orgs))
    found: dict[tuple[str, str], list[int]] = {}
    for position, account in enumerate(accounts):
        key = _full_key(account, orgs)
        namesakes = people.get(account.name, set())
        if account.type == "oauth" and not _person_uuid(account) and len(namesakes) == 1:
            (key,) = namesakes
        found.setdefault((account.type, key), []).append(position)
    return list(found.values())


def _person_uuid(account: AccountConfig) -> str:
    return account.account_uuid or "" if account.type == "oauth" else ""


def _full_key(account: AccountConfig, orgs: dict[str, set[str]]) -> str:
    """Return the account's key, with the person's only organisation if the entry does not name one."""
    known = orgs.get(_person_uuid(account), set())
    if account.org_uuid is None and len(known) == 1:
        return replace(account, org_uuid=next(iter(known))).key
    return account.key


def newest_entry(accounts: Sequence[AccountConfig], positions: Sequence[int]) -> int:
    """Return the entry whose credentials win: the latest expiry; of equal ones the last in the file."""
    return max(positions, key=lambda position: (_expiry(accounts[position]), position))


def _expiry(account: AccountConfig) -> float:
    # An entry without a token (importFrom) has no credentials to copy.
    usable = account.access_token or account.api_key or account.credential_command
    return (account.expires_at or 0.0) if usable else -1.0


def merge_duplicates(
    accounts: Sequence[AccountConfig],
) -> tuple[tuple[AccountConfig, ...], tuple[str, ...]]:
    """Return one value per account, each with a unique name, and a line of text for each change made.

    Of several entries the first keeps its name, priority and other fields and gets the newest
    credentials.  Of different accounts with one name the later gets `name (Org)` or `name (2)`.
    """
    merged: list[AccountConfig] = []
    notes: list[str] = []
    for positions in group_entries(accounts):
        account = _merge_group(accounts, positions)
        merged.append(account)
        if len(positions) > 1:
            from ...brief import brief_list

            entries = brief_list((f"accounts[{position}]" for position in positions), joint=" and ")
            notes.append(f'{entries} are the same account: "{account.name}" uses the newest credentials')
    return _with_unique_names(merged, notes), tuple(notes)


def _merge_group(accounts: Sequence[AccountConfig], positions: Sequence[int]) -> AccountConfig:
    winner = newest_entry(accounts, positions)
    changes: dict[str, Any] = {name: getattr(accounts[winner], name) for name in CREDENTIAL_FIELDS}
    for name in PROFILE_FIELDS:
        known_values = (getattr(accounts[position], name) for position in (winner, *positions))
        changes[name] = next((value for value in known_values if value is not None), None)
    return replace(accounts[positions[0]], **changes)


def _with_unique_names(accounts: Sequence[AccountConfig], notes: list[str]) -> tuple[AccountConfig, ...]:
    taken = {account.name for account in accounts}
    seen: set[str] = set()
    result = []
    for account in accounts:
        if account.name in seen:
            name = free_name(account.name, account.org_name, taken)
            notes.append(f'two different accounts are named "{account.name}": the second is now "{name}"')
            account = replace(account, name=name)
            taken.add(name)
        seen.add(account.name)
        result.append(account)
    return tuple(result)


def free_name(name: str, org: Optional[str], taken: set[str]) -> str:
    """Return the first name not taken: `name`, `name (Org)`, `name (2)`, `name (3)`..."""
    if name not in taken:
        return name
    if org and f"{name} ({org})" not in taken:
        return f"{name} ({org})"
    number = 2
    while f"{name} ({number})" in taken:
        number += 1
    return f"{name} ({number})"


def index_of(accounts: Sequence[AccountConfig], who: str) -> Optional[int]:
    """Return the position of the account with this key (or exactly this name), or None.

    A key from before the organisation was known still finds its account, by rule 2.
    """
    for matches in (
        [n for n, account in enumerate(accounts) if account.key == who],
        [n for n, account in enumerate(accounts) if account.name == who],
        [n for n, account in enumerate(accounts) if _person_uuid(account) and account.account_uuid == who],
    ):
        if len(matches) == 1:
            return matches[0]
    return None


def find_account(accounts: Sequence[AccountConfig], name: str) -> AccountConfig:
    """Return the account a person means by `name`; raise UsageError as find_name does."""
    found = find_name([account.name for account in accounts], name)
    return next(account for account in accounts if account.name == found)


def find_name(names: Sequence[str], wanted: str) -> str:
    """Return the name a person means: an exact match, else ignoring case, else the only completion.

    Raise UsageError that lists the candidates, or all names when there is none.
    """
    if wanted in names:
        return wanted
    typed = wanted.casefold()
    tests: tuple[Callable[[str], bool], ...] = (
        lambda name: name == typed,
        lambda name: name.startswith(typed),
        lambda name: typed in name,
    )
    for test in tests:
        matches = [name for name in names if wanted and test(name.casefold())]
        if len(matches) == 1:
            return matches[0]
        if matches:
            raise UsageError(f"{safe_repr(wanted)} could be any of: {', '.join(matches)}")
    if not names:
        raise UsageError("there are no accounts yet; add one with: teamclaude login")
    raise UsageError(f"no account is called {safe_repr(wanted)}; there are: {', '.join(names)}")
