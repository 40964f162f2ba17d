"""The upstream's error messages, as they may be shown."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from teamclaude.proxy.http.response_head import ResponseHead, parse_response_head
from teamclaude.proxy.messages.response_facts import MAX_MESSAGE_CHARS, error_message, is_thread_error


def head(status: int, encoding: str) -> ResponseHead:
    fields = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    return parse_response_head(f"HTTP/1.1 {status} \r\n{fields}\r\n".encode())


def words(body: bytes, encoding: str = "") -> str:
    return error_message(head(403, encoding), body)


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


# --- threads ---------------------------------------------------------------------------------------


def is_about_thread(status: int, body: Any, encoding: str = "") -> bool:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return is_thread_error(head(status, encoding), data)


def refusal(message: Any, code: Any = None) -> Any:
    details = {} if code is None else {"details": {"error_code": code}}
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message, **details}}


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, refusal("Not found", "thread_not_found")),
        (400, refusal("whatever", "thread_fingerprint_mismatch")),
        (404, refusal("thread_not_found")),
        (400, refusal("thread.previous_message_id: no such message")),
        (400, refusal("thread: Extra inputs are not permitted")),
        (400, refusal("the message has already been continued")),
        (400, refusal("the request does not match; differing field(s): system")),
    ],
)
def test_errors_about_a_thread(status: int, body: Any) -> None:
    assert is_about_thread(status, body)
    assert is_about_thread(status, gzip.compress(json.dumps(body).encode()), "gzip")


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, refusal("prompt is too long: 210000 tokens > 200000 maximum")),
        (400, refusal("Your credit balance is too low")),
        (400, refusal("thread: no", "credit_balance_too_low")),
        (404, refusal("model: claude-none")),
        (429, refusal("thread_not_found", "thread_not_found")),
        (500, refusal("thread_not_found")),
        (400, refusal("it was read in the multithreaded case")),
        (400, refusal(["thread"])),
        (400, {"error": "thread"}),
        (400, {"error": {"message": "thread", "details": {"error_code": ""}}}),
        (400, []),
        (404, b"<html>thread"),
        (400, b"[" * 100_000),
    ],
)
def test_other_errors(status: int, body: Any) -> None:
    assert not is_about_thread(status, body)


def test_an_error_without_a_readable_code_is_known_by_its_message() -> None:
    assert is_about_thread(400, {"error": {"message": "thread: gone", "details": ["x"]}})
    assert is_about_thread(400, {"error": {"message": "thread: gone", "details": {"error_code": 7}}})
