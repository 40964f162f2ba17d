"""Who answers at the configured address."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.cli.doctor.facts.server_facts import ServerFacts, server_facts
from teamclaude.cli.doctor.subject import Subject
from teamclaude.proxy.lifecycle.who_answers import Presence
from teamclaude.proxy.server import ProxyServer
from teamclaude.snapshot import Snapshot, SystemView
from tests.cli.support import ALICE, KEY, Stub, free_port


def ask(path: Path, port: int, env: dict[str, str] | None = None, **proxy: Any) -> ServerFacts:
    raw: dict[str, Any] = {"port": port, "apiKey": KEY, **proxy}
    config = parse_config({"proxy": raw, "accounts": [ALICE]}, "")
    subject = Subject({**os.environ, **(env or {})}, path.parent, time.time(), path, config)
    return server_facts(subject, config)


@pytest.fixture
def server(config: Callable[..., Path]) -> Iterator[tuple[Path, int]]:
    """A real server; the path of its config file, and its port."""
    path = config(ALICE, port=0)
    proxy = ProxyServer(ConfigFile(path, warn=lambda line: None), port=0)
    proxy.start()
    yield path, proxy.port
    proxy.stop()


def test_our_server_tells_its_status(server: tuple[Path, int]) -> None:
    path, port = server
    facts = ask(path, port)
    assert facts.is_up
    assert ("127.0.0.1", Presence.TEAMCLAUDE) in [(host, answer.kind) for host, answer in facts.answers]
    assert facts.status is not None
    assert facts.status.accounts[0].name == ALICE["name"]
    assert facts.started_at is not None
    assert abs(time.time() - facts.started_at) < 600
    assert facts.others == ()


@pytest.mark.skipif(not os.path.exists("/proc/self/cmdline"), reason="nothing tells of the words there")
@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["server", "--host", "0.0.0.0"], True),
        (["server", "--host=0.0.0.0", "--port=1"], True),
        (["server", "--headless"], False),
        (["/opt/--host/teamclaude", "server"], False),
    ],
)
def test_a_host_in_the_words_of_its_start(tmp_path: Path, words: list[str], wanted: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()", *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        process.stdout.readline()
        stub = Stub()
        stub.answers["GET /teamclaude/status"] = (200, Snapshot(system=SystemView(pid=process.pid)).to_json())
        try:
            assert ask(tmp_path / "c.json", stub.port).has_own_host is wanted
        finally:
            stub.stop()
            process.communicate()


def test_a_server_with_another_key(server: tuple[Path, int], tmp_path: Path) -> None:
    path, port = server
    facts = ask(path, port, apiKey="tc-another-key", trustLoopback=False)
    # This process is one of the server's own user, so that even a wrong key may be let in.
    assert facts.is_up
    assert facts.status is not None or facts.is_refused


def test_nobody_and_another_program(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    assert {answer.kind for _, answer in ask(path, free_port()).answers} <= {
        Presence.NOBODY,
        Presence.UNREACHABLE,
    }
    stub = Stub()
    stub.answers["GET /health"] = (200, {"service": "other"})
    try:
        facts = ask(path, stub.port)
    finally:
        stub.stop()
    assert dict(facts.answers)["127.0.0.1"].kind is Presence.OTHER
    assert not facts.is_up
    assert all("x-teamclaude-key" not in asked.headers for asked in stub.asked)


def test_a_refusal_and_nonsense_are_lines(tmp_path: Path) -> None:
    stub = Stub()
    try:
        stub.answers["GET /teamclaude/status"] = (401, {"error": {"message": "no"}})
        refused = ask(tmp_path / "c.json", stub.port)
        stub.answers["GET /teamclaude/status"] = (200, {"accounts": 5})
        nonsense = ask(tmp_path / "c.json", stub.port)
    finally:
        stub.stop()
    assert refused.is_refused
    assert "does not accept" in refused.refusal
    assert (nonsense.status, nonsense.is_refused, bool(nonsense.refusal)) == (None, False, True)


def test_any_port_is_not_asked(tmp_path: Path) -> None:
    assert ask(tmp_path / "c.json", 0).answers == ()


def test_names_by_which_clients_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        here = {"box.lan": "127.0.0.1", "far.lan": "192.0.2.1"}
        return real(here.get(str(host), host), *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    port = free_port()
    env = {"TEAMCLAUDE_URL": f"http://box.lan:{port}", "ANTHROPIC_BASE_URL": f"http://far.lan:{port}"}
    (named,) = ask(tmp_path / "c.json", port, env).named
    assert (named.source, named.host, named.is_accepted) == ("TEAMCLAUDE_URL", "box.lan", False)
    (named,) = ask(tmp_path / "c.json", port, env, allowedHosts=["*.lan"]).named
    assert named.is_accepted
    for url in (f"http://127.0.0.1:{port}", f"http://localhost:{port}", "http://box.lan:1", "http://[", ""):
        assert ask(tmp_path / "c.json", port, {"TEAMCLAUDE_URL": url}).named == ()
    assert "a*b" in ask(tmp_path / "c.json", port, allowedHosts=["a*b"]).bad_names


def test_servers_with_one_config_file(server: tuple[Path, int]) -> None:
    path, port = server
    second = ProxyServer(ConfigFile(path, warn=lambda line: None), port=0)
    second.start()
    try:
        assert len(ask(path, port).others) == 2
    finally:
        second.stop()


@pytest.mark.parametrize(
    ("host", "is_plain"), [("localhost", False), ("127.0.0.2", False), ("0.0.0.0", True)]
)
def test_who_may_read_on_the_way(tmp_path: Path, host: str, is_plain: bool) -> None:
    assert ask(tmp_path / "c.json", 0, host=host).is_plain is is_plain
    tls = {"cert": "/none", "key": "/none"}
    assert not ask(tmp_path / "c.json", 0, host=host, tls=tls).is_plain
