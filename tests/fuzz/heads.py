"""Heads: what is accepted is what is forwarded, and two programs read it the same way.

The second reader is `http.client` / `http.server`: laxer than we are, so where we accept, it must agree.
"""

from __future__ import annotations

import http.client
import io
from typing import Optional
from unittest import mock

from teamclaude.errors import BadRequestError, HeadTooLargeError, NotSupportedError, UpstreamProtocolError
from teamclaude.proxy.http.framing import (
    BodyKind,
    Framing,
    hop_by_hop_fields,
    request_framing,
)
from teamclaude.proxy.http.head import (
    RequestHead,
    find_head_end,
    parse_request_head,
)
from teamclaude.proxy.http.header_rewrite import (
    Credential,
    append_content_length,
    client_response_headers,
    framing_for_client,
    render_request,
    render_response,
    upstream_request_headers,
)
from teamclaude.proxy.http.repeated_head import RequestHeadParser
from teamclaude.proxy.http.response_head import ResponseHead, parse_response_head, response_framing
from tests.fuzz.fuzz_random import FuzzRandom, assert_printable

__all__ = ["repeated_heads", "request_heads", "response_heads"]

NAMES = [
    *(b"Host", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection", b"Keep-Alive"),
    *(b"Authorization", b"x-api-key", b"Cookie", b"x-teamclaude-key", b"Proxy-Authorization", b"Expect"),
    *(b"anthropic-beta", b"User-Agent", b"Trailer", b"TE", b"Upgrade", b"X-Odd", b"!#$%&'*+-.^_`|~"),
]
VALUES = [
    *(b"localhost:3456", b"5", b"007", b"chunked", b"gzip, chunked", b"close", b"keep-alive, x-odd", b""),
    *(b"Bearer sk-ant-oat01-FAKE-fuzz", b"a=b", b"100-continue"),
    *(b"oauth-2025-04-20,x", b"caf\xe9", b"a  b"),
    *(
        b"x-api-key, authorization",
        b"-1",
        b"5, 5",
        b"0x5",
        b"\xc2\xa05",
        b"99999999999999999999",
        b"trailers",
    ),
]
WORDS = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b": "),
    *(b"\r\n ", b" :", b"\r\n\r\n", b"\x0b", b"\x85"),
    *(b"Content-Length: 5\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"HTTP/1.1", b"GET ", b"/", b"#", b"%00"),
    *(b"Connection: x-api-key\r\n", b"\xff", b"HTTP/1.0", b"HTTP/2", b"POST / HTTP/1.1\r\n"),
]
TARGETS = [b"/v1/messages?beta=true", b"/", b"//evil", b"http://evil/", b"/a b", b"*", b"/%2e%2e/", b"/\xe9"]
SECRETS = ("sk-ant-oat01-FAKE-account", "sk-ant-oat01-FAKE-fuzz")


def request_heads(rng: FuzzRandom) -> None:
    block = _request(rng)
    end = find_head_end(block)
    assert _found_in_pieces(rng, block) == end
    if end < 0:
        return
    try:
        head = parse_request_head(block[:end])
        framing = request_framing(head)
    except (BadRequestError, HeadTooLargeError, NotSupportedError) as refusal:
        assert_printable(refusal)
        return
    method, target, fields = _read_by_stdlib(block[:end].lstrip(b"\r\n"))
    if head.series.scheme is not None:
        target, fields = _in_origin_form(target, fields, head.minor)
    assert (method, target) == (head.method, head.target)
    assert fields == _stripped(head.headers)
    assert all(char not in part for pair in head.headers for part in pair for char in "\r\n\0")
    _forwarded(rng, head, framing)


def _in_origin_form(url: str, fields: list[tuple[str, str]], minor: int) -> tuple[str, list[tuple[str, str]]]:
    """Return the target, and the fields with the host, of a request whose target is a whole URL."""
    rest = url.partition("://")[2]
    at = next((at for at, char in enumerate(rest) if char in "/?"), len(rest))
    host, path = rest[:at], rest[at:]
    fields = [(name, host if name.lower() == "host" else value) for name, value in fields]
    if minor == 0 and all(name.lower() != "host" for name, _ in fields):
        fields.insert(0, ("Host", host))
    return path if path.startswith("/") else f"/{path}", fields


