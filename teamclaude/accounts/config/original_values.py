"""Convert values as the original and its relatives write them: numbers in quotes, tables, true and false.

Problems are ConfigErrors with the key's path.  Pure; no text made here contains a credential.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Optional, Union

from ...errors import ConfigError
from .value_types import MAX_SECONDS, one_line, read_text, safe_repr

__all__ = [
    "client_list",
    "few",
    "hold_seconds",
    "is_usage_table",
    "lowest_threshold",
    "probe_seconds",
    "proxy_switch",
    "route_list",
    "usage_caps",
]

MIN_PROBE_SEC = 300  # of quotaProbeSec: the usage endpoint refuses who asks more often
MAX_DEPTH = 4  # of tables in tables
# Windows as others name them; "" is every window of a subscription's account.
_WINDOW_NAMES = {
    **dict.fromkeys(("session", "fivehour", "5hour", "5hours"), "5h"),
    **dict.fromkeys(("week", "weekly", "sevenday", "7day", "7days"), "7d"),
    **{family: f"7d_{family}" for family in ("opus", "sonnet", "haiku")},
    **dict.fromkeys(("default", "all", "any", "*"), ""),
}
_KEY_NAMES = ("key", "apiKey", "api_key", "token")
_CLIENT_NAMES = ("name", "label", "id")
# What switches a client on or off, and its values: 1 == True and 0 == False.
_ON_NAMES = ("enabled", "active")
_OFF_NAMES = ("disabled", "revoked")
_YES, _NO = (True, "true"), (False, "false")
# An entry of a list of routes: its models, its accounts, and what says nothing.
_MODEL_NAMES = ("model", "models", "pattern")
_ACCOUNT_NAMES = ("account", "accounts")
_NO_MEANING = {"name", "note", "comment", *_ON_NAMES}
_LONG_WORD = re.compile(r"[\w+/=.-]{20,}")


def lowest_threshold(value: Any, path: str) -> Optional[float]:
    """Return the smallest fraction of a table by window, account or model, or of a number in quotes.

    Numbers from 5 on are percent, those between are an error.  None: there is no number in it.
    """
    found = list(_fractions(value, path, 0))
    return min(found, default=None)


def usage_caps(value: Any, path: str) -> Union[float, dict[str, float], None]:
    """Return what may be used: a fraction of all windows, or one by window; None: there is no number in it.

    Numbers from 5 on are percent, those between are an error; of several that are of one window the smallest
    counts.
    """
    if value is True:
        raise ConfigError(f"{path}: expected a fraction from 0 to 1, or one by window, got true")
    if not isinstance(value, dict):
        return min(_fractions(value, path, 0), default=None)
    caps: dict[str, float] = {}
    for name, inner in value.items():
        lowered = name.lower()
        axis = _WINDOW_NAMES.get(re.sub(r"[_ -]", "", lowered), lowered)
        if not re.fullmatch(r"(\d{1,3}[mhdw](_\w+)?|[a-z]+-?tokens|requests|tokens)?", axis):
            raise ConfigError(f"{path}.{_printable(name)}: names no window; they are 5h, 7d, 7d_opus...")
        found = min(_fractions(inner, f"{path}.{_printable(name)}", 1), default=None)
        for each in (axis,) if axis else ("5h", "7d"):
            if found is not None:
                caps[each] = min(found, caps.get(each, found))
    return caps or None


def is_usage_table(value: dict[str, Any]) -> bool:
    """Return whether a table of caps is written as ours: numbers by window, none by a name of others."""
    if not value or any(re.sub(r"[_ -]", "", name.lower()) in _WINDOW_NAMES for name in value):
        return False
    return all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in value.values())


def _fractions(value: Any, path: str, depth: int) -> Iterator[float]:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, dict) and depth < MAX_DEPTH:
        for key, inner in value.items():
            yield from _fractions(inner, f"{path}.{_printable(key)}", depth + 1)
        return
    number = _number(value)
    if number is None or not 0 < number <= 100:
        raise ConfigError(f"{path}: expected a fraction from 0 to 1, got {safe_repr(value)}")
    from ...routing.user_rules.caps import AMBIGUOUS  # which most commands do without

    is_percent = isinstance(value, str) and value.rstrip().endswith("%")
    if not is_percent and 1 < number < AMBIGUOUS:
        raise ConfigError(
            f"{path}: expected a fraction from 0 to 1, got {safe_repr(value)}: write 0.6 for 60 %"
        )
    yield number / 100 if is_percent or number > 1 else number


def _number(value: Any) -> Optional[float]:
    try:
        number = float(value.strip().rstrip("%")) if isinstance(value, str) else float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def hold_seconds(value: Any, path: str) -> Optional[float]:
    """Return seconds from a number, also in quotes; false is 0, and true and null are not set."""
    if value is None or isinstance(value, bool):
        return 0.0 if value is False else None
    number = _number(value)
    if number is None or not 0 <= number <= MAX_SECONDS:
        raise ConfigError(
            f"{path}: expected seconds from 0 to {MAX_SECONDS} (30 days), got {safe_repr(value)}"
        )
    return number


def probe_seconds(value: Any, path: str) -> Optional[float]:
    """Return the seconds of `hold_seconds`, raised to the least that quotaProbeSec takes; 0 stays."""
    seconds = hold_seconds(value, path)
    return max(seconds, float(MIN_PROBE_SEC)) if seconds else seconds


def proxy_switch(value: bool, path: str) -> Optional[str]:
    """Return `direct` for false: no proxy on the way to the API; true is not set."""
    return None if value else "direct"


def route_list(value: Any, path: str) -> Optional[list[Any]]:
    """Return routes of ours for entries that name models and accounts; those with "match" are ours already.

    Raise ConfigError for any other shape: what it chose would be chosen otherwise.
    """
    if value is None or value is False or value in ("", {}):
        return None
    if not isinstance(value, list):
        raise ConfigError(f"{path}: expected a list of objects, got {safe_repr(value)}")
    routes: list[Any] = []
    for number, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise ConfigError(f"{path}[{number}]: expected an object, got {safe_repr(entry)}")
        routes += [entry] if "match" in entry else _routes_of(entry, f"{path}[{number}]")
    return routes


def _routes_of(entry: dict[str, Any], where: str) -> list[Any]:
    if any(entry.get(each) in _NO for each in _ON_NAMES):
        return []
    known = {*_MODEL_NAMES, *_ACCOUNT_NAMES, *_NO_MEANING}
    models, accounts = (_words(entry, names) for names in (_MODEL_NAMES, _ACCOUNT_NAMES))
    strange = [
        key for key, each in entry.items() if key not in known and each not in (None, False, "", [], {})
    ]
    if strange or not models or not accounts:
        found = few(map(_printable, strange or entry)) or "nothing"
        raise ConfigError(
            f'{where}: expected "match" with "accounts" or "block" (teamclaude help rules), got {found}'
        )
    return [{"match": model, "accounts": accounts} for model in models]


def _words(entry: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    """Return the text or the list of texts under the first of these keys; none: it is something else."""
    value = next((entry[name] for name in names if name in entry), None)
    words = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return words if all(isinstance(word, str) and word for word in words) else []


def client_list(value: Any, path: str, own: list[Any], api_key: Optional[Any]) -> list[dict[str, Any]]:
    """Return entries of proxy.clients from a list of keys or objects, or a table of keys by name.

    Keys that are in `own` (proxy.clients) already, or are `api_key`, are left out, and so are those that
    are switched off.  Raise ConfigError for limits of a key, which have no equivalent.
    """
    ours = [entry for entry in own if isinstance(entry, dict)]
    used = {key for key in (api_key, *(entry.get("key") for entry in ours)) if isinstance(key, str)}
    names = {entry.get("name") for entry in ours if isinstance(entry.get("name"), str)}
    clients: list[dict[str, Any]] = []
    for where, name, entry in _entries(value, path):
        key, name = _client(entry, where, name)
        if key is None or key in used:
            continue
        name = _free(name or f"client-{len(clients) + 1}", names)
        used.add(key)
        names.add(name)
        clients.append({"name": name, "key": key})
    return clients


def _entries(value: Any, path: str) -> Iterator[tuple[str, Optional[str], Any]]:
    """Yield the path, the name and the value of each key."""
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        for number, entry in enumerate(value):
            yield f"{path}[{number}]", None, entry
    elif isinstance(value, dict):
        for number, (name, entry) in enumerate(value.items()):
            where = f"{path}[{number}]"  # the name may be the key: it must stand in no error text
            if _is_key(name, entry, where):
                yield where, None, _named_by(name, entry)
            else:
                yield where, name, entry
    elif value is not None and not isinstance(value, bool):
        raise ConfigError(f"{path}: expected a list of keys, got {safe_repr(value, True)}")


def _is_key(name: str, entry: Any, where: str) -> bool:
    """Return whether a table has names by key, not keys by name.

    Raise ConfigError where that can't be told: a name that was taken for a key would open the proxy.
    """
    if isinstance(entry, dict):
        return not any(entry.get(each) for each in _KEY_NAMES)
    looks = _looks_like_key(name), _looks_like_key(entry)
    if looks in (("surely", "surely"), ("perhaps", "")) and isinstance(entry, str) and entry.strip():
        raise ConfigError(f'{where}: which one is the key? write {{"name": "...", "key": "..."}}')
    return looks[0] == "surely" or (looks[0] == "perhaps" and entry is True)


def _looks_like_key(value: Any) -> str:
    """Return `surely`, `perhaps` (a long word with a digit) or an empty text."""
    if not isinstance(value, str):
        return ""
    if value.startswith(("tc-", "sk-")):
        return "surely"
    return "perhaps" if _LONG_WORD.fullmatch(value) and re.search(r"\d", value) else ""


def _named_by(key: str, entry: Any) -> Any:
    if isinstance(entry, str):
        return {"key": key, "name": entry} if entry.strip() else {"key": key}
    return {**entry, "key": key} if isinstance(entry, dict) else {"key": key} if entry is not False else None


def _client(entry: Any, where: str, name: Optional[str]) -> tuple[Optional[str], Optional[str]]:
    """Return the key and the name of one client; without a key it is switched off."""
    if entry is None or entry is False or entry == "":
        return None, name
    if isinstance(entry, str):
        return _checked(entry, where), name
    if not isinstance(entry, dict):
        raise ConfigError(f"{where}: expected a key, got {safe_repr(entry, True)}")
    if any(entry.get(each) in _YES for each in _OFF_NAMES) or any(
        entry.get(each) in _NO for each in _ON_NAMES
    ):
        return None, name
    known = {*_KEY_NAMES, *_CLIENT_NAMES, *_OFF_NAMES, *_ON_NAMES, "createdAt", "created_at", "note"}
    for key, limit in entry.items():
        if key not in known and limit not in (None, "", [], {}):
            raise ConfigError(
                f"{where}.{_printable(key)} is a limit of another program without an equivalent: remove it "
                "to start without that (teamclaude help clients has the limits of a client)"
            )
    key = next((entry[each] for each in _KEY_NAMES if isinstance(entry.get(each), str)), None)
    if not key:
        raise ConfigError(f'{where}: has no "key"')
    label = next((entry[each] for each in _CLIENT_NAMES if isinstance(entry.get(each), str)), None)
    return _checked(key, where), label or name


def _checked(key: str, where: str) -> str:
    try:
        return read_text(key, "", True)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _printable(key: str) -> str:
    return one_line(key)[:60]


def _free(name: str, taken: set[Any]) -> str:
    number, wanted = 2, name
    while name in taken:
        name, number = f"{wanted}-{number}", number + 1
    return name


def few(names: Iterable[str]) -> str:
    """Return a few names and how many more there are; the module is loaded for files that have such keys."""
    from ...brief import brief_list

    return brief_list(names)
