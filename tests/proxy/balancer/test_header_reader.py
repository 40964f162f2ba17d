"""A PROXY header is taken off a connection, and nothing of what follows it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from teamclaude.errors import BadRequestError, ClientGoneError, RequestTimeoutError
from teamclaude.proxy.balancer.header_reader import take_proxy_header
from teamclaude.proxy.balancer.proxy_header import MAX_HEADER_BYTES

Ends = tuple[socket.socket, socket.socket]
V1 = b"PROXY TCP4 192.0.2.7 10.0.0.5 56324 443\r\n"
V2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\x0a\0\0\x05\x11\x5c\x0d\x80"
REQUEST = b"GET / HTTP/1.1\r\n\r\n"


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Our end and the proxy's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def soon() -> float:
    return time.monotonic() + 5


@pytest.mark.parametrize("header", [V1, V2])
@pytest.mark.parametrize("behind", [REQUEST, b"\x16\x03\x01tls", b"", b"PROXY"])
def test_what_follows_stays_in_the_socket(ends: Ends, header: bytes, behind: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(header + behind)
    theirs.close()
    assert take_proxy_header(ours, soon()) == ("192.0.2.7", b"")
    assert ours.recv(100) == behind


@pytest.mark.parametrize("header", [V1, V2])
def test_a_header_may_come_byte_by_byte(ends: Ends, header: bytes) -> None:
    ours, theirs = ends
    found = []
    reader = threading.Thread(target=lambda: found.append(take_proxy_header(ours, soon())))
    reader.start()
    for number in range(len(header)):
        theirs.sendall(header[number : number + 1])
    theirs.sendall(REQUEST)
    reader.join(30)
    assert found == [("192.0.2.7", b"")]
    assert ours.recv(100) == REQUEST


@pytest.mark.parametrize("data", [REQUEST, b"\x16\x03\x01", b"PUT / HTTP/1.1\r\n\r\n"])
def test_without_a_header_nothing_is_taken(ends: Ends, data: bytes) -> None:
    ours, theirs = ends
    theirs.sendall(data)
    assert take_proxy_header(ours, soon()) == ("", b"")
    assert ours.recv(100) == data


def test_what_only_began_like_a_header_is_handed_on(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(b"PR")
    # The first look at the clock is before the first read: the rest comes after it.
    rest = iter([lambda: None, lambda: theirs.sendall(b"OPFIND / HTTP/1.1\r\n\r\n")])

    def monotonic() -> float:
        next(rest, lambda: None)()
        return time.monotonic()

    assert take_proxy_header(ours, soon(), monotonic) == ("", b"PR")
    assert ours.recv(100) == b"OPFIND / HTTP/1.1\r\n\r\n"


def test_the_connection_may_end_before_during_and_by_a_reset(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(V2[:20])
    theirs.close()
    assert take_proxy_header(ours, soon()) == ("", V2[:20])
    assert take_proxy_header(ours, soon()) == ("", b"")
    ours.close()
    with pytest.raises(ClientGoneError):
        take_proxy_header(ours, soon())


def test_half_a_header_is_waited_for_until_the_deadline(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(V1[:-1])
    with pytest.raises(RequestTimeoutError, match="PROXY header"):
        take_proxy_header(ours, time.monotonic() + 0.02)


def test_a_silent_connection_is_no_error_yet(ends: Ends) -> None:
    assert take_proxy_header(ends[0], 0.0) == ("", b"")


def test_an_endless_line_and_an_endless_header_are_refused(ends: Ends) -> None:
    ours, theirs = ends
    theirs.sendall(b"PROXY " + b"x" * 200)
    with pytest.raises(BadRequestError, match="longer than 107"):
        take_proxy_header(ours, soon())


def test_the_largest_header_is_read(ends: Ends) -> None:
    ours, theirs = ends
    size = MAX_HEADER_BYTES - 16
    theirs.sendall(V2[:14] + size.to_bytes(2, "big") + V2[16:] + bytes(size - 12) + REQUEST)
    assert take_proxy_header(ours, soon()) == ("192.0.2.7", b"")
    assert ours.recv(100) == REQUEST
