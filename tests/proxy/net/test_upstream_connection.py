"""A connection to the upstream: requests out, responses in, against a scripted peer."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable

import pytest

from teamclaude.errors import UpstreamLostError, UpstreamProtocolError
from teamclaude.proxy.http.origin import Origin
from teamclaude.proxy.net.socket_wait import ClientWatch
from teamclaude.proxy.net.upstream_connection import (
    UpstreamConnection,
    UpstreamResponse,
    read_response,
)

Pair = Callable[[], tuple[socket.socket, socket.socket]]
ORIGIN = Origin("http", "127.0.0.1", 1)
NOBODY = ClientWatch(None)


class Wire:
    """A connection and the peer's end of it."""

    def __init__(self, pair: Pair, origin: Origin = ORIGIN) -> None:
        near, self.far = pair()
        self.connection = UpstreamConnection(near, origin)

    def answer(self, *pieces: bytes, method: str = "POST", timeout: float = 2.0) -> UpstreamResponse:
        for piece in pieces:
            self.far.sendall(piece)
        return read_response(self.connection, method, NOBODY, timeout)

    def reset(self) -> None:
        self.far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.far.close()


@pytest.fixture
def wire(tcp_pair: Pair) -> Wire:
    return Wire(tcp_pair)


def body_of(answer: UpstreamResponse) -> bytes:
    out = b""
    while not answer.complete:
        out += b"".join(answer.read(NOBODY, 2.0))
    return out


# --- heads --------------------------------------------------------------------------------------


def test_interim_answers_are_skipped(wire: Wire) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    answer = wire.answer(b"HTTP/1.1 100 Continue\r\n\r\n" + early + b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (answer.head.status, answer.head.headers, answer.complete, answer.reusable) == (
        204,
        [],
        True,
        True,
    )


def test_a_head_may_arrive_byte_by_byte(wire: Wire) -> None:
    head = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
    sender = threading.Thread(target=lambda: [wire.far.sendall(head[i : i + 1]) for i in range(len(head))])
    sender.start()
    assert body_of(wire.answer()) == b"hi"
    sender.join()


@pytest.mark.parametrize("end", [b"", b"\r\n\r\n"])
def test_a_huge_head_is_refused(wire: Wire, end: bytes) -> None:
    sender = threading.Thread(
        target=lambda: wire.far.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"x" * 80_000 + end)
    )
    sender.start()
    with pytest.raises(UpstreamProtocolError, match="head is l"):
        wire.answer()
    sender.join()


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01 no http\r\n\r\n",
        b"HTTP/2.0 200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"<html>\n\n",
    ],
)
def test_a_malformed_response_is_refused(wire: Wire, said: bytes) -> None:
    with pytest.raises(UpstreamProtocolError):
        wire.answer(said)


def test_an_end_before_the_response_loses_the_upstream(wire: Wire) -> None:
    wire.far.sendall(b"HTTP/1.1 20")
    wire.far.close()
    with pytest.raises(UpstreamLostError, match="closed the connection before it answered"):
        wire.answer()


def test_a_reset_before_the_response_loses_the_upstream(wire: Wire) -> None:
    wire.reset()
    with pytest.raises(UpstreamLostError, match="broke off"):
        wire.answer()


def test_silence_before_the_response_loses_the_upstream(wire: Wire) -> None:
    with pytest.raises(UpstreamLostError, match=r"sent no answer for 0\.02 s"):
        wire.answer(timeout=0.02)


# --- bodies -------------------------------------------------------------------------------------


def test_a_body_by_length(wire: Wire) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe", b"llo")
    assert (answer.has_buffered, body_of(answer), answer.body_bytes, answer.reusable) == (
        True,
        b"hello",
        5,
        True,
    )


def test_bytes_beyond_the_length_are_dropped_and_spoil_the_connection(wire: Wire) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhelloHTTP/1.1 200 OK\r\n\r\n")
    assert (body_of(answer), answer.reusable) == (b"hello", False)


def test_a_body_without_a_length_ends_with_the_connection(wire: Wire) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\n\r\nhello")
    wire.far.close()
    assert (body_of(answer), answer.reusable) == (b"hello", False)


def test_a_chunked_body(wire: Wire) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"5\r\nhello\r\n0\r\n\r\n")
    assert (body_of(answer), answer.reusable) == (b"hello", True)


