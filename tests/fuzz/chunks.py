"""The chunked coding: the payload does not depend on the reads, and is that of `http.client`."""

from __future__ import annotations

import http.client
import io
from typing import Optional

from teamclaude.errors import BadRequestError
from teamclaude.proxy.http.framing import MAX_CHUNK_LINE, ChunkedDecoder, encode_chunk
from tests.fuzz.fuzz_random import FuzzRandom, assert_printable

__all__ = ["chunked_bodies"]

WORDS = [
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"0\r\n\r\n",
        b"0\r\n",
        b"5\r\nhello\r\n",
        b";x=y",
        b" ",
        b"\t",
        b"\0",
        b"-1\r\n",
    ),
    *(
        b"+5\r\n",
        b"0x5\r\n",
        b"1_0\r\n",
        b"ffffffffffffffff\r\n",
        b"A",
        b"Trailer: x\r\n",
        b"\xff",
        b"00000005\r\n",
    ),
]


def chunked_bodies(rng: FuzzRandom) -> None:
    payload, wire = _body(rng)
    behind = rng.choice([b"", b"POST / HTTP/1.1\r\n\r\n", b"\r\n"])
    clean = rng.chance(0.4)
    data = wire + behind if clean else rng.mutated(wire + behind, WORDS)
    whole = _decoded([data])
    assert whole == _decoded(rng.pieces(data))
    if clean:
        assert whole == (payload, True, behind)
    if whole is not None and whole[1]:
        assert whole[0] == _by_stdlib(data)
    again = b"".join(encode_chunk(piece) for piece in rng.pieces(payload)) + b"0\r\n\r\n"
    assert _decoded([again]) == (payload, True, b"")


def _decoded(pieces: list[bytes]) -> Optional[tuple[bytes, bool, bytes]]:
    """Return the payload, whether it is complete, and what follows; None: the body is refused."""
    decoder, out, fed = ChunkedDecoder(BadRequestError), bytearray(), 0
    try:
        for piece in pieces:
            whole, before = decoder.whole_chunks(bytes(piece)), len(out)
            for part in decoder.feed(piece):
                out += part
            assert not whole or b"".join(whole) == out[before:]
            fed += len(piece)
            assert len(decoder._partial_line) <= MAX_CHUNK_LINE + 2
            assert len(out) + len(decoder.leftover) <= fed
    except BadRequestError as refusal:
        assert_printable(refusal)
        return None
    return bytes(out), decoder.finished, decoder.leftover


def _by_stdlib(data: bytes) -> bytes:
    class Wire:
        def makefile(self, mode: str) -> io.BytesIO:
            return io.BytesIO(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + data)

    response = http.client.HTTPResponse(Wire())  # type: ignore[arg-type]
    response.begin()
    return response.read()


def _body(rng: FuzzRandom) -> tuple[bytes, bytes]:
    payload, wire = b"", b""
    for _ in range(rng.up_to(5)):
        part = rng.noise(40) or b"x"
        if rng.chance(0.03):
            part *= 200
        size = rng.choice([b"%x", b"%X", b"000%x"]) % len(part)
        wire += size + rng.choice([b"", b"", b";a=b", b' ; c="d e"', b"\t;x"]) + b"\r\n" + part + b"\r\n"
        payload += part
    trailers = b"".join(rng.choice([b"X-Sum: 1\r\n", b"a:\r\n"]) for _ in range(rng.up_to(2)))
    return payload, wire + b"0" + rng.choice([b"", b"", b"00", b";last"]) + b"\r\n" + trailers + b"\r\n"
