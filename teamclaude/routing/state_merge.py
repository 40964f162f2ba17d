"""Merge what two servers learned since they had the same state.  PURE: plain JSON data in and out.

Three states of `persistence.dump_state` are involved: `base`, which both began with; `mine`, of the server
that goes on; `late`, of the one that ended.  Rules, in order:

1. What only one of them changed is as that one has it; what neither changed stays.
2. Counts and sums (requests, tokens, cost, burn) grow by what was added to each.
3. A window is as the one who saw it last has it.  A time of last use is the later one.
4. An account is benched as long as the longer bench says, with its reason.
5. Of everything else that both changed, `mine` counts: its conversations run on, the other's are over.
6. A conversation, a pin or an id that only `late` knows is taken over; what `mine` has dropped since stays
   dropped, unless `late` has used it since.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional

from ..values import NamedTuple

__all__ = ["LateChanges", "late_changes", "merge_states", "plain_state"]

State = Mapping[str, Any]
Resolve = Callable[[Any, Any, Any], Any]  # of base, mine and late, where both changed

ACCOUNTS, CLIENTS = "accounts", "clients"  # objects by name
# Lists of objects, and the key of one.
_LISTS = {
    "bindings": "conversation",
    "pins": "session",
    "projectPins": "project",
    "prefixes": "digest",
    "owners": "id",
}
_ORDERED = ("pins", "projectPins")  # removed by somebody's order alone; all else is dropped with time
_BENCH = ("benchUntil", "benchBegan", "benchReason", "streak")
_PLACE = ("account", "boundAt", "reason", "moves", "pacedAt", "cacheLife", "prefix")


class LateChanges(NamedTuple):
    """The rows of two states that differ: as they were, and as they are."""

    base: dict[str, Any]
    late: dict[str, Any]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not any(value for part in self for value in part.values())


def plain_state(state: State) -> dict[str, Any]:
    """Return the state with its lazy rows written out."""
    return {key: list(value) if key in _LISTS else value for key, value in state.items()}


def late_changes(base: State, late: State) -> LateChanges:
    """Return what differs, row by row; of two plain states.

    `savedAt` and what a whole server learns about itself (`learned`, `forecast`) are not told: the one that
    goes on learns it, too.
    """
    changes = LateChanges({}, {})
    for section in (ACCOUNTS, CLIENTS):
        before, after = base.get(section, {}), late.get(section, {})
        keys = [key for key in after if after[key] != before.get(key)]
        changes.base[section] = {key: before[key] for key in keys if key in before}
        changes.late[section] = {key: after[key] for key in keys}
    for name, id in _LISTS.items():
        was, now = _by_id(base.get(name, ()), id), _by_id(late.get(name, ()), id)
        ids = [key for key in {**was, **now} if was.get(key) != now.get(key)]
        if name not in _ORDERED:
            ids = [key for key in ids if key in now]
        changes.base[name] = [was[key] for key in ids if key in was]
        changes.late[name] = [now[key] for key in ids if key in now]
    return changes


def merge_states(base: State, mine: State, late: State) -> dict[str, Any]:
    """Return `mine` with what `late` learned; where `base` and `late` are parts, the rest of `mine` stays."""
    merged = dict(mine)
    rows = {key: dict(value) for key, value in mine.get("accounts", {}).items()}
    before, after = base.get("accounts", {}), late.get("accounts", {})
    for key, row in after.items():
        known = rows.get(key)
        if known is not None:
            rows[key] = _merge_row(before.get(key, {}), known, row, _ACCOUNT_FIELDS, [_BENCH])
        elif key not in before:  # else it was removed from the configuration
            rows[key] = dict(row)
    merged["accounts"] = rows
    merged[CLIENTS] = _merge_clients(*(state.get(CLIENTS, {}) for state in (base, mine, late)))
    for name, id in _LISTS.items():
        was, have, now = (_by_id(state.get(name, ()), id) for state in (base, mine, late))
        merged[name] = list(_merge_list(name, was, have, now).values())
    return merged


def _merge_clients(base: State, mine: State, late: State) -> dict[str, Any]:
    merged = {name: dict(row) for name, row in mine.items()}
    for name, row in late.items():
        known = merged.get(name)
        if known is None:
            merged[name] = dict(row)
        else:
            merged[name] = _merge_row(base.get(name, {}), known, row, _CLIENT_FIELDS, [])
    return merged


def _merge_list(name: str, base: State, mine: State, late: State) -> dict[Any, Any]:
    merged = dict(mine)
    for key, row in late.items():
        if key in mine and name == "bindings":
            merged[key] = _merge_row(base.get(key, {}), mine[key], row, _BINDING_FIELDS, [_PLACE])
        elif key in mine:
            merged[key] = row if mine[key] == base.get(key) else mine[key]
        elif key not in base or row != base[key]:
            merged[key] = row
    for key in base:  # a pin that was removed there
        if key not in late and mine.get(key) == base[key]:
            del merged[key]
    return merged


def _merge_row(
    base: State, mine: State, late: State, fields: Mapping[str, Resolve], groups: list[tuple[str, ...]]
) -> dict[str, Any]:
    """Merge one object; the fields of a group belong together and come from one side."""
    merged = dict(mine)
    together = {name for group in groups for name in group}
    for name, value in late.items():
        if name not in together:
            merged[name] = _merge_value(base.get(name), mine.get(name), value, fields.get(name))
    for group in groups:
        was, have, now = (tuple(side.get(name) for name in group) for side in (base, mine, late))
        chosen = _merge_value(was, have, now, fields.get(group[0]))
        merged.update(
            {name: value for name, value in zip(group, chosen) if value is not None or name in mine}
        )
    return merged


def _merge_value(base: Any, mine: Any, late: Any, resolve: Optional[Resolve]) -> Any:
    if late == base:
        return mine
    if mine in (base, None):
        return late
    return mine if resolve is None else resolve(base, mine, late)


def _sum(base: Any, mine: Any, late: Any) -> Any:
    return mine + max(0, late - (base or 0))


def _sums(base: Any, mine: Any, late: Any) -> Any:
    before = [*(base or ()), *[0] * len(late)]
    have = [*mine, *[0] * len(late)][: max(len(mine), len(late))]
    added = [max(0, now - was) for now, was in zip(late, before)]
    return [number + more for number, more in zip(have, [*added, *[0] * len(have)])]


def _buckets(base: Any, mine: Any, late: Any) -> Any:
    was, total = dict(map(tuple, base or ())), dict(map(tuple, mine))
    for index, tokens in late:
        total[index] = total.get(index, 0) + max(0, tokens - was.get(index, 0))
    return sorted(map(list, total.items()))


def _sum_of_each(base: Any, mine: Any, late: Any) -> Any:
    sums = {name: _sum((base or {}).get(name), mine.get(name, 0.0), value) for name, value in late.items()}
    return {**mine, **sums}


def _windows(base: Any, mine: Any, late: Any) -> Any:
    """Take each axis from the side that saw it last; its fourth value is when."""
    newer = {axis: row for axis, row in late.items() if axis not in mine or row[3] >= mine[axis][3]}
    unchanged = {axis for axis, row in late.items() if (base or {}).get(axis) == row}
    return {**mine, **{axis: row for axis, row in newer.items() if axis not in unchanged}}


def _later_of_each(base: Any, mine: Any, late: Any) -> Any:
    return {**mine, **{axis: max(at, mine.get(axis, at)) for axis, at in late.items()}}


def _union_of_each(base: Any, mine: Any, late: Any) -> Any:
    return {axis: sorted({*mine.get(axis, ()), *late.get(axis, ())}) for axis in {**mine, **late}}


def _larger(base: Any, mine: Any, late: Any) -> Any:
    return max(mine, late)


def _longer_bench(base: Any, mine: Any, late: Any) -> Any:
    return max(mine, late, key=lambda bench: bench[0] or 0.0)


_COUNTS: dict[str, Resolve] = {
    "usage": _sums,
    "requests": _sum,
    "cost": _sum,
    "unpricedTokens": _sum,
    "costEstimated": _larger,
}
_ACCOUNT_FIELDS: Mapping[str, Resolve] = {
    **_COUNTS,
    "burn": _buckets,
    "spent": _sum_of_each,
    "windows": _windows,
    "resets": _later_of_each,
    "scopes": _union_of_each,
    "lastPicked": _larger,
    "benchUntil": _longer_bench,
}
_CLIENT_FIELDS: Mapping[str, Resolve] = {**_COUNTS, "lastAt": _larger, "tokensToday": _sum}
_BINDING_FIELDS: Mapping[str, Resolve] = {**_COUNTS, "lastUsed": _larger}


def _by_id(rows: Iterable[Any], id: str) -> dict[Any, Any]:
    return {row.get(id): row for row in rows}
