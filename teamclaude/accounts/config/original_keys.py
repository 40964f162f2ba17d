"""Read the keys of the programs whose config files this one takes over: the original and its relatives.

Each key that they have and that means something else here, or nothing, is a row of `ORIGINAL_KEYS`:
1. mapped: there is an equivalent, and the key is read as that setting; the file stays as it is;
2. refused: it protects somebody or changes what is sent, and there is no equivalent: a ConfigError.  A key
   that is off (null, false, "" or empty; `enabled` when it is true) protects nobody and is left alone;
3. ignored: it has no effect here and nobody relies on it; one note says so.
A key in snake_case is the same key.  Pure; no text made here contains a credential.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, Optional

from ...errors import ConfigError
from ...values import NamedTuple
from .original_values import (
    client_list,
    few,
    hold_seconds,
    is_usage_table,
    lowest_threshold,
    probe_seconds,
    proxy_switch,
    route_list,
    usage_caps,
)
from .value_types import mask_keys, safe_repr

__all__ = ["ORIGINAL_KEYS", "Adapted", "FoundKey", "OriginalKey", "adapt", "is_off", "original_keys_in"]

MAPPED, REFUSED, IGNORED = "mapped", "refused", "ignored"


class OriginalKey(NamedTuple):
    """A row: `place` is "" (top level), "proxy" or "accounts[]"; `to` is the setting a mapped key is read as.

    `text`: of a refused key what it did, of an ignored one why it has no effect, of a mapped one how.
    """

    place: str
    key: str
    fate: str
    text: str
    to: str = ""

    @property
    def path(self) -> str:
        """The key as a manual writes it: `proxy.clientKeys`."""
        return f"{self.place}.{self.key}" if self.place else self.key


class FoundKey(NamedTuple):
    """A key of the table in a file; `path` has the account's number: `accounts[2].routing`."""

    row: OriginalKey
    path: str
    value: Any
    account: Optional[int] = None  # the account's number


class Adapted(NamedTuple):
    """The file's JSON with the mapped keys as settings, and a line on each key that is read otherwise."""

    raw: Any
    notes: tuple[str, ...]


_USAGE_CAP = "fractions or percents, also by window"
_BLOCKED = "a list of models: a route that blocks each of them"
_NOT_SERVED = "a list of models: routes to the accounts that have no such list"
_SERVED = "a list of models, the only ones that it serves: routes to the accounts that serve each"
_ROUTES = "it chose accounts or servers by rules; any account may serve here"
_MODEL_MAP = "it sent other models than the client asks for; the client's model is sent here"

ORIGINAL_KEYS = (
    OriginalKey("proxy", "clientKeys", MAPPED, "each key is a client with the role client", "proxy.clients"),
    OriginalKey(
        "", "switchThreshold", MAPPED, "the smallest value of the table, for all windows", "switchThreshold"
    ),
    OriginalKey(
        "",
        "upstreamProxy",
        MAPPED,
        'false is read as "direct"; true as not set: the environment decides',
        "upstreamProxy",
    ),
    OriginalKey("", "holdSeconds", MAPPED, "the same seconds", "allThrottledHoldBudgetSec"),
    OriginalKey("", "maxUsage", MAPPED, _USAGE_CAP, "maxUsage"),
    OriginalKey("", "blockedModels", MAPPED, _BLOCKED, "routes"),
    OriginalKey("", "routes", MAPPED, "each entry with models and accounts is a route", "routes"),
    OriginalKey("", "modelMap", REFUSED, _MODEL_MAP),
    OriginalKey("proxy", "maxUsage", MAPPED, _USAGE_CAP, "maxUsage"),
    OriginalKey("proxy", "blockedModels", MAPPED, _BLOCKED, "routes"),
    OriginalKey("proxy", "routes", REFUSED, _ROUTES),
    OriginalKey("proxy", "modelMap", REFUSED, _MODEL_MAP),
    OriginalKey("accounts[]", "routing", MAPPED, _SERVED, "routes"),
    OriginalKey("accounts[]", "maxUsage", MAPPED, _USAGE_CAP, "accounts[].maxUsage"),
    OriginalKey("accounts[]", "blockedModels", MAPPED, _NOT_SERVED, "routes"),
    OriginalKey("accounts[]", "routes", REFUSED, _ROUTES),
    OriginalKey("accounts[]", "modelMap", REFUSED, _MODEL_MAP),
    OriginalKey(
        "accounts[]",
        "switchThreshold",
        MAPPED,
        "the account is used no further; fractions or percents, also by window",
        "accounts[].maxUsage",
    ),
    OriginalKey(
        "accounts[]", "enabled", REFUSED, 'it kept this account from serving; here "disabled": true does that'
    ),
    OriginalKey("", "quotaProbeSeconds", MAPPED, "the same seconds, 300 at least", "quotaProbeSec"),
    OriginalKey(
        "", "warmupSeconds", IGNORED, "windows are opened at a time of day (keepWarm), not every so often"
    ),
    OriginalKey("", "distributeSessions", IGNORED, "routing.policy decides how sessions are distributed"),
)