def _forwarded(rng: FuzzRandom, head: RequestHead, framing: Framing) -> None:
    """The forwarded bytes parse as one request with our framing, our credential and the other fields."""
    kind = rng.choice(["oauth", "apikey", "client"])
    none = Framing(BodyKind.NONE)
    out = upstream_request_headers(head, Credential(kind, SECRETS[0]), "api.test", none, lambda value: False)
    wire = render_request(head.method, "/prefix" + head.target, out)
    length = rng.randrange(1000)
    if framing.kind is not BodyKind.NONE:
        wire = append_content_length(wire, length)
    assert find_head_end(wire) == len(wire)
    method, target, fields = _read_by_stdlib(wire)
    names = [name.lower() for name, _ in fields]
    assert (method, target) == (head.method, "/prefix" + head.target)
    assert names.count("host") == 1
    assert names.count("transfer-encoding") == 0
    assert names.count("content-length") == (framing.kind is not BodyKind.NONE)
    assert not set(names) & (
        hop_by_hop_fields(head) - {"host", "content-length", "authorization", "x-api-key"}
    )
    assert not {"cookie", "expect", "x-teamclaude-key", "proxy-authorization"} & set(names)
    if kind != "client":
        credentials = [value for name, value in fields if name.lower() in ("authorization", "x-api-key")]
        assert credentials == [f"Bearer {SECRETS[0]}" if kind == "oauth" else SECRETS[0]]


def repeated_heads(rng: FuzzRandom) -> None:
    """For the heads of one connection, the layout cache gives the same result as parsing."""
    heads = RequestHeadParser()
    block = _request(rng, tidy=True)
    for _ in range(6):
        end = find_head_end(block)
        if end >= 0:
            expected, found = _parsed(parse_request_head, block[:end]), _parsed(heads.parse, block[:end])
            assert expected == found
            if expected is None:
                return  # such a head ends its connection
        block = _next(rng, block)


def _next(rng: FuzzRandom, block: bytes) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return block
    if kind == 1:
        return rng.mutated(block, WORDS)
    before, mark, after = block.partition(b"ontent-Length: ")
    length = rng.choice([b"7", b"1234567", b"", b"+7", b"7 ", b"7\r\nX: 1", b"9" * 30, b"0007", b"\xb2"])
    return before + mark + length + after[after.find(b"\r\n") :] if mark else block


def _parsed(parse: object, block: bytes) -> object:
    try:
        head = parse(block)  # type: ignore[operator]
        request_framing(head)
    except (BadRequestError, HeadTooLargeError, NotSupportedError):
        return None
    return head.method, head.target, head.minor, head.headers, head.get("content-length")


def response_heads(rng: FuzzRandom) -> None:
    block = _response(rng)
    end = find_head_end(block)
    if end < 0:
        return
    method = rng.choice(["POST", "HEAD"])
    try:
        head = parse_response_head(block[:end])
        framing = response_framing(head, method)
    except UpstreamProtocolError as refusal:
        assert_printable(refusal)
        return
    if head.status >= 200:
        _agrees_with_http_client(head, framing, method, block[:end])
        _relayed(rng, head, framing, method)


def _agrees_with_http_client(head: ResponseHead, framing: Framing, method: str, block: bytes) -> None:
    theirs = _response_by_stdlib(block, method)
    if theirs is None:
        return
    assert theirs.status == head.status
    if len(theirs.getheaders()) < len(head.headers):
        return  # it ends a head at a space before a colon, which RFC 9112 5.1 tells us to remove
    if framing.kind is BodyKind.CHUNKED:
        assert theirs.chunked
    elif framing.kind is BodyKind.LENGTH:
        assert theirs.length == framing.length
    elif framing.kind is BodyKind.UNTIL_CLOSE:
        assert theirs.length is None
        assert not theirs.chunked
    else:
        assert theirs.length == 0


