"""What changed between two states of the page, and both as server-sent events.  Pure.

A state has sections, a section rows by key.  A change holds the whole new row, None for one that is gone:
changes in a row can be merged, so a slow reader needs no queue.  The texts are ASCII: whatever a title or a
name holds is escaped, and no line break ends an event too early.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Optional

__all__ = ["ABOUT", "Delta", "State", "changes", "event", "merged", "with_role"]

Row = Mapping[str, Any]
State = Mapping[str, Mapping[str, Row]]
Delta = Mapping[str, Mapping[str, Optional[Row]]]

ABOUT = "about"  # the section with one row, whose key is empty
_AT = "at"  # in that row; it changes with everything else, and alone is no change


def changes(old: State, new: State) -> Delta:
    """Return what turns `old` into `new`; empty when nothing but the time is different."""
    found: dict[str, dict[str, Optional[Row]]] = {}
    for section, rows in new.items():
        before = old.get(section, {})
        differing: dict[str, Optional[Row]] = {
            key: row for key, row in rows.items() if before.get(key) is not row and before.get(key) != row
        }
        differing.update((key, None) for key in before if key not in rows)
        if differing:
            found[section] = differing
    if set(found) == {ABOUT} and _without_time(old) == _without_time(new):
        return {}
    return found


def _without_time(state: State) -> dict[str, Any]:
    return {**state.get(ABOUT, {}).get("", {}), _AT: None}


def merged(deltas: Iterable[Delta]) -> Delta:
    """Return one change for several, the oldest first."""
    found: dict[str, dict[str, Optional[Row]]] = {}
    for delta in deltas:
        for section, rows in delta.items():
            found.setdefault(section, {}).update(rows)
    return found


def with_role(state: Delta, role: str) -> Delta:
    """Return a state or a change with the reader's role in its `about`."""
    about = state.get(ABOUT, {}).get("")
    return state if about is None else {**state, ABOUT: {"": {**about, "role": role}}}


def event(kind: str, version: int, data: Delta) -> bytes:
    """Return one server-sent event (HTML standard, 9.2)."""
    text = json.dumps(data, separators=(",", ":"))
    return f"event: {kind}\nid: {version}\ndata: {text}\n\n".encode("ascii")
