"""A state file with numbers that nothing can have: the server starts, tells, and its status can be read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from teamclaude.snapshot import Snapshot
from teamclaude.typed_json import from_json
from tests.proxy.conftest import Stage

ODD = (1e308, -1e308, 1e15, 2**44, 2**63, 10**400, -1, 0.5, 1e-308, float("nan"), "NaN", None)
TOLD = "not restored from the state file: "
Path = tuple[Any, ...]


def numbers(value: Any, path: Path = ()) -> Iterator[Path]:
    """Yield the path of every number in a JSON value."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield path
    for key, inner in value.items() if isinstance(value, dict) else ():
        yield from numbers(inner, (*path, key))
    for place, inner in enumerate(value if isinstance(value, list) else ()):
        yield from numbers(inner, (*path, place))


def put(state: Any, path: Path, value: Any) -> None:
    for key in path[:-1]:
        state = state[key]
    state[path[-1]] = value


@pytest.fixture(name="used")
def used_stage(stage: Callable[..., Stage]) -> tuple[Stage, str]:
    """A server that has served, and its state as it saves it."""
    client: dict[str, Any] = {"name": "ci", "key": "tc-ci-key-0000000000000000000000", "share": 1.0}
    one = stage("alice", "bob", proxy={"clients": [client]})
    for session in ("s", "s", "t"):
        one.ask(session=session, headers={"x-api-key": client["key"]})
    one.until(lambda: len(one.records) == 3)
    collected = one.service._observed.collect()
    forecast = {"demand": {"errors": [5, 6], "conversation": [7, 8.5], "recent": [1, 2]}}
    return one, json.dumps({**collected, "forecast": forecast}, default=list)


def read_status(one: Stage) -> Snapshot:
    return from_json(Snapshot, one.send("GET", "/teamclaude/status").json())


def test_each_number_may_be_any_other(used: tuple[Stage, str]) -> None:
    one, text = used
    for place, path in enumerate(numbers(json.loads(text))):
        for value in (ODD[place % len(ODD)], 1e308):
            state = json.loads(text)
            put(state, path, value)
            one.service._observed.restore(state)
            assert read_status(one).accounts, (path, value)


def test_all_may_be_damaged_at_once(used: tuple[Stage, str]) -> None:
    one, text = used
    for value in ODD:
        state = json.loads(text)
        for path in numbers(state):
            put(state, path, value)
        one.warnings.clear()
        one.service._observed.restore(state)
        assert len(read_status(one).accounts) == 2
        if value == 1e308:
            told = [line.partition(TOLD)[2] for line in one.warnings]
            assert "saved state: bindings[0]: boundAt: too far away" in told
