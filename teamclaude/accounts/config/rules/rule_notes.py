"""What a person should know of rules that are valid and do not have their effect: all of them in one list."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..config import Config

__all__ = ["RULES", "brief_notes", "misplaced_rules", "rule_notes"]

_TOP, _ACCOUNT = "", "accounts[]"
_PLACES = {  # where each rule is read
    "maxUsage": (_TOP, _ACCOUNT),
    "maxSpend": (_TOP, _ACCOUNT),
    "allowExtraUsage": (_TOP, _ACCOUNT),
    "reserve": (_ACCOUNT,),
    "routes": (_TOP,),
    "pins": (_TOP,),
    "keepWarm": (_TOP,),
    "quotaProbeSec": (_TOP,),
}
RULES = frozenset(_PLACES)
# Keys of other programs (original_keys.py): what is read or refused there.
_OF_OTHERS = {("proxy", "maxUsage"), ("proxy", "routes"), (_ACCOUNT, "routes")}


def rule_notes(config: Config) -> list[str]:
    """Return one line, with its path, on each rule that contradicts another, names nobody or can't match.

    What looks for them is loaded for the rules that there are: 20 ms of each command.
    """
    notes: list[str] = []
    if config.keep_warm:
        from .keep_warm import keep_warm_notes

        notes += keep_warm_notes(config)
    if _has_limits(config):
        from .usage_notes import usage_notes

        notes += usage_notes(config)
    if config.routes or config.pins:
        notes += config.route_notes()
    return [*notes, *_same_token(config)]


def _same_token(config: Config) -> Iterator[str]:
    """Yield one line on each account that has the token of an earlier one; no line has the token."""
    first: dict[str, str] = {}
    for number, account in enumerate(config.accounts):
        token = account.api_key or account.access_token
        other = first.setdefault(token, account.name) if token else account.name
        if other != account.name:
            yield (
                f'accounts[{number}] "{account.name}" has the same token as "{other}": they are one login, '
                "whose windows count twice; remove one"
            )


# Each line begins with its path.  Lines are alike that name the same setting, of whatever entry; of the entry
# as a whole, those that say the same of it.  So there are as many kinds as there are settings, and few more.
_KIND = re.compile(r"\w+(?:\[\d+\](?:\.\w+|:? \w+)?)?")
_NUMBER = re.compile(r"\[\d+\]")


def brief_notes(notes: Iterable[str]) -> list[str]:
    """Return a few notes of each kind, then how many more there are: a list may have a thousand entries."""
    from ....brief import brief_lines

    return brief_lines(notes, _kind_of)


def _kind_of(note: str) -> str:
    found = _KIND.match(note)
    return "" if found is None else _NUMBER.sub("[]", found[0])


def _has_limits(config: Config) -> bool:
    return (config.max_usage is not None or config.max_spend.is_set) or any(
        account.max_usage is not None or account.reserve is not None or account.max_spend.is_set
        for account in config.accounts
    )


def misplaced_rules(raw: dict[str, Any]) -> list[str]:
    """Return one line on each rule of the file's JSON that stands where no program reads it."""
    return [
        f"{path} has no effect there: it is read as {_written(key)} (teamclaude help rules)"
        for place, path, key in _keys_of(raw)
        if key in _PLACES and place not in _PLACES[key] and (place, key) not in _OF_OTHERS
    ]


def _keys_of(raw: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield each key of the objects that hold rules, or might: its object, its path and itself."""
    objects: list[tuple[str, str, Any]] = [(_TOP, "", raw)]
    objects += [(name, f"{name}.", raw.get(name)) for name in ("proxy", "routing")]
    accounts = raw.get("accounts")
    entries = accounts if isinstance(accounts, list) else ()
    objects += [(_ACCOUNT, f"accounts[{number}].", entry) for number, entry in enumerate(entries)]
    for place, prefix, entry in objects:
        for key in entry if isinstance(entry, dict) else ():
            yield place, f"{prefix}{key}", key


def _written(key: str) -> str:
    return " or ".join(f"{place}.{key}" if place else key for place in _PLACES[key])
