"""The upstream's error messages, as they may be shown."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from teamclaude.proxy.http.head import HeaderLayout, ResponseHead
from teamclaude.proxy.messages.response_facts import MAX_MESSAGE_CHARS, error_message


def words(body: bytes, encoding: str = "") -> str:
    names, values = (("Content-Encoding",), (encoding,)) if encoding else ((), ())
    return error_message(ResponseHead(1, 403, "Forbidden", HeaderLayout.for_names(names), values), body)


def error(message: Any) -> bytes:
    return json.dumps({"type": "error", "error": {"type": "x", "message": message}}).encode()


def test_the_message_on_one_line() -> None:
    assert words(error("OAuth token\n  has been\trevoked. ")) == "OAuth token has been revoked."


def raw(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def members(data: bytes) -> bytes:
    return gzip.compress(data[:20]) + gzip.compress(data[20:])


def truncated(data: bytes) -> bytes:
    return gzip.compress(data)[:-8]  # without checksum and length


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", members),
        ("deflate", zlib.compress),
        ("deflate", raw),
        ("GZIP", truncated),
        (" gzip ", gzip.compress),
    ],
)
def test_compressed_words_are_read(encoding: str, encode: Any) -> None:
    assert words(encode(error("not here")), encoding) == "not here"


def test_no_secret_and_not_too_much() -> None:
    assert "FAKE" not in words(error("token sk-ant-oat01-FAKE-a of you@x is bad"))
    assert len(words(error("x" * 5000))) == MAX_MESSAGE_CHARS
    assert words(gzip.compress(error("x" * 10_000_000)), "gzip") == "", "a bomb is not unpacked"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'"x"',
        b"{}",
        b'{"error": "x"}',
        b'{"error": {}}',
        b"\xff\xfe",
        b"[" * 100_000,
        b"null",
    ],
)
def test_what_has_no_message_has_no_words(body: bytes) -> None:
    assert words(body) == ""


def test_a_broken_or_unknown_coding_has_no_words() -> None:
    assert words(b"no gzip", "gzip") == ""
    assert words(gzip.compress(error("x"))[:20], "gzip") == ""
    assert words(b"\x0b\x02\x80", "br") == ""


def test_a_message_that_is_no_text_is_shown_as_it_is() -> None:
    assert words(error(42)) == "42"
