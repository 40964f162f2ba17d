"""`teamclaude status`, `capacity` and `explain`: with a proxy, without one, and with another program."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import Ended, Stub, free_port

CAPACITY = {
    "verdict": "green",
    "headroom": 9,
    "liveAccounts": 3,
    "benched": 0,
    "total": 3,
    "warmSessions": 0,
    "soonestResetSec": 0,
    "accounts": [],
    "lastResort": None,
    "at": "2026-11-23T12:00:00.000Z",
}
STATUS = {"capacity": CAPACITY, "system": {"version": "9.9", "proxyUptimeSec": 61}, "accounts": []}


def test_status_is_rendered(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/deck"] = (200, STATUS)
    ended = cli("status")
    assert ended.status == 0
    assert ended.err == ""
    assert re.match(r"TeamClaude 9\.9  ▲ up +up 1m\nCap GREEN · 9 headroom · 3/3 live\n", ended.out)
    assert "Activity" not in ended.out
    assert "\x1b" not in ended.out  # no terminal, no colour
    assert stub.asked[0].headers["x-teamclaude-key"] == "tc-FAKEproxykeyFAKEproxykey"


def test_status_shows_the_tunnels_to_other_hosts(stub: Stub, cli: Callable[..., Ended]) -> None:
    worked = {"host": "github.com:443", "open": 1, "tunnels": 3, "bytesUp": 1000, "bytesDown": 2_500_000}
    failed = {"host": "a.example:8443", "failed": 2, "problem": "no connection to a.example:8443: refused"}
    stub.answers["GET /teamclaude/deck"] = (200, {**STATUS, "tunnels": [worked, failed]})
    lines = cli("status").out.splitlines()[-3:]
    assert lines == [
        "Tunnels to other hosts, passed on as they are: 1 open",
        "  github.com:443  3 so far, 1 open, 0.0 MB up, 2.5 MB down",
        "  a.example:8443  0 so far, 0 open, 0.0 MB up, 0.0 MB down, 2 failed "
        "(no connection to a.example:8443: refused)",
    ]


def test_status_json_is_what_the_proxy_said(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/status"] = (200, STATUS)
    assert json.loads(cli("status", "--json").out) == {"schema": 1, **STATUS}


def test_colours_go_through_a_pipe_when_they_are_forced(
    stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answers["GET /capacity"] = (200, CAPACITY)
    assert "\x1b" not in cli("capacity").out
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[32mGREEN" in cli("capacity").out


@pytest.mark.parametrize(("variable", "painted"), [(None, True), ("NO_COLOR", False), ("TERM", False)])
def test_a_terminal_gets_colours(
    stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, variable: str, painted: bool
) -> None:
    stub.answers["GET /capacity"] = (200, CAPACITY)
    monkeypatch.setenv("TERM", "xterm")
    if variable:
        monkeypatch.setenv(variable, "dumb")
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    assert ("\x1b[32mGREEN" in cli("capacity").out) is painted


@pytest.mark.parametrize(("verdict", "status"), [("green", 0), ("yellow", 10), ("red", 20), ("mauve", 20)])
def test_capacity_has_an_exit_status(
    stub: Stub, cli: Callable[..., Ended], verdict: str, status: int
) -> None:
    stub.answers["GET /capacity"] = (200, {**CAPACITY, "verdict": verdict})
    assert cli("capacity").status == status
    ended = cli("capacity", "--json")
    assert ended.status == status
    assert json.loads(ended.out)["verdict"] == verdict
    assert ended.out.count("\n") == 1


def test_capacity_of_one_model(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/capacity/claude%2Fopus"] = (200, {**CAPACITY, "verdict": "red"})
    assert cli("capacity", "--model", "claude/opus").status == 20


LASTS = {"sec": 7200, "answer": "yes", "chance": 0.97, "dryFrom": None, "dryUntil": None}


@pytest.mark.parametrize(
    ("lasting", "status"),
    [
        ({}, 0),
        ({"answer": "maybe", "chance": 0.6}, 10),
        ({"answer": "no", "chance": 0.02}, 20),
        ({"answer": "unknown", "chance": None}, 10),  # the verdict's own
    ],
)
def test_capacity_for_a_time_says_whether_it_lasts(
    stub: Stub, cli: Callable[..., Ended], lasting: dict[str, Any], status: int
) -> None:
    answer = {**CAPACITY, "verdict": "yellow", "lasting": {**LASTS, **lasting}}
    stub.answers["GET /capacity?for=2h"] = (200, answer)
    ended = cli("capacity", "--for", "2h")
    assert ended.status == status
    assert " 2h" in ended.out.splitlines()[1]
    ended = cli("capacity", "--for", "2h", "--json")
    assert (ended.status, json.loads(ended.out)) == (status, {"schema": 1, **answer})


def test_capacity_for_a_time_of_a_server_that_does_not_know_the_question(
    stub: Stub, cli: Callable[..., Ended]
) -> None:
    stub.answers["GET /capacity?for=2h"] = (200, CAPACITY)
    ended = cli("capacity", "--for", "2h")
    assert ended.status == 0
    assert "can't be told" in ended.out


@pytest.mark.parametrize("span", ["2", "h", "-2h", "8d", "0m", "2h ", "1.5h"])
def test_a_time_that_is_none_is_refused_before_anything_is_asked(
    cli: Callable[..., Ended], span: str
) -> None:
    ended = cli("capacity", f"--for={span}")
    assert ended.status == 2
    assert "is no time such as 2h" in ended.err


def test_capacity_without_a_server_is_red(down: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("capacity", "--json")
    assert ended.status == 20
    assert ended.out == '{"schema":1,"verdict":"red","headroom":0,"error":"proxy unreachable"}\n'
    ended = cli("capacity")
    assert (ended.status, ended.out) == (20, "")
    assert "teamclaude server" in ended.err


@pytest.mark.parametrize(
    "words",
    [("status",), ("explain",), ("switch",), ("switch", "bob"), ("api", "/v1/models")],
    ids=lambda words: "-".join(words),
)
def test_without_a_server_one_line_names_the_port(
    down: Path, cli: Callable[..., Ended], words: tuple[str, ...]
) -> None:
    port = json.loads(down.read_text())["proxy"]["port"]
    line = f"teamclaude: no proxy answers at http://127.0.0.1:{port}; start it with: teamclaude server\n"
    assert cli(*words) == (1, "", line)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((200, b"<html>"), "another program answers"),
        ((401, {"error": {"message": "no key"}}), "does not accept the proxy.apiKey of"),
        ((500, {"error": {"message": "it broke"}}), "it broke"),
        ((500, {}), "answered 500 to /teamclaude/deck"),
    ],
)
def test_what_a_server_may_answer_instead(
    stub: Stub, cli: Callable[..., Ended], answer: tuple[int, Any], said: str
) -> None:
    stub.answers["GET /teamclaude/deck"] = answer
    ended = cli("status")
    assert ended.status == 1
    assert said in ended.err
    assert ended.err.count("\n") == 1


def test_a_port_that_is_no_http(cli: Callable[..., Ended], config: Callable[..., Path]) -> None:
    import socket
    import threading

    with socket.create_server(("127.0.0.1", 0)) as listener:
        config(port=listener.getsockname()[1])

        def greet() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(1000)
                peer.sendall(b"220 mail.example.com ESMTP\r\n")

        thread = threading.Thread(target=greet)
        thread.start()
        ended = cli("status")
        thread.join()
    assert ended.status == 1
    assert "another program answers" in ended.err


def test_another_program_on_the_port(config: Callable[..., Path], cli: Callable[..., Ended]) -> None:
    config(port=0)
    ended = cli("status")
    assert ended.status == 1
    assert "name the server's with --port" in ended.err


def test_the_environments_proxies_are_not_asked(
    stub: Stub, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    stub.answers["GET /teamclaude/deck"] = (200, STATUS)
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    assert cli("status").status == 0


# --- explain --------------------------------------------------------------------------------------

RECORD = {"request": "tc-1", "method": "POST", "path": "/v1/messages", "outcome": "served", "attempts": []}


def test_explain_asks_for_the_last_request(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/explain/last"] = (200, RECORD)
    ended = cli("explain")
    assert ended.status == 0
    assert ended.out.startswith("tc-1 POST /v1/messages\n")


def test_explain_asks_for_the_one_named(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/explain/a%2Fb"] = (200, RECORD)
    assert json.loads(cli("explain", "a/b", "--json").out) == {"schema": 1, **RECORD}


def test_an_unknown_request(stub: Stub, cli: Callable[..., Ended]) -> None:
    stub.answers["GET /teamclaude/explain/tc-0"] = (404, {"error": {"message": "No such request."}})
    assert cli("explain", "tc-0") == (1, "", "teamclaude: No such request.\n")


def test_status_has_a_line_on_each_rule(stub: Stub, cli: Callable[..., Ended]) -> None:
    rules = {
        "accounts": [{"name": "alice", "rules": "maxUsage 60%"}, {"name": "bo\x1bb"}],
        "spending": "~$3.20 of $20 today",
        "routes": [{"place": "routes[0]", "match": "claude-opus-*", "accounts": ["alice"], "block": ""}],
        "projectPins": [{"project": "/work/ac\x1bme", "account": "alice", "configured": True}],
    }
    stub.answers["GET /teamclaude/deck"] = (200, {**STATUS, **rules})
    lines = cli("status").out.splitlines()
    assert lines[lines.index("Rules") :] == [
        "Rules",
        "  alice         maxUsage 60%",
        "  all accounts  ~$3.20 of $20 today",
        "  routes[0]: claude-opus-*: only alice",
        "  project /work/acme is pinned to alice",
    ]
    stub.answers["GET /teamclaude/deck"] = (200, STATUS)
    assert "Rules" not in cli("status").out