def test_bytes_after_the_last_chunk_spoil_the_connection(wire: Wire) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\nmore")
    assert (body_of(answer), answer.reusable) == (b"x", False)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (b"Content-Length: 5\r\n\r\nhel", "ends after 3 bytes, expected 5"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel", "ends after 3 bytes, within its chunks"),
        (b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "ends after 5 bytes, within its chunks"),
    ],
)
def test_a_body_cut_short_loses_the_upstream(wire: Wire, said: bytes, words: str) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\n" + said)
    wire.far.close()
    with pytest.raises(UpstreamLostError, match=words):
        body_of(answer)
    assert not answer.reusable


@pytest.mark.parametrize("framing", [b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n", b""])
def test_a_reset_in_any_body_loses_the_upstream(wire: Wire, framing: bytes) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n")
    wire.reset()
    with pytest.raises(UpstreamLostError, match="broke off"):
        body_of(answer)


def test_malformed_chunks_lose_the_upstream(wire: Wire) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
    with pytest.raises(UpstreamProtocolError):
        body_of(answer)


def test_a_silent_body_loses_the_upstream(wire: Wire) -> None:
    answer = wire.answer(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    with pytest.raises(UpstreamLostError, match=r"sent no data for 0\.02 s"):
        answer.read(NOBODY, 0.02)


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.0 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n",
        b"HTTP/1.1 200\r\nConnection: x, Close\r\n",
    ],
)
def test_a_connection_that_announces_its_close_is_not_reused(wire: Wire, head: bytes) -> None:
    answer = wire.answer(head + b"Content-Length: 0\r\n\r\n")
    assert (answer.complete, answer.reusable) == (True, False)


# --- requests -----------------------------------------------------------------------------------

LARGE = bytes(range(256)) * 20_000  # 5 MB: more than the socket buffers take


def test_a_large_request_arrives_whole_at_a_slow_reader(wire: Wire) -> None:
    got = bytearray()

    def read() -> None:
        while len(got) < len(LARGE) + 1:
            got.extend(wire.far.recv(200_000))

    reader = threading.Thread(target=read)
    reader.start()
    wire.connection.send(b"H", memoryview(LARGE), NOBODY)
    reader.join(30)
    assert bytes(got) == b"H" + LARGE


class TakesSome:
    """A socket that takes so many bytes of what is offered, and no more."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = b""

    def sendmsg(self, pieces: list[bytes]) -> int:
        if not self.most:
            raise BlockingIOError
        self.taken = b"".join(pieces)[: self.most]
        return len(self.taken)


@pytest.mark.skipif(not hasattr(socket.socket, "sendmsg"), reason="no sendmsg on this system")
@pytest.mark.parametrize("most", [0, 1, 99, 100, 101, 100_099, 200_000])
def test_what_a_large_request_leaves_unsent_is_the_rest(wire: Wire, most: int) -> None:
    head, body = b"h" * 100, memoryview(bytearray(b"b" * 100_000))
    wire.connection.sock.close()
    sock = wire.connection.sock = TakesSome(most)  # type: ignore[assignment]
    rest = wire.connection.send_nowait(head, body)
    assert sock.taken + b"".join(rest) == head + body
    assert wire.connection.partly_sent is bool(rest) is (most < 100_100)


def test_an_answer_before_the_whole_body_was_taken_is_read(wire: Wire) -> None:
    head = b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nbig!"
    wire.far.sendall(head)
    wire.connection.send(b"H", LARGE, NOBODY)
    answer = wire.answer()
    assert (answer.head.status, body_of(answer)) == (413, b"big!")
    assert not answer.reusable, "half a request is on its way: the next would be taken for its rest"


def test_an_answer_that_is_followed_by_the_end_is_read(wire: Wire) -> None:
    wire.far.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nbig!")
    wire.far.shutdown(socket.SHUT_WR)
    wire.connection.send(b"H", LARGE, NOBODY)
    answer = wire.answer()
    assert (answer.head.status, body_of(answer), answer.reusable) == (413, b"big!", False)


def test_a_refused_write_on_a_reused_connection_loses_it_at_once(wire: Wire) -> None:
    wire.connection.reused = True
    wire.reset()
    time.sleep(0.01)

    def send_twice() -> None:
        wire.connection.send(b"H", b"", NOBODY)
        wire.connection.send(b"H", b"", NOBODY)

    with pytest.raises(UpstreamLostError, match="had closed the connection"):
        send_twice()


def test_an_upstream_that_takes_no_data_is_lost(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.upstream_connection.SEND_TIMEOUT_SEC", 0.05)
    with pytest.raises(UpstreamLostError, match=r"took no data for 0\.05 s"):
        wire.connection.send(b"H", LARGE, NOBODY)
