"""The client's connection: heads and bodies in, bytes out, endings."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest

from teamclaude.errors import BodyTooLargeError, ClientGoneError, RequestTimeoutError
from teamclaude.proxy.http.framing import BodyKind, Framing
from teamclaude.proxy.net.client_connection import ClientConnection

Pair = Callable[[], tuple[socket.socket, socket.socket]]
HEAD = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Ends:
    """A ClientConnection and the peer's socket."""

    def __init__(self, pair: Pair, head_sec: float = 2.0, body_sec: float = 2.0) -> None:
        self.peer, here = pair()
        self.client = ClientConnection(here, head_sec, body_sec, 0.2)

    def says(self, data: bytes) -> ClientConnection:
        self.peer.sendall(data)
        return self.client


def target_of(client: ClientConnection) -> str:
    """Return the target of the client's next request."""
    head = client.next_head()
    assert head is not None
    return head.target


@pytest.fixture
def ends(client_pair: Pair) -> Ends:
    return Ends(client_pair)


def test_heads_are_taken_one_by_one(ends: Ends) -> None:
    client = ends.says(HEAD + HEAD.replace(b"/health", b"/other") + b"GET /third")
    assert [target_of(client) for _ in range(2)] == ["/health", "/other"]
    assert client.has_buffered
    ends.says(b" HTTP/1.1\r\n\r\n")
    assert target_of(client) == "/third"
    assert not client.has_buffered


def test_empty_lines_before_a_request_are_skipped(ends: Ends) -> None:
    for lines in (b"\r\n", b"\r\n\r\n\r\n"):
        assert target_of(ends.says(lines + HEAD)) == "/health"


