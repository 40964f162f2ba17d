"""What scripts read: each field of a command's --json has the name and type that json_fields_1.json says.

A new field may be added to that file.  One that goes away or gets another type needs a new schema.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Optional

import pytest

from teamclaude.cli.lab import forecast
from teamclaude.cli.parsers.command_words import all_commands
from teamclaude.lab.forecasts.play import play_world
from tests.cli.support import ALICE, Ended, Stub, short_sessions
from tests.history.conftest import fill
from tests.history.reports.support import facts

FIELDS = json.loads(Path(__file__).with_name("json_fields_1.json").read_text("utf-8"))
ROW = {"name": "alice@example.com", "tier": "Max 20x", "status": "active", "usable": True}
CAPACITY = {"verdict": "green", "headroom": 9, "live": 3, "total": 3, "accounts": [ROW]}
STATUS = {
    "currentAccount": "bob",
    "accounts": [ROW],
    "pins": [{"session": None, "account": "alice"}],
    "capacity": CAPACITY,
}
ANSWERS = {
    "GET /teamclaude/status": STATUS,
    "GET /capacity": CAPACITY,
    "GET /teamclaude/explain/last": {"request": "tc-1", "attempts": [{"account": "bob"}]},
    "GET /teamclaude/record": {"on": True, "directory": "/d", "files": 2, "bytes": 3, "since": "20261101"},
}
SMALL = ("--users", "3", "--weeks", "1", "--accounts", "2", "--policy", "price")
EARLY_RESET = ("--first-seed", "28")  # a week is used up, and ends, on the second day
LINES = {
    "accounts": ("accounts",),
    "status": ("status",),
    "capacity": ("capacity",),
    "capacity, no server": ("capacity", "--port", "1"),
    "explain": ("explain",),
    "alerts": ("alerts",),
    "record": ("record", "status"),
    "record, no server": ("record", "status", "--port", "1"),
    "switch": ("switch",),
    "usage": ("usage",),
    "version": ("version",),
    "doctor": ("doctor",),
    "lab run": ("lab", "run", "--jobs", "1", *SMALL),
    "lab explain": ("lab", "explain", "--at", "Tue 14:30", *SMALL),
    "lab forecast": ("lab", "forecast", *SMALL, *EARLY_RESET),
}
# Whose fields are held elsewhere, or which are no readings.
ELSEWHERE = {"import": "a login is its value", "service": "tests/cli/service"}


def shape(value: Any) -> Any:
    """Return names and types: of a list those of its first entry."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return "number" if type(value) in (int, float) else type(value).__name__


def lost(expected: Any, found: Any, place: str = "") -> Optional[str]:
    """Return the first field that is gone or of another type; null stands for an unknown value."""
    if isinstance(expected, dict) and isinstance(found, dict):
        missing = [f"{place}.{name} is gone" for name in expected if name not in found]
        inner = [
            lost(each, found[name], f"{place}.{name}") for name, each in expected.items() if name in found
        ]
        return next((each for each in [*missing, *inner] if each), None)
    if isinstance(expected, list) and isinstance(found, list):
        return lost(expected[0], found[0], f"{place}[]") if expected and found else None
    if "NoneType" in (expected, found) or expected == found:
        return None
    return f"{place}: {expected} became {found}"


@pytest.fixture
def world(config: Callable[..., Path], stub: Stub) -> Path:
    stub.answers.update({path: (200, value) for path, value in ANSWERS.items()})
    path = config(ALICE, port=stub.port)
    raw = json.loads(path.read_text())
    path.write_text(json.dumps({**raw, "alerts": [{"when": "login lost", "run": ["true"]}]}))
    fill(path.with_name("teamclaude.history.db"), [facts(tokens=5)])
    return path


@pytest.mark.parametrize("name", LINES)
def test_no_field_is_lost(
    world: Path, cli: Callable[..., Ended], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*LINES[name], "--json"]
    if words[0] == "lab":
        words += ["--traffic", str(short_sessions(world.with_name("short.jsonl")))]
    monkeypatch.setattr(forecast, "play_world", partial(play_world, until=2 * 86400.0))
    ended = cli(*words)
    found = json.loads(ended.out)
    assert isinstance(found, dict), ended.err
    assert next(iter(found)) == "schema"
    assert lost(FIELDS[name], shape(found)) is None


def test_every_command_with_json_is_here() -> None:
    have = {command.name for command in all_commands() for each in command.options if "--json" in each.names}
    assert have == {words[0] for words in LINES.values()} | set(ELSEWHERE)
    assert set(FIELDS) == set(LINES)


@pytest.mark.parametrize("answer", [[], "text", 7, None])
def test_an_answer_that_is_no_object_is_one_line(
    world: Path, stub: Stub, cli: Callable[..., Ended], answer: object
) -> None:
    stub.answers["GET /teamclaude/explain/last"] = (200, answer)
    ended = cli("explain", "--json")
    told = "teamclaude: the server's answer can't be read: is it another version?\n"
    assert ended == (1, "", told)


def test_a_loss_is_seen() -> None:
    old = {"a": "number", "rows": [{"name": "str"}], "free": "NoneType"}
    assert lost(old, {**old, "more": "str", "a": "NoneType", "rows": []}) is None
    assert lost(old, {**old, "a": "str"}) == ".a: number became str"
    assert lost(old, {**old, "rows": [{}]}) == ".rows[].name is gone"


def test_the_json_of_switch_is_that_of_the_list(world: Path, cli: Callable[..., Ended]) -> None:
    assert json.loads(cli("switch", "--json").out) == {
        "schema": 1,
        "currentAccount": "bob",
        "accounts": [{"name": "alice@example.com", "status": "active"}],
        "pins": [{"session": None, "account": "alice"}],
        "projectPins": [],
        "routes": [],
    }
    assert cli("switch", "alice", "--json").status == 2
