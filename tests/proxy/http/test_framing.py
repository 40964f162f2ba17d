from __future__ import annotations

import http.client
import io
import random
import socket
from typing import Optional, cast

import pytest

from teamclaude.errors import BadRequestError, NotSupportedError, UpstreamProtocolError
from teamclaude.proxy.http.framing import (
    LAST_CHUNK,
    MAX_CHUNK_LINE,
    MAX_TRAILER_BYTES,
    BodyKind,
    ChunkedDecoder,
    Framing,
    encode_chunk,
    hop_by_hop_fields,
    keep_alive,
    request_framing,
)
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.http.response_head import ResponseHead, parse_response_head, response_framing

CL = "Content-Length"
TE = "Transfer-Encoding"


def ask(*headers: tuple[str, str], minor: int = 1) -> RequestHead:
    return RequestHead("POST", "/", minor, list(headers))


def answer(*headers: tuple[str, str], status: int = 200, minor: int = 1) -> ResponseHead:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return parse_response_head(f"HTTP/1.{minor} {status} \r\n{lines}\r\n".encode("latin-1", "replace"))


def test_request_bodies():
    assert request_framing(ask()) == Framing(BodyKind.NONE)
    assert request_framing(ask((CL, "0"))) == Framing(BodyKind.LENGTH, 0)
    assert request_framing(ask((CL, "0049269"))) == Framing(BodyKind.LENGTH, 49269)
    assert request_framing(ask((TE, "chunked"))) == Framing(BodyKind.CHUNKED)
    assert request_framing(ask((TE.upper(), " CHUNKED\t"))) == Framing(BodyKind.CHUNKED)


AMBIGUOUS = [
    ((CL, "5"), (CL, "5")),
    ((CL, "5"), (CL.lower(), "6")),
    ((CL, "5, 5"),),
    ((CL, ""),),
    ((CL, "-1"),),
    ((CL, "+5"),),
    ((CL, "5 5"),),
    ((CL, "0x5"),),
    ((CL, "5.0"),),
    ((CL, "1_0"),),
    ((CL, "\u0665"),),
    ((CL, "\xb2"),),
    ((CL, "9" * 20),),
    ((CL, "9" * 5000),),
    ((CL, "5"), (TE, "chunked")),
    ((TE, "chunked"), (CL.upper(), "5")),
    ((TE, "chunked"), (TE, "chunked")),
    ((TE, "chunked, chunked"),),
    ((TE, "chunked,"),),
    ((TE, ""),),
    ((TE, "chunked, gzip"),),
    ((TE, "chunked"), (TE, "identity")),
]


@pytest.mark.parametrize("headers", AMBIGUOUS)
def test_ambiguous_framing_is_refused_on_both_sides(headers):
    with pytest.raises(BadRequestError):
        request_framing(ask(*headers))
    with pytest.raises(UpstreamProtocolError):
        response_framing(answer(*headers), "POST")


@pytest.mark.parametrize(
    "coding", ["gzip, chunked", "gzip", "identity", "xchunked", "chunked;q=1", "chun ked"]
)
def test_unknown_codings(coding):
    with pytest.raises(NotSupportedError):
        request_framing(ask((TE, coding)))
    with pytest.raises(UpstreamProtocolError):
        response_framing(answer((TE, coding)), "POST")


def test_http_1_0_has_no_transfer_coding():
    with pytest.raises(BadRequestError):
        request_framing(ask((TE, "chunked"), minor=0))
    with pytest.raises(UpstreamProtocolError):
        response_framing(answer((TE, "chunked"), minor=0), "POST")


def test_response_bodies():
    assert response_framing(answer((CL, "7")), "POST") == Framing(BodyKind.LENGTH, 7)
    assert response_framing(answer((TE, "chunked")), "POST") == Framing(BodyKind.CHUNKED)
    assert response_framing(answer(), "POST") == Framing(BodyKind.UNTIL_CLOSE)
    assert response_framing(answer(minor=0), "GET") == Framing(BodyKind.UNTIL_CLOSE)


@pytest.mark.parametrize(
    ("status", "method"),
    [(200, "HEAD"), (404, "HEAD"), (100, "POST"), (103, "POST"), (204, "GET"), (304, "GET")],
)
@pytest.mark.parametrize("headers", [(), ((CL, "7"),), ((TE, "chunked"),)])
def test_responses_without_a_body_whatever_their_headers(status, method, headers):
    assert response_framing(answer(*headers, status=status), method) == Framing(BodyKind.NONE)


def test_an_unrequested_protocol_switch():
    with pytest.raises(UpstreamProtocolError):
        response_framing(answer(status=101), "GET")