def _plain(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()


_ROWS = {(row.place, key): row for row in ORIGINAL_KEYS for key in (row.key, _plain(row.key))}


# Keys whose value is judged alone: in snake_case they are misspelled settings of ours, or the original's.
_OURS_IN_SNAKE = ("switch_threshold", "upstream_proxy")


def is_off(value: Any) -> bool:
    """Return whether a key with this value protects nobody."""
    return value is None or value is False or value in ("", [], {})


def _is_ours(place: str, key: str, value: Any) -> bool:
    """Return whether a key that both programs have is of our kind, or says what holds here anyhow."""
    if key == "switchThreshold" and not place:
        return not isinstance(value, (dict, str, bool)) or value == ""
    if key == "routes" and not place:
        return isinstance(value, list) and all(isinstance(each, dict) and "match" in each for each in value)
    if key == "maxUsage" and place != "proxy":
        if isinstance(value, dict):
            return not value or is_usage_table(value)
        return value is True or (_is_number(value) and (place != "" or value <= 1))
    if key == "enabled":
        return value not in (False, "false")
    return key == "upstreamProxy" and not isinstance(value, bool)


def original_keys_in(raw: dict[str, Any]) -> Iterator[FoundKey]:
    """Yield the keys of the table that the file has and that are not off, in the file's order.

    Percent in a number are of another program where another key is, too; else it is ours, and an error.
    """
    found = list(_all_keys_in(raw))
    if len(found) == 1 and found[0].path == "maxUsage" and _is_number(found[0].value):
        return
    yield from found


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _all_keys_in(raw: dict[str, Any]) -> Iterator[FoundKey]:
    yield from _in_object("", "", raw)
    proxy = raw.get("proxy")
    if isinstance(proxy, dict):
        yield from _in_object("proxy", "proxy.", proxy)
    accounts = raw.get("accounts")
    for number, entry in enumerate(accounts if isinstance(accounts, list) else ()):
        if isinstance(entry, dict):
            yield from _in_object("accounts[]", f"accounts[{number}].", entry, number)


def _in_object(
    place: str, prefix: str, entries: dict[str, Any], account: Optional[int] = None
) -> Iterator[FoundKey]:
    for key, value in entries.items():
        row = _ROWS.get((place, key)) or (("_" in key or "-" in key) and _ROWS.get((place, _plain(key))))
        if not row or (key in (row.key, *_OURS_IN_SNAKE) and _is_ours(place, row.key, value)):
            continue
        if row.fate == MAPPED or row.key == "enabled" or not is_off(value):
            yield FoundKey(row, f"{prefix}{key}", value, account)


def adapt(raw: Any) -> Adapted:
    """Return the JSON as this program reads it, and notes.  Raise ConfigError for what is refused."""
    if not isinstance(raw, dict):
        return Adapted(raw, ())
    found = list(original_keys_in(raw))
    if not found:
        return Adapted(raw, ())
    _refuse([each for each in found if each.row.fate == REFUSED])
    result, notes = dict(raw), []
    if isinstance(raw.get("proxy"), dict):
        result["proxy"] = dict(raw["proxy"])
    if isinstance(raw.get("accounts"), list):
        result["accounts"] = [dict(each) if isinstance(each, dict) else each for each in raw["accounts"]]
    models = [each for each in found if each.row.key in _MODEL_KEYS]
    for each in found:
        if each in models:
            continue
        if each.row.fate == MAPPED:
            notes.append(f"{each.path} {_map(result, each)}")
        else:
            notes.append(f"{each.path} has no effect: {each.row.text}")
    notes += _map_models(result, models)
    return Adapted(result, tuple(notes))


def _refuse(found: list[FoundKey]) -> None:
    if not found:
        return
    first, *others = found
    more = f" (the same holds for {few(each.path for each in others)})" if others else ""
    raise ConfigError(
        f"{first.path} is a key of another program that has no effect here: {first.row.text}. "
        f"Remove the key to start without that{more}"
    )


_MODEL_KEYS = ("blockedModels", "routing")


def _map_models(result: dict[str, Any], found: list[FoundKey]) -> Iterator[str]:
    """Put routes for the lists of models into `result`; yield what became of each list."""
    if not found:
        return
    from .rules.model_routes import model_list, model_routes

    lists = [(each, model_list(each.value, each.path)) for each in found if not is_off(each.value)]
    if lists and result.get("routes"):
        raise ConfigError(
            f"{lists[0][0].path} and routes are both set: write it as one of the routes (teamclaude help "
            "rules), and remove the key"
        )
    accounts = result.get("accounts")
    names = [each.get("name") if isinstance(each, dict) else None for each in accounts or ()]
    blocked: list[str] = []
    only: dict[Any, list[str]] = {}
    without: dict[Any, list[str]] = {}
    for each, models in lists:
        if each.account is None:
            blocked += models
        else:
            (only if each.row.key == "routing" else without)[names[each.account]] = models
    if lists:
        result["routes"] = model_routes(blocked, only, without, [name for name in names if name])
    for each in found:
        yield f"{each.path} " + (
            "has no effect: it is as if it were not set" if is_off(each.value) else "is read as routes"
        )


_Convert = Callable[[Any, str], Any]
_CONVERT: dict[str, _Convert] = {
    "switchThreshold": lowest_threshold,
    "upstreamProxy": proxy_switch,
    "holdSeconds": hold_seconds,
    "quotaProbeSeconds": probe_seconds,
    "routes": route_list,
    "maxUsage": usage_caps,
}


def _map(result: dict[str, Any], found: FoundKey) -> str:
    """Put the value where our setting is, in `result`; return what became of it."""
    row = found.row
    if row.key == "clientKeys":
        return _map_clients(result["proxy"], found)
    entry, to = (result, row.to) if found.account is None else (result["accounts"][found.account], "maxUsage")
    value: Optional[Any] = _CONVERT[to if to == "maxUsage" else row.key](found.value, found.path)
    is_there = row.place == "proxy" or to != row.key  # our own key may stand in the file, too
    if is_there and entry.get(to) is not None:
        return f"has no effect: {to} is set, too"
    entry[to] = value
    if value is None:
        return "has no effect: it is as if it were not set"
    least = ", the least that it takes" if row.key == "quotaProbeSeconds" and value != found.value else ""
    return f"is read as {row.to} {_shown(value)}{least}"


def _shown(value: Any) -> str:
    if isinstance(value, dict):
        return few(f"{name} {safe_repr(each)}" for name, each in value.items())
    return safe_repr(value)


def _map_clients(proxy: dict[str, Any], found: FoundKey) -> str:
    own = proxy.get("clients")
    own = own if isinstance(own, list) else []
    clients = client_list(found.value, found.path, own, proxy.get("apiKey"))
    proxy["clients"] = [*own, *clients]
    names = mask_keys(few(client["name"] for client in clients))
    return f"is read as proxy.clients: {names or 'none'}"
