"""`teamclaude watch`: the Deck of a running server, by the config file or by its address, and as text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.proxy.server import ProxyServer
from tests.cli.support import ALICE, KEY, Ended, Stub, free_port

ROOT = Path(__file__).resolve().parents[3]
DECK = {"system": {"version": "9.9", "port": 1}, "accounts": [{"name": "alice", "status": "active"}]}


class Watching:
    """`teamclaude watch` with its output in a pipe."""

    def __init__(self, *words: str, **env: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "teamclaude", "watch", "--interval", "0.2", *words],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "COLUMNS": "120", **env},
        )
        self._timer = threading.Timer(20, self.process.kill)  # a test that hangs fails
        self._timer.start()

    def line_with(self, words: str) -> str:
        assert self.process.stdout is not None
        for shown in self.process.stdout:
            if words in shown:
                return shown.rstrip("\n")
        raise AssertionError(f"it ended without {words!r}")

    def end(self) -> None:
        self._timer.cancel()
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def watch() -> Iterator[Callable[..., Watching]]:
    started: list[Watching] = []

    def start(*words: str, **env: str) -> Watching:
        started.append(Watching(*words, **env))
        return started[-1]

    yield start
    for each in started:
        each.end()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ProxyServer]:
    """A server that wants its key from everybody, with a config file that is not the user's."""
    path = tmp_path / "other.json"
    proxy = {"port": 0, "host": "127.0.0.1", "apiKey": KEY, "trustLoopback": False}
    path.write_text(json.dumps({"proxy": proxy, "accounts": [ALICE]}))
    path.chmod(0o600)
    service = ProxyServer(ConfigFile(path, print))
    service.start()
    yield service
    service.stop(0)


def test_a_page_is_printed_whenever_it_changed(stub: Stub, watch: Callable[..., Watching]) -> None:
    stub.answers["GET /teamclaude/capacity"] = (200, {})
    stub.answers["GET /teamclaude/deck"] = (200, DECK)
    watching = watch()
    assert watching.line_with("TeamClaude") == "TeamClaude 9.9  :1  ▲ up"
    assert watching.line_with("◆ alice").startswith("◆ alice active")
    stub.answers["GET /teamclaude/deck"] = (200, {**DECK, "system": {"version": "10"}})
    assert watching.line_with("TeamClaude") == "TeamClaude 10  ▲ up"
    stub.answers["GET /teamclaude/deck"] = (500, {"error": {"message": "it broke"}})
    assert watching.line_with("TeamClaude") == "TeamClaude 10  ▼ unreachable"
    stub.answers["GET /teamclaude/deck"] = (200, DECK)
    assert watching.line_with("TeamClaude") == "TeamClaude 9.9  :1  ▲ up"


def test_another_machines_server_by_its_address_and_key(
    server: ProxyServer, watch: Callable[..., Watching]
) -> None:
    watching = watch("--url", server.urls[0], TEAMCLAUDE_KEY=KEY)
    assert watching.line_with("◆ alice@example.com").startswith("◆ alice@example.com active")


@pytest.mark.parametrize("key", ["", "tc-FAKE-wrong"])
def test_a_wrong_key_is_one_line(
    server: ProxyServer, cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("TEAMCLAUDE_KEY", key)
    ended = cli("watch", "--url", server.urls[0])
    assert ended.status == 1
    assert ended.out == ""
    assert ended.err.count("\n") == 1
    assert "TEAMCLAUDE_KEY" in ended.err if not key else "does not accept this key" in ended.err
    assert "wrong" not in ended.err


def test_no_server_is_one_line(down: Path, cli: Callable[..., Ended]) -> None:
    ended = cli("watch")
    assert ended.status == 1
    assert "start it with: teamclaude server" in ended.err
    ended = cli("watch", "--url", f"localhost:{free_port()}")
    assert ended.status == 1
    assert "no proxy answers at http://localhost:" in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--url", "ftp://host"), "not the address of a server"),
        (("--url", "http://me:secret@host"), "holds no name or key"),
        (("--url", "http://host", "--port", "1"), "leave --port out"),
        (("--interval", "0"), "number from"),
    ],
)
def test_contradicting_options(cli: Callable[..., Ended], words: tuple[str, ...], said: str) -> None:
    ended = cli("watch", *words)
    assert ended.status == 2
    assert said in ended.err


# --- on a terminal ----------------------------------------------------------------------------


@pytest.fixture
def tty() -> Iterator[Callable[..., Any]]:
    pytest.importorskip("termios")
    from tests.cli.tty import Tty

    started: list[Tty] = []

    def start(*words: str, **env: Any) -> Tty:
        started.append(Tty(*words, **env))
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_on_a_terminal_it_is_the_deck_read_only_and_finds_the_server_again(
    private_home: Path, config: Callable[..., Path], tty: Callable[..., Any]
) -> None:
    path = config(ALICE, port=free_port(), host="127.0.0.1")
    deck = tty("watch", "--interval", "0.2")
    deck.see("(?s)▼ unreachable.*no proxy answers at http://127.0.0.1:")
    service = ProxyServer(ConfigFile(path, print))
    service.start()
    try:
        deck.see("(?s)▲ up.*alice@example.com active.*read-only http://127.0.0.1")
        deck.press("d", "this Deck is read-only")
        deck.press("e", "no request is shown")
    finally:
        service.stop(0)
    deck.see("▼ unreachable")
    deck.see("alice@example.com active")
    deck.type("q")
    assert deck.end() == 0
    assert deck.restored


def test_ctrl_c_ends_the_watching(config: Callable[..., Path], tty: Callable[..., Any]) -> None:
    config(ALICE, port=free_port())
    deck = tty("watch")
    deck.see("▼ unreachable")
    deck.type("\x03")
    assert deck.end() == 130
    assert deck.restored


def test_the_key_of_another_machine_is_asked_for_hidden(server: ProxyServer, tty: Callable[..., Any]) -> None:
    deck = tty("watch", "--url", server.urls[0])
    deck.hear("Key of http://127.0.0.1:[0-9]+ .it is not shown.:")
    deck.type(f"{KEY}\n")
    deck.see("alice@example.com active")
    assert KEY not in deck.screen.loose
    deck.type("q")
    assert deck.end() == 0


def test_the_demo_shows_its_deck_and_ends_in_its_table(tty: Callable[..., Any]) -> None:
    deck = tty("demo", "--seconds", "60", "--speed", "60", size=(120, 40))
    deck.see("(?s)── Tree .* trees .*ENG-210.*OPS-31")
    deck.press("a", "k API key")
    deck.press("i", "it takes no account of yours")
    deck.type("q")
    deck.see_or_hear("y yes|client-visible errors")
    deck.type("y")
    assert deck.end() == 0
    assert deck.restored
    assert "client-visible errors       0" in deck.screen.loose
