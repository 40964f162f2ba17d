"""`status` and `capacity` of several servers: exit status, JSON, and the lines about those that are gone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.cli.support import Ended, Stub, free_port

GREEN = {
    "verdict": "green",
    "headroom": 3,
    "liveAccounts": 1,
    "benched": 0,
    "total": 1,
    "warmSessions": 1,
    "soonestResetSec": 0,
    "accounts": [{"name": "alice", "status": "active", "live": True}],
    "at": "2026-11-23T12:00:00.000Z",
}
RED = {**GREEN, "verdict": "red", "headroom": 0, "liveAccounts": 0, "benched": 1, "soonestResetSec": 60}
RED["accounts"] = [{"name": "bob", "status": "benched", "benched": True, "benchSec": 60, "streak": 1}]
DECK = {"system": {"version": "9.9"}, "capacity": GREEN, "accounts": [{"name": "alice", "status": "active"}]}


@pytest.fixture
def stubs() -> Iterator[tuple[Stub, Stub]]:
    both = Stub(), Stub()
    yield both
    for stub in both:
        stub.stop()


@pytest.fixture
def pool(stubs: tuple[Stub, Stub], cli: Callable[..., Ended]) -> Callable[..., Ended]:
    """Run a command for both servers, with the answers given first."""

    def run(path: str, answers: list[Any], *words: str) -> Ended:
        for stub, answer in zip(stubs, answers):
            stub.answers[f"GET {path}"] = answer if isinstance(answer, tuple) else (200, answer)
        urls = [word for stub in stubs for word in ("--url", f"127.0.0.1:{stub.port}")]
        return cli(*words, *urls)

    return run


@pytest.mark.parametrize(
    ("answers", "status", "verdict"),
    [
        ([GREEN, GREEN], 0, "green"),
        ([GREEN, RED], 10, "yellow"),
        ([RED, RED], 20, "red"),
        ([GREEN, (500, {})], 10, "yellow"),
        ([GREEN, {"accounts": 3}], 10, "yellow"),
        ([(401, {}), (403, {})], 20, "red"),
    ],
)
def test_capacity_is_that_of_all_together(
    pool: Callable[..., Ended], answers: list[Any], status: int, verdict: str
) -> None:
    ended = pool("/capacity", answers, "capacity", "--json")
    found = json.loads(ended.out)
    assert (ended.status, found["verdict"], ended.out.count("\n")) == (status, verdict, 1)
    assert len(found["servers"]) == 2
    assert all((part["capacity"] is None) is bool(part["error"]) for part in found["servers"])
    assert [row["server"] for row in found["accounts"]] == [
        part["url"] for part in found["servers"] if part["capacity"]
    ]
    assert ("error" in found) is all(part["error"] for part in found["servers"])


def test_capacity_in_lines(pool: Callable[..., Ended], stubs: tuple[Stub, Stub]) -> None:
    ended = pool("/capacity", [GREEN, RED], "capacity")
    a, b = (f":{stub.port}" for stub in stubs)
    assert ended.out.splitlines() == [
        "🟡 YELLOW  headroom 3 session(s) · live 1/2 · benched 1 · warm 2 · next free 1m",
        f"  {a}  🟢 GREEN  headroom 3 session(s) · live 1/1 · benched 0 · warm 1",
        f"    {a}/alice  live",
        f"  {b}  🔴 RED  headroom 0 session(s) · live 0/1 · benched 1 · warm 1 · next free 1m",
        f"    {b}/bob  benched 1m (streak 1)",
    ]
    assert ended.err == ""


def test_a_login_on_both_servers_is_told(pool: Callable[..., Ended]) -> None:
    ended = pool("/capacity", [GREEN, GREEN], "capacity")
    assert ended.err == (
        "teamclaude: alice: on several servers; if that is one login, its room is counted twice\n"
    )


@pytest.mark.parametrize(
    ("answers", "status", "line"),
    [
        (["yes", "yes"], 0, "The pool lasts 2h: each server says so."),
        (["no", "no"], 20, "The pool does not last 2h: no server does."),
        (["yes", "no"], 10, "The pool may last 2h: the servers differ, and work may move between them."),
        (["yes", "unknown"], 0, "Whether the pool lasts 2h can't be told: not every server can tell."),
    ],
)
def test_whether_it_lasts(pool: Callable[..., Ended], answers: list[str], status: int, line: str) -> None:
    said = [{**GREEN, "lasting": {"sec": 7200, "answer": answer}} for answer in answers]
    ended = pool("/capacity?for=2h", said, "capacity", "--for", "2h")
    assert (ended.status, ended.out.splitlines()[1].strip()) == (status, line)
    lasting = json.loads(pool("/capacity?for=2h", said, "capacity", "--for", "2h", "--json").out)["lasting"]
    assert (lasting["sec"], lasting["chance"]) == (7200, None)


def test_a_server_that_is_gone_has_its_line(cli: Callable[..., Ended], stubs: tuple[Stub, Stub]) -> None:
    stubs[0].answers["GET /capacity"] = (200, GREEN)
    dead = free_port()
    ended = cli("capacity", "--url", f"127.0.0.1:{stubs[0].port}", "--url", f"127.0.0.1:{dead}")
    assert ended.status == 10
    assert ended.out.splitlines()[-1] == f"  :{dead}  unreachable"
    assert ended.err.startswith(f"teamclaude: :{dead}: no proxy answers at http://127.0.0.1:{dead}")
    assert ended.err.count("\n") == 1


def test_status_shows_one_pool(pool: Callable[..., Ended], stubs: tuple[Stub, Stub]) -> None:
    ended = pool("/teamclaude/deck", [DECK, DECK], "status")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("TeamClaude 9.9 on 2 servers  ▲ up")
    for stub in stubs:
        assert f"◆ :{stub.port}/alice active" in ended.out
    ended = pool("/teamclaude/deck", [DECK, (500, {})], "status")
    assert (ended.status, ended.err.count("\n")) == (0, 1)
    assert f"◆ :{stubs[1].port}/?     unreachable" in ended.out
    ended = pool("/teamclaude/deck", [[], (500, {})], "status")
    assert (ended.status, ended.out, ended.err.count("\n")) == (1, "", 2)


def test_status_as_json_has_each_server_s_own(pool: Callable[..., Ended]) -> None:
    ended = pool("/teamclaude/status", [DECK, (403, {"error": {"message": "no"}})], "status", "--json")
    found = json.loads(ended.out)
    assert (ended.status, found["schema"]) == (0, 1)
    assert [(row["error"], row["status"]) for row in found["servers"]] == [(None, DECK), ("no", None)]
