"""One request over a socket, and each way in which its answer may come."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from teamclaude.cli.http_exchange import BrokenOffError, HttpExchange, NotHttpError

HEAD = b"HTTP/1.1 200 OK\r\n"


class Peer:
    """A listener that answers one connection with these pieces, each after the one before was read."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.asked = b""

    def answer(self, *pieces: bytes) -> None:
        def serve() -> None:
            with contextlib.suppress(OSError):  # a test that refuses to ask may be over already
                serve_one()

        def serve_one() -> None:
            peer, _ = self._listener.accept()
            with peer:
                peer.settimeout(10)
                self.asked = peer.recv(65536)
                for piece in pieces:
                    peer.sendall(piece)

        threading.Thread(target=serve, daemon=True).start()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def ask() -> Iterator[Callable[..., HttpExchange]]:
    """Return a connected exchange with a peer that answers these pieces; `ask.peer` is its last peer."""
    peers: list[Peer] = []
    exchanges: list[HttpExchange] = []

    def start(*pieces: bytes) -> HttpExchange:
        peers.append(Peer())
        peers[-1].answer(*pieces)
        exchanges.append(HttpExchange("127.0.0.1", peers[-1].port, 10.0))
        exchanges[-1].connect()
        start.peer = peers[-1]  # type: ignore[attr-defined]
        return exchanges[-1]

    yield start
    for exchange in exchanges:
        exchange.close()
    for peer in peers:
        peer.close()


@pytest.mark.parametrize(
    ("pieces", "body"),
    [
        ((HEAD + b"Content-Length: 5\r\n\r\nhello, and more",), b"hello"),
        ((HEAD + b"Content-Length: 5\r\n\r\n", b"he", b"llo"), b"hello"),
        ((HEAD + b"Content-Length: 0\r\n\r\n",), b""),
        ((HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",), b"hello"),
        ((HEAD + b"\r\nhe", b"llo"), b"hello"),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
        ((b"HTTP/1.1 100 Continue\r\n\r\n", HEAD + b"Content-Length: 2\r\n\r\nhi"), b"hi"),
        ((b"HTTP/1.0 404 Not Found\r\nContent-Length: 2\r\n\r\nno",), b"no"),
    ],
)
def test_an_answer_is_read_to_its_end(
    ask: Callable[..., HttpExchange], pieces: tuple[bytes, ...], body: bytes
) -> None:
    answer = ask(*pieces).ask("GET", "/", None, {})
    assert b"".join(answer.chunks()) == body


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"HTTP/1.1 20",),
        (HEAD,),
        (HEAD + b"Content-Length: 5\r\n\r\nhe",),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhe",),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",),
    ],
)
def test_an_answer_that_breaks_off(ask: Callable[..., HttpExchange], pieces: tuple[bytes, ...]) -> None:
    exchange = ask(*pieces)
    with pytest.raises((BrokenOffError, ConnectionResetError)):
        b"".join(exchange.ask("GET", "/", None, {}).chunks())


@pytest.mark.parametrize(
    "pieces",
    [
        (b"SSH-2.0-OpenSSH_9\r\n",),
        (b"HTTP/2 200\r\n\r\n",),
        (HEAD + b"Content-Length: x\r\n\r\n",),
        (HEAD + b"X: " + b"a" * 70_000,),
        (HEAD + b"X: a\r\n" * 101 + b"\r\n",),
    ],
)
def test_what_is_not_http(ask: Callable[..., HttpExchange], pieces: tuple[bytes, ...]) -> None:
    exchange = ask(*pieces)
    with pytest.raises(NotHttpError):
        exchange.ask("GET", "/", None, {})


def test_what_is_sent(ask: Callable[..., HttpExchange]) -> None:
    exchange = ask(HEAD + b"Content-Length: 0\r\nX-Of: it\r\n\r\n")
    answer = exchange.ask("POST", "/a?b=1", b"{}", {"Content-Type": "application/json"})
    peer = ask.peer  # type: ignore[attr-defined]
    assert (answer.status, answer.reason, answer.headers[1]) == (200, "OK", ("X-Of", "it"))
    assert peer.asked.decode().split("\r\n") == [
        "POST /a?b=1 HTTP/1.1",
        f"Host: 127.0.0.1:{peer.port}",
        "Accept-Encoding: identity",
        "Connection: close",
        "Content-Length: 2",
        "Content-Type: application/json",
        "",
        "{}",
    ]


@pytest.mark.parametrize(
    ("target", "value"), [("/a b", ""), ("/\u00e4", ""), ("/", "a\r\nx: y"), ("/", "\u4f60")]
)
def test_no_line_of_a_request_can_become_two(
    ask: Callable[..., HttpExchange], target: str, value: str
) -> None:
    exchange = ask(HEAD + b"\r\n")
    with pytest.raises(NotHttpError):
        exchange.ask("GET", target, None, {"x-name": value})
