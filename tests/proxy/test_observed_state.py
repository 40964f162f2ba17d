"""What is said of a state that can't be restored as a whole; test_restart.py has the rest."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from teamclaude.brief import MOST_LINES
from teamclaude.proxy.observed_state import ObservedState

Build = Callable[..., Any]


def test_of_a_damaged_state_a_few_lines_of_each_part_are_told(stage: Build) -> None:
    names = [f"a{number}" for number in range(20)]
    s = stage(*names)
    keys = s.service.runtime.router.names()
    state = {
        "accounts": {account: {"windows": 3, "benchUntil": "x"} for account in keys},
        "bindings": [7] * 1000,
        "pins": ["x"],
        "clients": {f"ci{number}": 3 for number in range(50)},
    }
    said: list[str] = []
    forecasting: Any = SimpleNamespace(saved=None)
    ObservedState(s.service.runtime, forecasting, said.append).restore(state)
    assert all(line.startswith("not restored from the state file: ") for line in said)
    told = [line.partition("file: ")[2] for line in said]
    assert [line for line in told if line.endswith("like that")] == [
        "accounts: and 35 more like that",
        "bindings: and 1995 more like that",
        "clients: and 45 more like that",
    ]
    assert len(told) == 3 * (MOST_LINES + 1) + 1
