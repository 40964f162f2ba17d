"""The PROXY protocol's header: what others send, and what nobody should."""

from __future__ import annotations

import ipaddress

import pytest

from teamclaude.errors import BadRequestError
from teamclaude.proxy.balancer.proxy_header import header_size, named_caller

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
INET, INET6, UNIX = 0x11, 0x21, 0x31


def v2(family: int, body: bytes, command: int = 0x21) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


def addresses(source: str, destination: str, ports: bytes = b"\x11\x5c\x0d\x80") -> bytes:
    return ipaddress.ip_address(source).packed + ipaddress.ip_address(destination).packed + ports


TLV = b"\x02\x00\x04host" + b"\x20\x00\x02ab"


@pytest.mark.parametrize(
    ("header", "caller"),
    [
        (b"PROXY TCP4 192.0.2.7 10.0.0.5 56324 443\r\n", "192.0.2.7"),
        (b"PROXY TCP6 2001:db8::7 2001:db8::5 56324 443\r\n", "2001:db8::7"),
        (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 0 65535\r\n", "192.0.2.7"),
        (b"PROXY UNKNOWN\r\n", ""),
        (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", ""),
        (v2(INET, addresses("192.0.2.7", "10.0.0.5")), "192.0.2.7"),
        (v2(INET, addresses("192.0.2.7", "10.0.0.5") + TLV), "192.0.2.7"),
        (v2(0x12, addresses("192.0.2.7", "10.0.0.5")), "192.0.2.7"),
        (v2(INET6, addresses("2001:db8::7", "::1")), "2001:db8::7"),
        (v2(INET6, addresses("::ffff:192.0.2.7", "::1")), "192.0.2.7"),
        (v2(UNIX, bytes(216)), ""),
        (v2(0x00, b""), ""),
        (v2(0x00, TLV), ""),
        (v2(0x00, b"", command=0x20), ""),
        (v2(INET, addresses("192.0.2.7", "10.0.0.5"), command=0x20), ""),
    ],
)
def test_a_header_names_the_caller_or_nobody(header: bytes, caller: str) -> None:
    behind = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    assert header_size(header + behind) == len(header)
    assert named_caller(header) == caller
    # However it is cut, more is asked for until all is known, and nothing else is taken for it.
    sizes = [header_size(header[:end]) for end in range(1, len(header))]
    assert {size for size in sizes if size is not None} <= {len(header)}


@pytest.mark.parametrize("length", range(1, 13))
def test_the_beginning_of_a_signature_may_become_a_header(length: int) -> None:
    assert header_size(SIGNATURE[:length]) is None
    assert header_size(b"PROXY TCP4 1"[:length]) is None


@pytest.mark.parametrize(
    "data",
    [
        b"POST /v1/messages HTTP/1.1\r\n",
        b"PROPFIND / HTTP/1.1\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PROXY\tTCP4",
        b"proxy TCP4 192.0.2.7 10.0.0.5 1 2\r\n",
        b"\r\nGET / HTTP/1.1\r\n",
        b"\r\n\r\nGET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"\0",
    ],
)
def test_requests_and_tls_are_no_header(data: bytes) -> None:
    assert header_size(data) == 0


@pytest.mark.parametrize(
    "data",
    [
        b"PROXY TCP4 192.0.2.7 10.0.0.5 56324 443\n" + b"x" * 67,
        b"PROXY " + b"x" * 101,
        b"PROXY " + b"x" * 500 + b"\r\n",
        SIGNATURE + b"\x11\x11",
        SIGNATURE + b"\x31",
        SIGNATURE + b"\x22\x11\0\x0c",
        SIGNATURE + b"\x21\x11\xff\xff",
        SIGNATURE + b"\x21\x11\x20\x01",
    ],
)
def test_what_can_not_become_valid_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError, match="PROXY"):
        header_size(data)


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY\x20\r\n",
        b"PROXY TCP4\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.5 1\r\n",
        b"PROXY TCP4 192.0.2.7  10.0.0.5 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.5 1 65536\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.5 -1 2\r\n",
        b"PROXY TCP4 2001:db8::7 10.0.0.5 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 10.0.0.5 1 2\r\n",
        b"PROXY TCP4 192.0.2 10.0.0.5 1 2\r\n",
        b"PROXY TCP5 192.0.2.7 10.0.0.5 1 2\r\n",
        b"PROXY UDP4 192.0.2.7 10.0.0.5 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.5 1 2 \r\n",
        v2(INET, addresses("192.0.2.7", "10.0.0.5")[:-1]),
        v2(INET6, addresses("192.0.2.7", "10.0.0.5")),
        v2(UNIX, bytes(215)),
        v2(0x41, bytes(216)),
        v2(0x13, addresses("192.0.2.7", "10.0.0.5")),
    ],
)
def test_a_malformed_header_names_nobody_and_is_refused(header: bytes) -> None:
    assert header_size(header) == len(header)
    with pytest.raises(BadRequestError, match="PROXY"):
        named_caller(header)