def test_an_empty_line_alone_leaves_the_connection_idle(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.client_connection.KEEP_ALIVE_SEC", 0.02)
    ends.client.admitted = True
    assert ends.says(b"\r\n").next_head() is None
    assert ends.client.idle


@pytest.mark.parametrize("said", [b"", b"GET /hea", b"GET /health HTTP/1.1\r\nHost"])
def test_a_client_that_leaves_within_a_head_made_no_request(ends: Ends, said: bytes) -> None:
    ends.says(said)
    ends.peer.close()
    assert ends.client.next_head() is None


def test_an_idle_connection_is_closed_silently(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.client_connection.KEEP_ALIVE_SEC", 0.02)
    ends.client.admitted = True
    assert ends.client.next_head() is None


@pytest.mark.parametrize("said", [b"", b"\r\n"])
def test_a_silent_unadmitted_connection_is_closed_after_the_time_for_heads(
    tcp_pair: Pair, said: bytes
) -> None:
    ends = Ends(tcp_pair, head_sec=0.02)
    assert ends.says(said).next_head() is None
    assert ends.client.idle


def test_what_came_before_the_first_head_counts_to_its_time(tcp_pair: Pair) -> None:
    """As a TLS handshake would."""
    peer, here = tcp_pair()
    client = ClientConnection(here, 60.0, 2.0, 0.2, time.monotonic() - 60.0)
    assert client.next_head() is None
    client = ClientConnection(here, 60.0, 2.0, 0.2, time.monotonic())
    peer.sendall(HEAD)
    head = client.next_head()
    assert head is not None
    assert head.target == "/health"


def test_a_head_that_trickles_is_not_given_more_time_by_each_byte(tcp_pair: Pair) -> None:
    ends = Ends(tcp_pair, head_sec=0.1)
    stop = threading.Event()

    def trickle() -> None:
        while not stop.wait(0.02):
            ends.peer.sendall(b"x")

    ends.says(b"GET /")
    thread = threading.Thread(target=trickle)
    thread.start()
    began = time.monotonic()
    with pytest.raises(RequestTimeoutError, match=r"head did not arrive within 0\.1 s"):
        ends.client.next_head()
    assert time.monotonic() - began < 1.0
    stop.set()
    thread.join()


def test_idle_means_between_requests(ends: Ends) -> None:
    assert ends.client.idle
    ends.says(HEAD).next_head()
    assert not ends.client.idle


# --- bodies -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 65536, (1 << 20) + 1, 5_000_000])
@pytest.mark.parametrize("kind", [BodyKind.LENGTH, BodyKind.CHUNKED])
def test_a_body_arrives_whole_and_nothing_more_of_it(ends: Ends, size: int, kind: BodyKind) -> None:
    body = bytes(n % 251 for n in range(997)) * (size // 997 + 1)
    body = body[:size]
    wire = (
        body if kind is BodyKind.LENGTH else (b"%x\r\n%b\r\n" % (size, body) if size else b"") + b"0\r\n\r\n"
    )
    sender = threading.Thread(target=ends.peer.sendall, args=(HEAD + wire + HEAD,))
    sender.start()
    assert ends.client.next_head() is not None
    assert bytes(ends.client.read_body(Framing(kind, size), 10 << 20)) == body
    assert target_of(ends.client) == "/health"
    sender.join()


def test_no_framing_is_no_body(ends: Ends) -> None:
    ends.says(HEAD + b"x").next_head()
    assert ends.client.read_body(Framing(BodyKind.NONE), 0) == b""
    assert ends.client.has_buffered


def test_an_announced_size_takes_no_memory(ends: Ends) -> None:
    with pytest.raises(BodyTooLargeError, match="larger than 64 MiB"):
        ends.client.read_body(Framing(BodyKind.LENGTH, 10**18), 64 << 20)


def test_expect_continue_is_answered_unless_the_body_has_begun(ends: Ends) -> None:
    ends.says(HEAD + b"hello").next_head()
    assert ends.client.read_body(Framing(BodyKind.LENGTH, 5), 10, expects_continue=True) == b"hello"
    ends.peer.setblocking(False)
    with pytest.raises((BlockingIOError, ssl.SSLWantReadError)):
        ends.peer.recv(1)
    ends.peer.settimeout(30)
    reader = threading.Thread(
        target=lambda: ends.peer.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n" and ends.says(b"hello")
    )
    reader.start()
    assert ends.client.read_body(Framing(BodyKind.LENGTH, 5), 10, expects_continue=True) == b"hello"
    assert not ends.client.response_started, "it is no answer yet"
    reader.join()


@pytest.mark.parametrize("kind", [BodyKind.LENGTH, BodyKind.CHUNKED])
def test_a_body_that_stalls_differs_from_one_that_is_cut_off(client_pair: Pair, kind: BodyKind) -> None:
    ends = Ends(client_pair, body_sec=0.03)
    ends.says(b"9\r\nhello")
    with pytest.raises(RequestTimeoutError, match=r"no more of the body arrived for 0\.03 s"):
        ends.client.read_body(Framing(kind, 12), 100)
    ends = Ends(client_pair)
    ends.says(b"9\r\nhello")
    ends.peer.close()
    with pytest.raises(ClientGoneError):
        ends.client.read_body(Framing(kind, 12), 100)


# --- endings ------------------------------------------------------------------------------------


def test_writing_to_a_client_that_left_raises(ends: Ends) -> None:
    ends.peer.close()

    def send_much() -> None:
        for _ in range(100):
            ends.client.send(b"x" * 100_000)

    with pytest.raises(ClientGoneError):
        send_much()
    assert ends.client.response_started


def test_writing_to_a_client_that_does_not_read_times_out(ends: Ends) -> None:
    with pytest.raises(ClientGoneError, match=r"read nothing for 0\.2 s"):
        ends.client.send(b"x" * 50_000_000)


def test_lingering_lets_the_answer_be_read(ends: Ends) -> None:
    ends.says(b"x" * 200_000)
    ends.client.send(b"refused")
    lingering = threading.Thread(target=lambda: (ends.client.linger(), ends.client.sock.close()))
    lingering.start()
    ends.says(b"x" * 2_000_000)
    assert ends.peer.recv(100) == b"refused"
    assert ends.peer.recv(100) == b""
    ends.peer.close()
    lingering.join(0.5)
    assert not lingering.is_alive(), "it ends with the client"


def test_lingering_is_bounded(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("teamclaude.proxy.net.client_connection.LINGER_SILENCE_SEC", 0.03)
    began = time.monotonic()
    ends.client.linger()
    assert 0.02 < time.monotonic() - began < 3.0


def test_an_abort_is_a_reset(ends: Ends) -> None:
    ends.client.send(b"half")
    ends.client.abort()
    assert ends.peer.recv(100) == b"half"
    # Of TLS some versions of Python say that it ended without a regular end, which it did.
    with pytest.raises((ConnectionResetError, ssl.SSLError)):
        ends.peer.recv(100)
