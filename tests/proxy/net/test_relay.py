"""The relay: the same bytes, as soon as they arrive, and never a false end."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from teamclaude.errors import ClientGoneError, UpstreamLostError
from teamclaude.proxy.http.framing import BodyKind, Framing
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net.client_connection import ClientConnection
from teamclaude.proxy.net.event_loop import EventLoop
from teamclaude.proxy.net.relay import relay
from teamclaude.proxy.net.socket_wait import ClientWatch
from teamclaude.proxy.net.upstream_connection import UpstreamConnection, UpstreamResponse, read_response
from tests.proxy.net.conftest import half_close

Pair = Callable[[], tuple[socket.socket, socket.socket]]
HEAD = b"HTTP/1.1 200 OK\r\n\r\n"
CHUNKED = Framing(BodyKind.CHUNKED)
UNTIL_CLOSE = Framing(BodyKind.UNTIL_CLOSE)


class Bridge:
    """An upstream, the relay in a thread, and a reader; an event loop relays later pieces."""

    def __init__(self, client_pair: Pair, pair: Pair, event_loop: Optional[EventLoop] = None) -> None:
        self.reader, here = client_pair()
        there, self.upstream = pair()
        self.client = ClientConnection(here, 5.0, 5.0, 5.0)
        self.connection = UpstreamConnection(there, Origin("http", "127.0.0.1", 1))
        self.event_loop = event_loop
        self.seen = b""
        self.error: Optional[BaseException] = None
        self._thread = threading.Thread(target=lambda: None)

    def answer(self, data: bytes) -> UpstreamResponse:
        self.upstream.sendall(data)
        return read_response(self.connection, "POST", ClientWatch(None), 5.0)

    def start(self, answer: UpstreamResponse, framing: Framing, idle: float = 5.0, **more: Any) -> None:
        def run() -> None:
            try:
                relay(
                    answer, self.client, HEAD, framing, [self._see], idle, event_loop=self.event_loop, **more
                )
            except BaseException as error:
                self.error = error

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def _see(self, piece: Any) -> None:
        self.seen += bytes(piece)

    def read(self, count: int) -> bytes:
        out = b""
        while len(out) < count:
            data = self.reader.recv(count - len(out))
            assert data, f"ended after {out!r}"
            out += data
        return out

    def end(self) -> bytes:
        """Return all that was still sent, once the relay has returned."""
        self._thread.join(30)
        assert not self._thread.is_alive()
        self.client.end()
        half_close(self.client.sock)
        return b"".join(iter(lambda: self.reader.recv(65536), b""))


@pytest.fixture(params=["in a thread", "in the loop"])
def event_loop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Optional[EventLoop]]:
    monkeypatch.setattr("teamclaude.proxy.net.event_loop.IDLE_EXIT_SEC", 0.0)
    made = EventLoop() if request.param == "in the loop" else None
    yield made
    if made is not None:
        made.close()
    assert "event-loop" not in [thread.name for thread in threading.enumerate()]


@pytest.fixture
def bridge(client_pair: Pair, tcp_pair: Pair, event_loop: Optional[EventLoop]) -> Bridge:
    return Bridge(client_pair, tcp_pair, event_loop)


def test_the_head_is_sent_before_the_body_comes(bridge: Bridge) -> None:
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    bridge.start(answer, answer.framing)
    assert bridge.read(len(HEAD)) == HEAD
    bridge.upstream.sendall(b"he")
    assert bridge.read(2) == b"he"
    bridge.upstream.sendall(b"llo")
    assert bridge.end() == b"llo"
    assert (bridge.error, bridge.seen) == (None, b"hello")


def test_chunks_pass_as_they_come_and_end_when_the_upstream_s_do(bridge: Bridge) -> None:
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    bridge.start(answer, CHUNKED)
    assert bridge.read(len(HEAD)) == HEAD
    bridge.upstream.sendall(b"3;ext=1\r\none\r\n")
    assert bridge.read(8) == b"3\r\none\r\n"
    bridge.upstream.sendall(b"10")  # a size line that is not there yet
    bridge.upstream.sendall(b"\r\n" + b"x" * 16 + b"\r\n0\r\nX-Trailer: 1\r\n\r\n")
    assert bridge.end() == b"10\r\n" + b"x" * 16 + b"\r\n0\r\n\r\n"
    assert (bridge.error, bridge.seen) == (None, b"one" + b"x" * 16)


def test_whole_chunks_keep_their_borders_and_broken_ones_are_refused(bridge: Bridge) -> None:
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    bridge.start(answer, CHUNKED)
    assert bridge.read(len(HEAD)) == HEAD
    bridge.upstream.sendall(b"3\r\none\r\n")
    assert bridge.read(8) == b"3\r\none\r\n"
    two = b"3\r\ntwo\r\n5\r\nthree\r\n"
    bridge.upstream.sendall(two)
    expected = b"8\r\ntwothree\r\n" if bridge.event_loop is None else two
    assert bridge.read(len(expected)) == expected
    bridge.upstream.sendall(b"3\r\nfour\r\n")
    bridge.end()
    assert isinstance(bridge.error, UpstreamLostError)
    assert bridge.seen == b"onetwothree"


def test_what_came_with_the_head_leaves_with_the_head(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []

    def send(data: bytes) -> int:
        sent.append(bytes(data))
        return len(data)

    monkeypatch.setattr(bridge.client, "send_nowait", send)
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    relay(answer, bridge.client, HEAD, CHUNKED, [], 1.0)
    assert sent == [HEAD + b"5\r\nhello\r\n0\r\n\r\n"]


@pytest.mark.parametrize(
    ("upstream", "framing", "expected"),
    [
        (b"Content-Length: 0\r\n\r\n", Framing(BodyKind.LENGTH, 0), HEAD),
        (b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", CHUNKED, HEAD + b"0\r\n\r\n"),
        (b"Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", UNTIL_CLOSE, HEAD + b"hi"),
        (b"Content-Length: 2\r\n\r\nhi", Framing(BodyKind.LENGTH, 2), HEAD + b"hi"),
        (b"Content-Length: 2\r\n\r\nhi", CHUNKED, HEAD + b"2\r\nhi\r\n0\r\n\r\n"),
        (b"Content-Length: 0\r\n\r\n", CHUNKED, HEAD + b"0\r\n\r\n"),
    ],
)
def test_every_framing_to_every_framing(
    bridge: Bridge, upstream: bytes, framing: Framing, expected: bytes
) -> None:
    bridge.start(bridge.answer(b"HTTP/1.1 200 OK\r\n" + upstream), framing)
    assert bridge.end() == expected
    assert bridge.error is None


def test_an_empty_body_ends_an_answer_whose_head_was_sent(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[bytes] = []
    monkeypatch.setattr(bridge.client, "send", lambda data: sent.append(bytes(data)))
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    relay(answer, bridge.client, b"", CHUNKED, [], 1.0)
    assert b"".join(sent) == b"0\r\n\r\n"


def test_a_body_until_close_gets_its_last_chunk(bridge: Bridge) -> None:
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\n\r\nhello")
    bridge.upstream.close()
    bridge.start(answer, CHUNKED)
    assert bridge.end() == HEAD + b"5\r\nhello\r\n0\r\n\r\n"


def test_pieces_already_read_come_first(bridge: Bridge) -> None:
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n")
    first = answer.read(ClientWatch(None), 1.0)
    bridge.start(answer, CHUNKED, first_pieces=first)
    assert bridge.read(len(HEAD) + 8) == HEAD + b"3\r\none\r\n"
    bridge.upstream.sendall(b"3\r\ntwo\r\n0\r\n\r\n")
    assert bridge.end() == b"3\r\ntwo\r\n0\r\n\r\n"
    assert bridge.seen == b"onetwo"


def test_pieces_already_read_may_be_all(bridge: Bridge) -> None:
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n")
    bridge.start(answer, CHUNKED, first_pieces=answer.read(ClientWatch(None), 1.0))
    assert bridge.end() == HEAD + b"3\r\none\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    ("upstream", "framing"),
    [
        (b"Content-Length: 9\r\n\r\nhello", Framing(BodyKind.LENGTH, 9)),
        (b"Transfer-Encoding: chunked\r\n\r\n9\r\nhello", CHUNKED),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", CHUNKED),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", CHUNKED),
        (b"Content-Length: 9\r\n\r\nhello", CHUNKED),
    ],
)
@pytest.mark.parametrize("how", ["fin", "rst"])
def test_a_body_that_breaks_off_gets_no_end(
    bridge: Bridge, upstream: bytes, framing: Framing, how: str
) -> None:
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\n" + upstream)
    bridge.start(answer, framing)
    assert bridge.read(len(HEAD)) == HEAD
    bridge.read(5)
    if how == "rst":
        bridge.upstream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    bridge.upstream.close()
    assert not bridge.end().endswith(b"0\r\n\r\n")
    assert isinstance(bridge.error, UpstreamLostError)


def test_a_silent_upstream_is_lost(bridge: Bridge) -> None:
    bridge.start(bridge.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), CHUNKED, idle=0.03)
    assert bridge.end() == HEAD + b"5\r\nhello\r\n"
    assert isinstance(bridge.error, UpstreamLostError)


def test_a_client_that_left_is_not_the_upstream_s_failure(bridge: Bridge) -> None:
    bridge.start(
        bridge.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello"), Framing(BodyKind.LENGTH, 9)
    )
    assert bridge.read(len(HEAD) + 5) == HEAD + b"hello"
    bridge.reader.close()
    bridge._thread.join(1.0)
    assert isinstance(bridge.error, ClientGoneError)


def test_a_client_that_takes_nothing_is_gone_after_its_limit(bridge: Bridge) -> None:
    bridge.client = ClientConnection(bridge.client.sock, 5.0, 5.0, 0.05)
    answer = bridge.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\nx")
    bridge.start(answer, answer.framing)

    def pour() -> None:
        try:
            while bridge.error is None:
                bridge.upstream.sendall(b"x" * 100_000)
        except OSError:
            pass

    pouring = threading.Thread(target=pour, daemon=True)
    pouring.start()
    bridge._thread.join(30)
    assert isinstance(bridge.error, ClientGoneError)
    assert "read nothing for 0.05 s" in str(bridge.error)
    bridge.connection.close()
    pouring.join(30)


def test_large_bodies_arrive_whole(bridge: Bridge) -> None:
    body = bytes(range(256)) * 8_000
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    wire = b"".join(
        b"%x\r\n%b\r\n" % (len(body[i : i + 70_001]), body[i : i + 70_001])
        for i in range(0, len(body), 70_001)
    )
    answer = bridge.answer(head)
    pouring = threading.Thread(target=bridge.upstream.sendall, args=(wire + b"0\r\n\r\n",))
    pouring.start()
    bridge.start(answer, UNTIL_CLOSE)
    assert bridge.read(len(HEAD) + len(body)) == HEAD + body
    pouring.join()
    assert (bridge.end(), bridge.seen) == (b"", body)
