"""Event streams and the usage tap: parsed by the standard for any reads, bounded, without an exception."""

from __future__ import annotations

import json
import re
import zlib
from typing import Optional

from teamclaude.proxy.http.sse import ServerSentEventParser
from teamclaude.proxy.messages.usage_tap import UsageTap
from tests.fuzz.fuzz_random import FuzzRandom

__all__ = ["event_streams", "taps"]

WORDS = [
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\r",
        b"\r\n\r\n",
        b"data:",
        b"data: ",
        b"event:",
        b"event: error\n",
        b":",
    ),
    *(
        b"data\n",
        b"id: 1\n",
        b"retry: 5\n",
        b"\xef\xbb\xbf",
        b"\0",
        b"\xff\xfe",
        b"message_",
        b'{"usage":',
        b" ",
    ),
    *(b'"output_tokens":-1', b'"output_tokens":1e999', b'"output_tokens":true', b"[" * 50, b'"usage":[]'),
]
USAGE = {
    "input_tokens": 3,
    "output_tokens": 7,
    "cache_read_input_tokens": 11,
    "cache_creation_input_tokens": 5,
}


def event_streams(rng: FuzzRandom) -> None:
    data = _stream(rng)
    if rng.chance(0.7):
        data = rng.mutated(data, WORDS)
    events = _parsed([data])
    assert events == _parsed(rng.pieces(data))
    assert events == _by_the_book(data)
    _stays_small(rng, data)


def _parsed(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    parser, events = ServerSentEventParser(), []
    for piece in pieces:
        events += parser.feed(piece)
    return [(event.name, event.data) for event in events]


def _by_the_book(data: bytes) -> list[tuple[str, bytes]]:
    """Parse by WHATWG HTML 9.2.6, step by step; an end without a blank line dispatches nothing."""
    lines = re.split(rb"\r\n|\r|\n", data[3:] if data.startswith(b"\xef\xbb\xbf") else data)
    name, texts, events = b"", None, []  # type: bytes, Optional[list[bytes]], list[tuple[str, bytes]]
    for line in lines[:-1]:
        if not line:
            if texts is not None:
                events.append((name.decode("utf-8", "replace") or "message", b"\n".join(texts)))
            name, texts = b"", None
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"data" and line[:1] != b":":
            texts = [*(texts or []), value]
        elif field == b"event" and line[:1] != b":":
            name = value
    return events


def _stays_small(rng: FuzzRandom, data: bytes) -> None:
    parser = ServerSentEventParser(limit=64)
    for piece in rng.pieces(data * 3):
        parser.feed(piece)
        held = len(parser._line) + sum(map(len, parser._data)) + len(parser._name)
        assert held <= 3 * 64 + 16, held


def taps(rng: FuzzRandom) -> None:
    stream = rng.chance(0.7)
    data = _stream(rng) if stream else json.dumps({"type": "message", "model": "m", "usage": USAGE}).encode()
    if rng.chance(0.7):
        data = rng.mutated(data, WORDS)
    coding = rng.choice([None, None, "identity", "gzip", "deflate", "br", "GZIP", "x"])
    wire = _packed(rng, data, coding)
    media = "text/event-stream; charset=utf-8" if stream else "application/json"
    media = media if rng.chance(0.95) else rng.choice(["", "text/html", "TEXT/EVENT-STREAM", ";"])
    one, other = UsageTap(media, coding), UsageTap(media, coding)
    one.feed(wire)
    for piece in rng.pieces(wire):
        other.feed(rng.choice([bytes, bytearray, memoryview])(piece))
        assert other.error_message is None or other.error_message.isprintable()
    for tap in (one, other):
        assert all(type(count) is int and 0 <= count < 1 << 40 for count in tap.usage)
        assert tap.model is None or tap.model.isprintable()
    if stream and not one.gave_up and not other.gave_up:
        assert (one.usage, one.model, one.saw_stop) == (other.usage, other.model, other.saw_stop)


def _packed(rng: FuzzRandom, data: bytes, coding: Optional[str]) -> bytes:
    if coding not in ("gzip", "deflate", "GZIP") or rng.chance(0.1):
        return data
    packer = zlib.compressobj(wbits=31 if coding != "deflate" else rng.choice([15, -15]))
    packed = packer.compress(data) + packer.flush()
    return packed if rng.chance(0.6) else rng.mutated(packed, WORDS)


def _stream(rng: FuzzRandom) -> bytes:
    end = rng.choice([b"\n", b"\n", b"\r\n", b"\r"])
    out = [b"\xef\xbb\xbf"] if rng.chance(0.05) else []
    for _ in range(rng.up_to(8)):
        kind = rng.choice(
            ["message_start", "ping", "content_block_delta", "message_delta", "message_stop", "error"]
        )
        document = {
            "type": kind,
            "message": {"model": "claude-x", "usage": USAGE},
            "usage": {"output_tokens": rng.randrange(100)},
            "error": {"type": "overloaded_error", "message": "Over\nloaded"},
        }
        text = json.dumps(document, indent=rng.choice([None, None, 1])).encode()
        lines = [b"event: " + kind.encode()] if rng.chance(0.9) else [b": a comment"]
        lines += [rng.choice([b"data: ", b"data:"]) + line for line in text.split(b"\n")]
        out += [line + end for line in lines] + [end]
    return b"".join(out)
