"""Which proxy is asked, with which key, and that every answer or silence ends in time."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from teamclaude.cli.status_line import proxy_query
from teamclaude.cli.status_line.proxy_query import ProxyAddress, ask, proxy_address, uses_a_gateway
from tests.cli.support import free_port

BASE, HEADERS, TOKEN = "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_AUTH_TOKEN"


@pytest.mark.parametrize(
    ("env", "found"),
    [
        ({}, None),
        ({BASE: "http://127.0.0.1:3456"}, ProxyAddress("127.0.0.1", 3456)),
        ({BASE: "http://localhost:3456/"}, ProxyAddress("localhost", 3456)),
        ({BASE: "http://[::1]:3456"}, ProxyAddress("::1", 3456)),
        ({BASE: "http://127.0.0.1:1/acct/one/"}, ProxyAddress("127.0.0.1", 1, prefix="/acct/one")),
        ({BASE: "https://127.0.0.1", TOKEN: "tc-k"}, ProxyAddress("127.0.0.1", 443, True, "tc-k")),
        (
            {BASE: "http://127.0.0.1:1", HEADERS: "X-Mine: 1\nX-TeamClaude-Key:  tc-h \nx: 2", TOKEN: "tc-t"},
            ProxyAddress("127.0.0.1", 1, False, "tc-h"),
        ),
        (
            {BASE: "http://pool.lan:3456", HEADERS: "x-teamclaude-key: any"},
            ProxyAddress("pool.lan", 3456, False, "any"),
        ),
        ({BASE: "http://pool.lan:3456", TOKEN: "tc-k"}, ProxyAddress("pool.lan", 3456, False, "tc-k")),
        # A token that is none of ours goes nowhere, and a stranger is not asked.
        ({BASE: "http://127.0.0.1:4000", TOKEN: "sk-other"}, ProxyAddress("127.0.0.1", 4000)),
        ({BASE: "https://gateway.example", TOKEN: "sk-other"}, None),
        (
            {
                BASE: "https://h:1/tc",
                TOKEN: "any",
                "TEAMCLAUDE_URL": "https://h:1/tc",
                "TEAMCLAUDE_KEY": "any",
            },
            ProxyAddress("h", 1, True, "any", "/tc"),
        ),
        ({BASE: "https://h:1", TOKEN: "x", "TEAMCLAUDE_URL": "https://h:2", "TEAMCLAUDE_KEY": "any"}, None),
        ({BASE: "https://api.anthropic.com", TOKEN: "tc-k"}, None),
        (
            {"HTTPS_PROXY": "http://teamclaude:tc-k@127.0.0.1:3456"},
            ProxyAddress("127.0.0.1", 3456, False, "tc-k"),
        ),
        (
            {"https_proxy": "http://teamclaude:a%2Fb@127.0.0.1:3456/"},
            ProxyAddress("127.0.0.1", 3456, False, "a/b"),
        ),
        ({"HTTPS_PROXY": "http://corporate:pw@proxy.example:8080"}, None),
        ({"HTTPS_PROXY": "http://127.0.0.1:3456"}, None),
        (
            {BASE: "https://api.anthropic.com/", "HTTPS_PROXY": "http://teamclaude:tc-k@127.0.0.1:1"},
            ProxyAddress("127.0.0.1", 1, False, "tc-k"),
        ),
        ({BASE: "nonsense"}, None),
        ({BASE: "ftp://x"}, None),
        ({BASE: "http://"}, None),
        ({BASE: "http://127.0.0.1:99999"}, None),
        ({BASE: "http://127.0.0.1:x"}, None),
        ({BASE: "http://127.0.0.1:1/\r\nX: y"}, None),
    ],
)
def test_the_proxy_of_an_environment(env: dict[str, str], found: Optional[ProxyAddress]) -> None:
    assert proxy_address(env) == found


def test_who_has_another_base_url() -> None:
    assert uses_a_gateway({BASE: "https://gateway.example"})
    assert not uses_a_gateway({BASE: "https://API.anthropic.com"})
    assert not uses_a_gateway({})


# --- the question -------------------------------------------------------------------------------


class Server:
    """Answers each connection with these bytes after `pause` seconds; keeps what it was asked."""

    def __init__(self, answer: bytes, silent: bool = False, close: bool = True) -> None:
        self.asked: list[bytes] = []
        self._answer, self._silent, self._close = answer, silent, close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = ProxyAddress("127.0.0.1", self._listener.getsockname()[1], key="tc-k")
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            self.asked.append(sock.recv(65536))
            if not self._silent:
                sock.sendall(self._answer)
            if self._close and not self._silent:
                sock.close()

    def stop(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(30)
        for sock in self._open:
            sock.close()


@pytest.fixture
def server() -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(answer: bytes = b"", **more: Any) -> Server:
        made.append(Server(answer, **more))
        return made[-1]

    yield make
    for each in made:
        each.stop()


def reply(body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body


GOOD = b'{"service": "teamclaude", "at": 1}'


def test_the_question_and_its_answer(server: Callable[..., Server]) -> None:
    ours = server(reply(GOOD), close=False)  # the length ends it, not the connection
    answer = ask(ours.address, "s-1")
    assert answer is not None
    assert (answer.facts, answer.data) == ({"service": "teamclaude", "at": 1}, GOOD)
    (asked,) = ours.asked
    assert asked == (
        b"GET /teamclaude/statusline/s-1 HTTP/1.1\r\n"
        b"Host: 127.0.0.1:%d\r\nConnection: close\r\nx-teamclaude-key: tc-k\r\n\r\n" % ours.address.port
    )


def test_without_a_key_none_is_sent(server: Callable[..., Server]) -> None:
    ours = server(reply(GOOD))
    assert ask(ours.address._replace(key="", prefix="/p"), "") is not None
    assert ours.asked[0].startswith(b"GET /p/teamclaude/statusline/ HTTP")
    assert b"key" not in ours.asked[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"nonsense",
        reply(GOOD, "401 Unauthorized"),
        reply(b"[]"),
        reply(b'{"service": "another"}'),
        reply(b"{"),
        reply(b"\xff"),
        reply(b"[" * 60000),
        reply(GOOD)[:-3],
        b"HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
    ],
)
def test_what_is_no_answer_of_ours_is_none(server: Callable[..., Server], answer: bytes) -> None:
    assert ask(server(answer).address, "s-1") is None


def test_nobody_there() -> None:
    assert ask(ProxyAddress("127.0.0.1", free_port()), "s-1") is None
    assert ask(ProxyAddress("::1", free_port()), "s-1") is None


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "pool.lan"])
def test_a_silent_server_is_given_up(
    server: Callable[..., Server], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy_query, "LOOPBACK_SEC", 0.05)
    monkeypatch.setattr(proxy_query, "REMOTE_SEC", 0.05)
    silent = server(silent=True)
    assert ask(silent.address._replace(host=host), "s-1") is None


def test_a_look_up_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_query, "REMOTE_SEC", 0.05)
    hangs = threading.Event()

    def look_up(*_: object) -> None:
        hangs.wait(20)
        raise OSError

    monkeypatch.setattr(socket, "create_connection", look_up)
    began = time.monotonic()
    assert ask(ProxyAddress("pool.lan", 80, key="tc-k"), "s-1") is None
    assert time.monotonic() - began < 10
    hangs.set()