@pytest.mark.parametrize(
    ("values", "minor", "alive"),
    [
        ((), 1, True),
        (("keep-alive",), 1, True),
        (("Keep-Alive, x-foo",), 1, True),
        (("close",), 1, False),
        (("keep-alive, Close",), 1, False),
        (("x-foo", "\tCLOSE "), 1, False),
        (("closed",), 1, True),
        ((), 0, False),
        (("keep-alive",), 0, False),
    ],
)
def test_keep_alive(values, minor, alive):
    assert keep_alive(ask(*(("Connection", value) for value in values), minor=minor)) is alive


def test_hop_by_hop_names():
    usual = hop_by_hop_fields(ask())
    assert {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"} <= usual
    assert {"proxy-authorization", "proxy-authenticate", "proxy-connection"} <= usual
    assert "content-type" not in usual
    named = hop_by_hop_fields(ask(("connection", "close, X-Foo"), ("Connection", "x-Bar")))
    assert named - usual == {"close", "x-foo", "x-bar"}
    assert hop_by_hop_fields(ask(("Connection", "keep-alive"))) == usual


# --- the chunked coding ------------------------------------------------------------------------


def feed_in_pieces(decoder: ChunkedDecoder, data: bytes, cut: int) -> bytes:
    return b"".join(b"".join(decoder.feed(data[at : at + cut])) for at in range(0, len(data), cut))


def decode(data: bytes, cut: int = 1 << 20) -> tuple[bytes, ChunkedDecoder]:
    decoder = ChunkedDecoder(BadRequestError)
    return feed_in_pieces(decoder, data, cut), decoder


BODY = b'5\r\nhello\r\n6;ext="a;b" ; x\r\n world\r\n0A \t;y\r\n0123456789\r\n000;z\r\nA: b\r\nc:\r\n\r\nGET /'


@pytest.mark.parametrize("cut", [1, 2, 3, 5, 7, 1000])
def test_chunks_extensions_trailers_and_the_next_message(cut):
    payload, decoder = decode(BODY, cut)
    assert payload == b"hello world0123456789"
    assert decoder.finished
    assert decoder.leftover == b"GET /"


@pytest.mark.parametrize(
    ("before", "data", "payloads"),
    [
        (b"", b"5\r\nhello\r\n", [b"hello"]),
        (b"2\r\nhi\r\n", b"5\r\nhello\r\n0A\r\n0123456789\r\n", [b"hello", b"0123456789"]),
        (b"", b"5\r\nhello\r\n0\r\n\r\n", []),  # the end is not passed on
        (b"", b"5;a=b\r\nhello\r\n", []),  # an extension is dropped
        (b"", b"5\r\nhello\r\n3\r\nab", []),
        (b"", b"5\r\nhello!\r\n", []),
        (b"", b"-5\r\nhello\r\n", []),
        (b"", b"", []),
        (b"5", b"\r\nhello\r\n", []),
        (b"20\r\n", b"5\r\nhello\r\n", []),  # within a chunk
        (b"2\r\nhi", b"\r\n5\r\nhello\r\n", []),
        (b"0\r\n", b"5\r\nhello\r\n", []),  # within the trailers
    ],
)
def test_bytes_that_are_whole_chunks_can_be_passed_on_as_they_are(before, data, payloads):
    decoder = ChunkedDecoder(BadRequestError)
    decoder.feed(before)
    assert decoder.whole_chunks(data) == payloads


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_can_be_fed(kind):
    decoder = ChunkedDecoder(BadRequestError)
    pieces = []
    for at in range(0, len(BODY), 9):
        pieces += [bytes(piece) for piece in decoder.feed(kind(BODY[at : at + 9]))]
    assert b"".join(pieces) == b"hello world0123456789"
    assert decoder.leftover == b"GET /"


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n",
        b"5\nhello\r\n",
        b"5\rhello",
        b" 5\r\nhello\r\n",
        b"5 \r\nhello\r\n",
        b"+5\r\nhello\r\n",
        b"-5\r\nhello\r\n",
        b"0x5\r\nhello\r\n",
        b"5_0\r\n",
        b"g\r\n",
        b"5 5\r\n",
        b"5\r\nhelloX\r\n",
        b"5\r\nhello\n5\r\n",
        b"5\r\nhello\r5\r\n",
        b"5\r\nhello5\r\n",
        b"5;a\x00b\r\nhello\r\n",
        b"5;a\nb\r\nhello\r\n",
        b"f" * 16,
        b"0" * 16 + b"\r\n",
        b";x\r\n",
        b"0\r\n no name\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\na : b\r\n\r\n",
        b"0\r\na: b\n\r\n",
        b"0\r\na: \x00b\r\n\r\n",
        b"0\r\n\rx",
        b"5;" + b"x" * MAX_CHUNK_LINE,
        b"5;" + b"x" * MAX_CHUNK_LINE + b"\r\nhello\r\n",
        b"0\r\na:" + b"x" * MAX_CHUNK_LINE + b"\r\n\r\n",
        b"0\r\n" + b"a: b\r\n" * (MAX_TRAILER_BYTES // 6 + 1) + b"\r\n",
    ],
    ids=lambda data: repr(data)[:30],
)
@pytest.mark.parametrize("cut", [1, 4, 100000])
def test_malformed_chunks_are_refused_wherever_they_are_cut(data, cut):
    for error in (BadRequestError, UpstreamProtocolError):
        decoder = ChunkedDecoder(error)
        with pytest.raises(error):
            feed_in_pieces(decoder, data, cut)
        assert not decoder.finished


