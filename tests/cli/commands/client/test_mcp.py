"""`teamclaude mcp`: which proxy it asks, what it says without one, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.support import ALICE, KEY, Ended, Stub

ROOT = Path(__file__).resolve().parents[4]
HELLO = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
CAPACITY = {"verdict": "green", "headroom": 9, "liveAccounts": 3, "at": "2026-11-27T12:00:00.000Z"}


class Server:
    """`teamclaude mcp WORDS` with its ends in pipes."""

    def __init__(self, *words: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "teamclaude", "mcp", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **env},
        )

    def ask(self, method: str, **params: Any) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        self.process.stdin.write(json.dumps(message).encode() + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["result"]

    def call(self, name: str, meta: Any = None, **arguments: Any) -> Any:
        return self.ask("tools/call", name=name, arguments=arguments, _meta=meta or {})

    def text(self, name: str, **arguments: Any) -> str:
        result = self.call(name, **arguments)
        return f"{'error: ' if result['isError'] else ''}{result['content'][0]['text']}"

    def end(self) -> Ended:
        out, err = self.process.communicate(timeout=30)
        return Ended(self.process.returncode, out.decode(), err.decode())


@pytest.fixture
def mcp() -> Iterator[Callable[..., Server]]:
    """Start a server and shake hands."""
    started: list[Server] = []

    def start(*words: str, **env: str) -> Server:
        started.append(Server(*words, **env))
        started[-1].ask("initialize", protocolVersion="2025-11-25")
        return started[-1]

    yield start
    for each in started:
        each.process.kill()
        each.process.communicate()


def test_it_asks_the_proxy_of_the_config_file(stub: Stub, mcp: Callable[..., Server]) -> None:
    stub.answers["GET /teamclaude/capacity"] = (200, CAPACITY)
    server = mcp()
    assert server.text("capacity", sub_agents=5).startswith("Yes: start 5 sub-agents now.")
    assert stub.asked[0].headers["x-teamclaude-key"] == KEY
    ended = server.end()
    assert (ended.status, ended.out, ended.err) == (0, "", "")


def test_a_proxy_at_another_address_gets_the_key_of_the_environment(
    stub: Stub, down: Path, mcp: Callable[..., Server]
) -> None:
    stub.answers["GET /teamclaude/capacity"] = (200, CAPACITY)
    server = mcp("--url", f"http://127.0.0.1:{stub.port}", TEAMCLAUDE_KEY="tc-FAKE-other")
    assert server.text("capacity").startswith("Yes")
    assert stub.asked[0].headers["x-teamclaude-key"] == "tc-FAKE-other"


def test_without_a_proxy_each_call_says_so_and_the_next_may_work(
    down: Path, config: Callable[..., Path], mcp: Callable[..., Server]
) -> None:
    server = mcp()
    for tool in ("status", "capacity", "explain", "usage"):
        assert server.text(tool).startswith("error: no proxy answers at http://127.0.0.1:")
    stub = Stub()
    stub.answers["GET /teamclaude/capacity"] = (200, CAPACITY)
    config(ALICE, port=stub.port)  # it may have got another port, too
    assert server.text("capacity").startswith("Yes")
    stub.stop()


def test_a_wrong_key_and_a_missing_config_are_lines_of_the_tool(
    stub: Stub, config: Callable[..., Path], mcp: Callable[..., Server]
) -> None:
    stub.answers["GET /teamclaude/status"] = (401, {"error": {"message": "Invalid key."}})
    server = mcp()
    assert "does not accept the proxy.apiKey of " in server.text("status")
    config().unlink()
    assert "there is no config file yet" in server.text("status")


def test_explain_is_of_the_session_it_was_started_for(stub: Stub, mcp: Callable[..., Server]) -> None:
    server = mcp(CLAUDE_CODE_SESSION_ID="s1")
    for meta, session in (
        ({}, "s1"),
        ({"claudecode/sessionId": "s2"}, "s2"),
        ({"claudecode/sessionId": 7}, "s1"),
    ):
        stub.answers[f"GET /teamclaude/sessions/{session}/explain"] = (200, {"request": f"of {session}"})
        assert server.call("explain", meta)["structuredContent"]["request"] == f"of {session}"


def test_without_a_session_explain_is_of_the_last_of_all(stub: Stub, mcp: Callable[..., Server]) -> None:
    stub.answers["GET /teamclaude/explain/last"] = (200, {"request": "tc-2"})
    result = mcp(CLAUDE_CODE_SESSION_ID="").call("explain")
    assert result["structuredContent"]["request"] == "tc-2"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_without_a_word(mcp: Callable[..., Server], number: int) -> None:
    server = mcp()
    server.process.send_signal(number)
    assert server.process.wait(30) == 0
    ended = server.end()
    assert (ended.out, ended.err) == ("", "")


def test_a_client_that_reads_no_more_ends_it_without_a_word(mcp: Callable[..., Server]) -> None:
    server = mcp()
    assert server.process.stdin is not None
    assert server.process.stdout is not None
    server.process.stdout.close()
    server.process.stdin.write(b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n')
    server.process.stdin.flush()
    assert server.process.wait(30) == 0
    assert server.process.stderr is not None
    assert server.process.stderr.read() == b""


def test_words_that_name_no_proxy_are_refused_at_the_start(cli: Callable[..., Ended]) -> None:
    ended = cli("mcp", "--url", "ftp://x")
    assert (ended.status, ended.out) == (2, "")
    assert "is not the address of a server" in ended.err
    assert "leave --port out" in cli("mcp", "--url", "http://x", "--port", "1").err


def test_all_comes_out_as_lines_of_json_from_a_pipe_that_ends_at_once(stub: Stub) -> None:
    stub.answers["GET /teamclaude/capacity"] = (200, CAPACITY)
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "capacity"}}
    lines = [json.dumps(each) for each in (HELLO, call)]
    done = subprocess.run(
        [sys.executable, "-m", "teamclaude", "mcp"],
        cwd=ROOT,
        input="\ufeff" + "\r\n".join(lines),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [0, 1]
