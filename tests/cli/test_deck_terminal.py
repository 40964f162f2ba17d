"""The Deck of a real server on a real terminal: every key, every way out, resizing, pasting, the bell."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("termios")

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.api_endpoints import ApiPace
from teamclaude.fakeapi.fake_account import FakeAccount
from tests.cli.support import KEY, accounts_in, free_port
from tests.cli.tty import Tty

pytestmark = pytest.mark.processes

SID = "3f2a91c0-1111-4222-8333-444444444444"
JSON = "application/json"
PASTE = "\x1b[200~{}\x1b[201~"


@pytest.fixture(scope="module")
def api() -> Iterator[FakeApi]:
    accounts = [
        FakeAccount(name, f"sk-ant-oat01-FAKE-{name}", five_hour_tokens=10**9, weekly_tokens=10**10)
        for name in ("alice", "bob")
    ]
    with FakeApi(accounts, seed=1, keep_bodies=False, pace=ApiPace(per_output_token=0.001)) as api:
        yield api


class Served(Tty):
    """A server with the accounts alice and bob before the fake API, showing its Deck."""

    def __init__(
        self, home: Path, api: FakeApi, accounts: tuple[str, ...] = ("alice", "bob"), **settings: Any
    ) -> None:
        self.port = free_port()
        self.path = home / ".config" / "teamclaude.json"
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        rows = [
            {"name": name, "type": "oauth", "accessToken": f"sk-ant-oat01-FAKE-{name}"} for name in accounts
        ]
        config = {"proxy": {"port": self.port, "host": "127.0.0.1", "apiKey": KEY}, "upstream": api.url}
        self.path.write_text(json.dumps({**config, "accounts": rows}))
        self.path.chmod(0o600)
        super().__init__("server", **settings)

    def ask(self, session: str = SID, hint: str = "[[tokens=2000]] [[reply=20]]") -> bytes:
        """One request of a session through the proxy."""
        message = {"role": "user", "content": [{"type": "text", "text": f"{hint} hi"}]}
        body = {"model": "claude-opus-4-8", "messages": [message], "max_tokens": 9000, "stream": True}
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/v1/messages?beta=true",
            json.dumps(body).encode(),
            {
                "x-teamclaude-key": KEY,
                "x-claude-code-session-id": session,
                "content-type": "application/json",
            },
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bytes(answer.read())


@pytest.fixture
def serve(private_home: Path, api: FakeApi) -> Iterator[Callable[..., Served]]:
    started: list[Served] = []

    def start(**settings: Any) -> Served:
        started.append(Served(private_home, api, **settings))
        started[-1].see(r"(?s)TeamClaude \S+  :\d+  (▲|\^) up.*Accounts")
        return started[-1]

    yield start
    for each in started:
        each.close()


def test_every_key(serve: Callable[..., Served]) -> None:
    deck = serve()
    for session in (SID, "bbbb0000-1111-4222-8333-444444444444"):
        assert b"message_stop" in deck.ask(session)
    deck.see("3f2a91c0 +live")
    deck.press("s", "pin all work to (alice|bob)")
    deck.press("j", "pin all work to (alice|bob)")
    deck.press("k", "pin all work to (alice|bob)")
    deck.press("\r", "all work goes to (alice|bob) from now on")
    deck.see("all work is pinned to it")
    deck.press("s", "pin all work")
    deck.press("u", "routed automatically again")
    deck.press("d", "disable or enable (alice|bob)")
    deck.press("\r", "gets no more work")
    deck.see("disabled")
    assert [account.get("disabled") for account in accounts_in(deck.path).values()].count(True) == 1
    deck.press("i", "s switch")
    deck.press("t", "s switch")
    deck.press("b", "the bell is off")
    deck.press("b", "the bell rings again")
    deck.press("/", "filter:")
    deck.press("3f2a", "filter: 3f2a")
    deck.see_no_more("bbbb0000")
    deck.press("\x1b", "bbbb0000")
    deck.press("?", "Keys and signs")
    deck.press("\x1b[6~", "Shift")
    deck.press("q", "── Accounts")
    deck.press("e", "Enter explain")
    deck.press("\r", r"(?s)POST /v1/messages\n.*outcome +served.*because")
    deck.press("\x1b", "── Accounts")
    deck.press("R", "config read again: nothing has changed")
    deck.press("a", "k API key")
    deck.press("k", "API key .not shown.")
    deck.press("sk-ant-", r"not shown.: •••••••( |$)")
    deck.press("\x15" + PASTE.format("sk-ant-api03-FAKE-pasted\n"), "•{24}")
    deck.press("\r", "api-1 is added")
    assert "api-1" in accounts_in(deck.path)
    deck.press("r", "remove (alice|bob|api-1)")
    deck.press("\x1b[B\x1b[B\x1b[B", "remove api-1")
    deck.press("\r", "Remove api-1 from the config file.")
    deck.press("n", "s switch")
    assert "api-1" in accounts_in(deck.path)
    deck.press("r\x1b[B\x1b[B\x1b[B\r", "Remove api-1")
    deck.press("y", "api-1 is removed")
    assert "api-1" not in accounts_in(deck.path)
    assert "sk-ant" not in "\n".join(deck.screen.text)
    deck.type("q")
    assert deck.end() == 0
    assert deck.restored
    assert "FAKE" not in deck.screen.loose


def test_quitting_asks_while_a_request_runs_and_lets_it_finish(serve: Callable[..., Served]) -> None:
    deck = serve()
    answers: list[bytes] = []
    asking = threading.Thread(
        target=lambda: answers.append(deck.ask(hint="[[tokens=20]] [[reply=1500]]")), daemon=True
    )
    asking.start()
    deck.see("1 in flight")
    deck.press("q", "1 request is in flight. Stop when they have finished")
    deck.press("n", "s switch")
    deck.press("q", "in flight. Stop")
    deck.type("y")
    deck.hear("stopping; running answers may finish")
    assert deck.restored
    assert deck.end() == 0
    asking.join(60)
    assert b"message_stop" in answers[0]


# Also by q and SIGTERM: other tests end so.
@pytest.mark.parametrize("way", ["ctrl-c", "SIGINT", "hangup"])
def test_the_terminal_is_restored_on_every_way_out(serve: Callable[..., Served], way: str) -> None:
    deck = serve()
    assert not deck.restored
    assert "1049" in deck.screen.modes
    assert "2004" in deck.screen.modes
    if way == "ctrl-c":
        deck.type("\x03")
    elif way == "hangup":
        os.close(deck.slave)
        os.close(deck.master)
        deck.master, deck.slave = os.openpty()  # for `close`
        assert deck.child.wait(60) is not None
        return
    else:
        deck.kill(getattr(signal, way))
    assert deck.end() == 0
    assert deck.restored
    assert "stopping" in deck.screen.loose


def test_a_failing_deck_restores_the_terminal_and_the_proxy_goes_on(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import os, threading\n"
        "from teamclaude.deck.ui import DeckUi\n"
        "real = DeckUi.draw\n"
        "def draw(self, *size):\n"
        "    if self.state.filter == 'x': raise RuntimeError('no such frame')\n"
        "    return real(self, *size)\n"
        "DeckUi.draw = draw\n"
    )
    deck = serve(
        PYTHONPATH=os.pathsep.join([str(tmp_path), *os.environ.get("PYTHONPATH", "").split(os.pathsep)])
    )
    deck.type("/x")
    deck.hear(r"the Deck broke \(RuntimeError: no such frame\); the proxy goes on with plain lines")
    deck.hear("TeamClaude .* on http")
    assert deck.restored
    assert b"message_stop" in deck.ask()
    deck.hear(r"POST /v1/messages .* 200")
    deck.type("\x03")
    assert deck.end() == 0


def test_a_process_that_is_killed_after_a_restart_leaves_the_terminal_in_order(
    serve: Callable[..., Served], monkeypatch: pytest.MonkeyPatch
) -> None:
    deck = serve()
    entered: list[str] = []
    obey = deck.screen._obey

    def noted(parameters: str, final: str) -> None:
        entered.extend(["again"] if (parameters, final) == ("?1049", "h") else [])
        obey(parameters, final)

    monkeypatch.setattr(deck.screen, "_obey", noted)
    request = urllib.request.Request(
        f"http://127.0.0.1:{deck.port}/teamclaude/restart", b"{}", {"x-teamclaude-key": KEY}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        pid = json.loads(answer.read())["pid"]
    deck.wait_until(lambda: bool(entered))
    deck.see("── Accounts")
    os.kill(pid, signal.SIGKILL)
    assert deck.end() == 1
    assert deck.restored
    assert f"teamclaude: process {pid}, which served, was killed" in deck.screen.loose


def test_it_follows_the_size_of_the_terminal_and_is_redrawn_after_a_stop(
    serve: Callable[..., Served],
) -> None:
    deck = serve()
    for columns, lines, seen in (
        (120, 40, "R reload"),
        (40, 8, "q quit"),
        (39, 8, "TeamClaude needs 40x8, this is 39x8"),
        (200, 60, "b bell"),
        (80, 24, "s switch"),
    ):
        deck.resize(columns, lines)
        deck.see(seen)
        assert deck.screen.columns == columns

    deck.type("\x1a")  # Ctrl-Z and fg
    deck.wait_until(lambda: stopped(deck.pid))
    deck.wait_until(lambda: deck.restored)
    deck.kill(signal.SIGCONT)
    deck.wait_until(lambda: "1049" in deck.screen.modes)
    deck.see("(?s)TeamClaude.*Accounts.*s switch")
    deck.press("?", "Keys and signs")
    deck.press("\x1b", "── Accounts")

    deck.kill(signal.SIGSTOP)
    deck.wait_until(lambda: stopped(deck.pid))
    deck.screen.resize(80, 24)  # another program wrote on it
    deck.kill(signal.SIGCONT)
    deck.see("(?s)TeamClaude.*Accounts.*s switch")
    deck.kill(signal.SIGTERM)
    assert deck.end() == 0
    assert deck.restored
    assert "stopping" in deck.screen.loose


def stopped(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
    except OSError:
        pytest.skip("no /proc to see a stopped process in")


def test_without_unicode_it_is_ascii(serve: Callable[..., Served]) -> None:
    deck = serve(LC_ALL="C", TERM="xterm")
    deck.ask()
    deck.see(r"\* (alice|bob) +active +Ses\[")
    assert "\n".join(deck.screen.text).isascii()
    deck.type("q")
    assert deck.end() == 0


def test_a_dumb_terminal_gets_plain_lines(private_home: Path, api: FakeApi) -> None:
    deck = Served(private_home, api, TERM="dumb")
    try:
        deck.hear("TeamClaude .* on http")
        deck.ask()
        deck.hear("POST /v1/messages")
        assert "\x1b" not in deck.screen.loose
        assert deck.screen.modes == set()
        deck.type("\x03")
        assert deck.end() == 0
    finally:
        deck.close()


def test_the_bell_rings_once_when_a_login_is_needed(serve: Callable[..., Served]) -> None:
    deck = serve(accounts=("alice", "eve"))
    deck.press("s", "pin all work to (alice|eve)")
    deck.press("/" if "to eve" in deck.screen.text[-1] else "j", "pin all work to eve")
    deck.press("\r", "all work goes to eve")
    assert deck.screen.bells == 0
    with contextlib.suppress(OSError):  # refused: the API does not know her
        deck.ask()
    deck.see("eve +login")
    deck.see("1 need login")
    assert deck.screen.bells == 1
    deck.type("q")
    assert deck.end() == 0
    assert deck.screen.bells == 1