def _relayed(rng: FuzzRandom, head: ResponseHead, framing: Framing, method: str) -> None:
    client = RequestHead(method, "/", rng.randrange(2), [])
    out = framing_for_client(framing, client)
    fields = client_response_headers(head, out, [("x-teamclaude-account", "a")])
    theirs = _response_by_stdlib(render_response(head.status, head.reason, fields), method)
    assert theirs is not None
    assert theirs.status == head.status
    names = [name.lower() for name, _ in theirs.getheaders()]
    assert names.count("content-length") <= 1
    assert names.count("transfer-encoding") <= 1
    assert not ("content-length" in names and "transfer-encoding" in names)
    assert theirs.getheader("x-teamclaude-account") == "a"
    if out.kind is BodyKind.LENGTH:
        assert theirs.length == out.length
    elif out.kind is BodyKind.CHUNKED:
        assert theirs.chunked


# --- making them ----------------------------------------------------------------------------------


def _fields(rng: FuzzRandom) -> bytes:
    lines = [rng.choice(NAMES) + b": " + rng.choice(VALUES) for _ in range(rng.up_to(8))]
    return b"".join(line + b"\r\n" for line in lines)


def _request(rng: FuzzRandom, tidy: bool = False) -> bytes:
    target = TARGETS[0] if tidy or rng.chance(0.7) else rng.choice(TARGETS)
    version = b"HTTP/1.1" if rng.chance(0.8) else rng.choice([b"HTTP/1.0", b"HTTP/1.9", b"HTTP/2.0", b""])
    start = rng.choice([b"POST", b"GET", b"HEAD", b"M-SEARCH"]) + b" " + target + b" " + version
    length = b"Content-Length: 12\r\n" if tidy else b""
    block = start + b"\r\n" + _fields(rng) + length + b"\r\n"
    return block if tidy or rng.chance(0.3) else rng.mutated(block, WORDS)


def _response(rng: FuzzRandom) -> bytes:
    start = rng.choice([b"HTTP/1.1 200 OK", b"HTTP/1.0 404 Not Found", b"HTTP/1.1 204 ", b"HTTP/1.1 304 x"])
    block = start + b"\r\n" + _fields(rng) + b"\r\n"
    return block if rng.chance(0.3) else rng.mutated(block, WORDS)


def _found_in_pieces(rng: FuzzRandom, block: bytes) -> int:
    """Search for the end as a connection does: after each read, from shortly before the new bytes."""
    buffer, seen = bytearray(), 0
    for piece in rng.pieces(block):
        buffer += piece
        end = find_head_end(buffer, max(0, seen - 3))
        if end >= 0:
            return end
        seen = len(buffer)
    return -1


# --- the second reader ----------------------------------------------------------------------------


def _read_by_stdlib(block: bytes) -> tuple[str, str, list[tuple[str, str]]]:
    """Return method, target and fields as `http.server` and `http.client` read them."""
    start, _, rest = block.partition(b"\r\n")
    method, target, version = start.decode("latin-1").split()
    assert version.startswith("HTTP/1.")
    with mock.patch.object(http.client, "_MAXHEADERS", 10_000):
        message = http.client.parse_headers(io.BytesIO(rest))
    return method, target, _stripped(message.items())


def _stripped(fields: object) -> list[tuple[str, str]]:
    return [(name, value.strip(" \t")) for name, value in fields]  # type: ignore[attr-defined]


class _Wire:
    """Enough of a socket for HTTPResponse."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def _response_by_stdlib(block: bytes, method: str) -> Optional[http.client.HTTPResponse]:
    response = http.client.HTTPResponse(_Wire(block), method=method)  # type: ignore[arg-type]
    try:
        response.begin()
    except (http.client.HTTPException, ValueError):
        return None
    return response
