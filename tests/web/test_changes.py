"""What changed between two states, merged changes, and both as events."""

from __future__ import annotations

import json
from random import Random
from typing import Any, Optional

from teamclaude.web.changes import State, changes, event, merged, with_role

OLD = {"about": {"": {"at": 1, "held": 0}}, "nodes": {"a": {"n": 1}, "b": {"n": 2}}}


def applied(state: State, delta: Any) -> dict[str, dict[str, Any]]:
    """As the page does it."""
    found: dict[str, dict[str, Any]] = {name: dict(rows) for name, rows in state.items()}
    for name, rows in delta.items():
        for key, row in rows.items():
            found.setdefault(name, {}).pop(key, None)
            if row is not None:
                found[name][key] = row
    return found


def test_only_rows_that_differ() -> None:
    new = {"about": {"": {"at": 2, "held": 0}}, "nodes": {"a": {"n": 1}, "c": {"n": 3}}}
    assert changes(OLD, new) == {
        "about": {"": {"at": 2, "held": 0}},
        "nodes": {"b": None, "c": {"n": 3}},
    }


def test_time_alone_is_no_change() -> None:
    assert changes(OLD, {**OLD, "about": {"": {"at": 2, "held": 0}}}) == {}
    assert changes(OLD, {**OLD, "about": {"": {"at": 2, "held": 1}}}) != {}
    assert changes(OLD, OLD) == {}


def test_any_run_of_changes_merged_is_the_same_as_one_by_one() -> None:
    for seed in range(200):
        rng = Random(seed)
        state: dict[str, dict[str, Any]] = {"nodes": {}, "activity": {}}
        start, deltas = state, []
        for _ in range(rng.randrange(1, 6)):
            new = {name: dict(rows) for name, rows in state.items()}
            for _ in range(rng.randrange(4)):
                rows, key = new[rng.choice(list(new))], rng.choice("abc")
                if rng.random() < 0.3:
                    rows.pop(key, None)
                else:
                    rows[key] = {"n": rng.randrange(3)}
            deltas.append(changes(state, new))
            state = new
        assert applied(start, merged(deltas)) == state, seed


def test_the_role_is_the_readers() -> None:
    assert with_role(OLD, "observer")["about"][""] == {"at": 1, "held": 0, "role": "observer"}
    assert with_role({"nodes": {"a": None}}, "observer") == {"nodes": {"a": None}}
    assert "role" not in OLD["about"][""]


def test_an_event_is_three_lines_whatever_is_in_it() -> None:
    data: dict[str, dict[str, Optional[dict[str, str]]]] = {
        "nodes": {"x\n\ny": {"title": "\r\n\u2028 \ud800 é </script>\0"}}
    }
    text = event("delta", 7, data)
    assert text.isascii()
    assert text.endswith(b"\n\n")
    first, second, third = text[:-2].split(b"\n")
    assert (first, second) == (b"event: delta", b"id: 7")
    assert json.loads(third.partition(b": ")[2]) == data