def test_garbage_is_refused_at_its_first_byte():
    with pytest.raises(BadRequestError):
        ChunkedDecoder(BadRequestError).feed(b"<")


@pytest.mark.parametrize("cut_off", range(1, len(BODY) - len(b"GET /")))
def test_a_truncated_body_is_never_finished(cut_off):
    _, decoder = decode(BODY[: -len(b"GET /")][:-cut_off])
    assert not decoder.finished


def test_large_chunks_are_not_copied():
    data = b"10000\r\n" + bytes(65536) + b"\r\n"
    decoder = ChunkedDecoder(BadRequestError)
    (piece,) = decoder.feed(data[:40000])
    assert isinstance(piece, memoryview)
    whole = data[40000:50000]
    assert decoder.feed(whole)[0] is whole
    assert len(decoder.feed(data[50000:])[0]) == 65536 - (50000 - 7)


def test_the_partial_line_is_bounded():
    decoder = ChunkedDecoder(BadRequestError)

    def feed_an_endless_line() -> None:
        for _ in range(MAX_CHUNK_LINE + 10):
            decoder.feed(b"5;" if not decoder._partial_line else b"x")
            assert len(decoder._partial_line) <= MAX_CHUNK_LINE

    with pytest.raises(BadRequestError):
        feed_an_endless_line()


def test_encoded_chunks_decode_to_their_payload():
    assert encode_chunk() == encode_chunk(b"") == encode_chunk(b"", b"") == b""
    assert encode_chunk(b"hello", memoryview(b" world")) == b"b\r\nhello world\r\n"
    payload, decoder = decode(encode_chunk(b"x" * 70000) + encode_chunk(b"y") + LAST_CHUNK, 999)
    assert payload == b"x" * 70000 + b"y"
    assert decoder.finished
    assert not decoder.leftover


def test_agrees_with_http_client_on_random_cuts():
    rng = random.Random(3)
    for _ in range(60):
        pieces = [rng.randbytes(rng.choice([1, 15, 16, 300, 5000])) for _ in range(rng.randrange(6))]
        data = b"".join(map(encode_chunk, pieces)) + LAST_CHUNK
        response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data
        theirs = http.client.HTTPResponse(cast(socket.socket, FakeSocket(response)))
        theirs.begin()
        payload, decoder = decode(data, rng.randrange(1, 700))
        assert payload == b"".join(pieces) == theirs.read()
        assert decoder.finished


class FakeSocket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> io.BytesIO:
        return io.BytesIO(self._data)


def test_mutated_chunks_raise_only_the_given_error():
    rng = random.Random(4)
    refused = 0
    for _ in range(2000):
        data = bytearray(BODY)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.choice(b"\r\n;:0f \x00\xff")
        cut = rng.randrange(1, len(data))
        outcomes: list[Optional[tuple[bytes, bool, bytes]]] = []
        for size in (cut, len(data)):
            try:
                payload, decoder = decode(bytes(data), size)
                outcomes.append((payload, decoder.finished, decoder.leftover))
            except BadRequestError:
                outcomes.append(None)
        assert outcomes[0] == outcomes[1]
        refused += outcomes[0] is None
    assert 300 < refused < 1990


@pytest.mark.parametrize("size", [1, 100, 4095, 4096, 5000])
def test_one_whole_chunk_at_a_time_is_its_payload(size: int) -> None:
    decoder = ChunkedDecoder(BadRequestError)
    payload = b"x" * size
    assert [bytes(piece) for piece in decoder.feed(encode_chunk(payload))] == [payload]
    assert decoder.feed(LAST_CHUNK) == []
    assert decoder.finished


def test_a_chunk_that_only_looks_whole_is_decoded_in_parts() -> None:
    decoder = ChunkedDecoder(BadRequestError)
    assert b"".join(decoder.feed(b"8\r\nab\r\n")) == b"ab\r\n"
    assert b"".join(decoder.feed(b"cdef\r\n")) == b"cdef"
    with pytest.raises(BadRequestError):
        ChunkedDecoder(BadRequestError).feed(b"2\r\nabX\r\n")
