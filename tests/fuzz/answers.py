"""Error bodies of any content: the shown message is short, printable and without a credential."""

from __future__ import annotations

import json
import zlib

from teamclaude.proxy.http.response_head import parse_response_head
from teamclaude.proxy.messages.response_facts import MAX_MESSAGE_CHARS, error_document, error_message
from tests.fuzz.fuzz_random import JSON_SIGNS, FuzzRandom

__all__ = ["error_bodies"]

SECRET = "sk-ant-oat01-FAKE-fuzz_0123456789abcdef"
MESSAGES = [
    *("Overloaded", "This organization has been disabled.", "", f"The token {SECRET} may not do this.", " "),
    *(
        "\x1b[31mred\x1b[0m",
        "two\nlines\r\n",
        "caf\xe9 \U0001f99c",
        "w" * 5000,
        "\ud800",
        "\u202eright to left",
    ),
]
SHAPES = [
    lambda message: {"type": "error", "error": {"type": "api_error", "message": message}},
    lambda message: {"error": {"message": message}},
    lambda message: {"error": message},
    lambda message: {"type": "error", "error": {"type": "api_error", "message": [message, {"a": message}]}},
    lambda message: {"type": "error", "error": None},
    lambda message: [message],
    lambda message: message,
]
BODIES = [
    *(
        b"",
        b"<html><body>Blocked.</body></html>",
        b"null",
        b"NaN",
        b"1e999",
        b"[" * 3000,
        b"\xff\xfe{",
        b"{}",
    ),
]
WORDS = [*JSON_SIGNS, b"\\u", b"\\", b"\0", b"\xff", b"null", b"NaN", b'"message":', b"[" * 40]
CODINGS = ["", "gzip", "x-gzip", "deflate", "br", "identity", "GZIP", "gzip, gzip"]


def error_bodies(rng: FuzzRandom) -> None:
    coding = rng.choice(CODINGS)
    body = _body(rng, coding)
    kind = rng.choice([b"application/json", b"text/html", b""])
    status = rng.choice([400, 401, 403, 429, 529])
    fields = b"content-type: %b\r\ncontent-encoding: %b" % (kind, coding.encode())
    head = parse_response_head(b"HTTP/1.1 %d No\r\n%b\r\n\r\n" % (status, fields))
    words = error_message(head, body)
    assert len(words) <= MAX_MESSAGE_CHARS
    assert "\n" not in words
    assert "\r" not in words
    assert SECRET not in words
    words.encode("utf-8", "replace")
    document = json.loads(error_document(head, body))
    assert document["type"] == "error"
    assert document["error"]["type"]


def _body(rng: FuzzRandom, coding: str) -> bytes:
    text = json.dumps(rng.choice(SHAPES)(rng.choice(MESSAGES))).encode()
    body = text if rng.chance(0.8) else rng.choice(BODIES)
    if rng.chance(0.4):
        body = rng.mutated(body, WORDS)
    if coding.lower() in ("gzip", "x-gzip") and rng.chance(0.8):
        packer = zlib.compressobj(wbits=31)
        body = packer.compress(body) + packer.flush()
    elif coding == "deflate" and rng.chance(0.8):
        packer = zlib.compressobj(wbits=rng.choice([15, -15]))
        body = packer.compress(body) + packer.flush()
    return body[: rng.randrange(len(body) + 1)] if rng.chance(0.2) else body
