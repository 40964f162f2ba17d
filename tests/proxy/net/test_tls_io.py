"""Reading and writing TLS without waiting; regular ends, and none where something was cut."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.proxy.http.framing import BodyKind, Framing
from teamclaude.proxy.net.client_connection import ClientConnection
from teamclaude.proxy.net.tls_io import read_tls, write_tls

Pair = Callable[[], tuple[socket.socket, socket.socket]]
HEAD = b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n"


@pytest.fixture(params=["TLS 1.2", "TLS 1.3"])
def ends(request: pytest.FixtureRequest, tls_pair_of: Callable[[str], Pair]) -> tuple[Any, Any]:
    """Return the client's end and ours, which does not block."""
    near, far = tls_pair_of(request.param)()
    far.settimeout(0.0)
    return near, far


def test_all_records_that_have_arrived_are_read(ends: tuple[Any, Any]) -> None:
    near, far = ends
    assert read_tls(far, 65536) == ([], True)
    for piece in (b"head", b"body", b"x" * 20_000):
        near.sendall(piece)
    pieces, all_read = read_tls(far, 65536)
    assert b"".join(pieces) == b"headbody" + b"x" * 20_000
    assert (len(pieces), all_read) == (4, True)


def test_reading_stops_in_time_and_says_so(ends: tuple[Any, Any]) -> None:
    near, far = ends
    near.sendall(b"x" * 40_000)
    pieces, all_read = read_tls(far, 20_000)
    assert (len(b"".join(pieces)), all_read) == (32_768, False)
    assert read_tls(far, 20_000) == ([b"x" * 7_232], True)


def test_the_end_comes_after_what_was_sent(ends: tuple[Any, Any]) -> None:
    near, far = ends
    near.sendall(b"last")
    near.settimeout(0.0)
    with pytest.raises(ssl.SSLWantReadError):
        near.unwrap()
    assert read_tls(far, 65536) == ([b"last"], False)
    assert read_tls(far, 65536) == ([b""], False)
    assert write_tls(far, b"answer") == 6, "it may still be answered"


def test_a_damaged_record_ends_the_connection_after_what_was_whole(ends: tuple[Any, Any]) -> None:
    near, far = ends
    near.sendall(b"whole")
    socket.socket.send(near, b"\x17\x03\x03\x00\x20" + b"damaged." * 4)
    assert read_tls(far, 65536) == ([b"whole"], False)
    assert read_tls(far, 65536) == ([b""], False)


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 100_000])
def test_what_fits_is_written_at_once(ends: tuple[Any, Any], size: int) -> None:
    near, far = ends
    data = bytes(n % 251 for n in range(size))
    assert write_tls(far, data) == size
    got = b""
    while len(got) < size:
        got += near.recv(size - len(got))
    assert got == data


def test_what_does_not_fit_is_offered_again_from_where_it_stopped(ends: tuple[Any, Any]) -> None:
    near, far = ends
    data = bytes(range(251)) * 80_000
    rest = memoryview(data)
    sent = write_tls(far, rest)
    assert 0 < sent < len(data)
    assert write_tls(far, rest[sent:]) == 0, "nothing was read meanwhile"
    got = bytearray()
    reading = threading.Thread(
        target=lambda: [got.extend(near.recv(65536)) for _ in iter(lambda: len(got) < len(data), False)]
    )
    reading.start()
    while sent < len(data):
        sent += write_tls(far, rest[sent:])
    reading.join(20)
    assert bytes(got) == data


# --- the connection ---------------------------------------------------------------------------------------


def test_what_is_decrypted_but_not_read_counts_as_buffered(tls_pair: Pair) -> None:
    near, far = tls_pair()
    client = ClientConnection(far, 5.0, 5.0, 5.0)
    near.sendall(HEAD)
    assert client.next_head() is not None
    near.sendall(b"{}" + b"x" * 300 + HEAD)  # one record
    whole = client.read_body(Framing(BodyKind.LENGTH, 302), 1000)
    assert bytes(whole) == b"{}" + b"x" * 300
    assert client.has_buffered
    assert client.next_head() is not None
    assert not client.has_buffered


def test_head_and_body_in_two_records_are_one_request(tls_pair: Pair) -> None:
    near, far = tls_pair()
    client = ClientConnection(far, 5.0, 5.0, 5.0)
    assert client.receive_nowait() is None
    near.sendall(HEAD)
    near.sendall(b"{}")
    data = client.receive_nowait()
    assert data == HEAD + b"{}"
    assert client.take_whole_request(data) is not None
    assert not client.has_more


@pytest.mark.parametrize("kind", ["TLS 1.2", "TLS 1.3"])
def test_a_complete_response_has_a_regular_end(kind: str, tls_pair_of: Callable[[str], Pair]) -> None:
    near, far = tls_pair_of(kind)()
    client = ClientConnection(far, 5.0, 5.0, 5.0)
    client.send(b"until the end")
    client.end()
    far.close()
    assert near.recv(100) == b"until the end"
    assert near.recv(100) == b""


@pytest.mark.parametrize("kind", ["TLS 1.2", "TLS 1.3"])
def test_a_response_that_was_cut_has_none(kind: str, tls_pair_of: Callable[[str], Pair]) -> None:
    near, far = tls_pair_of(kind)()
    client = ClientConnection(far, 5.0, 5.0, 5.0)
    client.send(b"half of")
    client.cut = True
    client.end()
    far.close()
    assert near.recv(100) == b"half of"
    with pytest.raises(ssl.SSLError, match=r"(?i)eof"):
        near.recv(100)
