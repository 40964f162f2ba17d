from __future__ import annotations

import gzip
import json
import zlib

import pytest

from teamclaude.proxy.records.request_record import ClippedBody, RequestRecord, render

SECRET = "FAKEsecret0123456789abcdef"
TOKEN = f"sk-ant-oat01-{SECRET}"
NOON = 1_795_435_200.25


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


def record(limit: int = 1000, clock: Clock | None = None) -> RequestRecord:
    headers = [
        ("Host", "localhost:3456"),
        ("Authorization", f"Bearer {TOKEN}"),
        ("anthropic-version", "2023-06-01"),
    ]
    return RequestRecord("r-1", "POST", "/v1/messages?beta=true", headers, limit, clock or Clock())


def answered(body: bytes, *headers: tuple[str, str], limit: int = 1000) -> str:
    """The log text of a response with that body."""
    it = record(limit)
    it.answered(200, "OK", headers)
    it.response.add(body)
    it.end("served")
    return render(it).decode()


def test_a_clip_keeps_the_beginning_and_counts_everything() -> None:
    clip = ClippedBody(5)
    for piece in (b"abc", b"", memoryview(bytearray(b"def")), b"ghi"):
        clip.add(piece)
    assert (clip.content(), clip.kept, clip.total, clip.cut) == (b"abcde", 5, 9, True)


def test_a_clip_holds_no_more_of_a_large_body_than_it_keeps() -> None:
    body = b"x" * 1_000_000
    clip = ClippedBody(10)
    clip.add(body)
    assert [len(piece) for piece in clip._pieces] == [10]


def test_a_clip_is_not_changed_by_a_buffer_used_again() -> None:
    clip, buffer = ClippedBody(10), bytearray(b"first")
    clip.add(memoryview(buffer))
    buffer[:] = b"other"
    assert clip.content() == b"first"


def test_the_whole_story_in_order() -> None:
    clock = Clock()
    it = record(clock=clock)
    it.request.add(b'{"model":"claude-opus-4-8"}')
    first = it.attempt("alice")
    clock.now += 0.5
    first.answered(429, "Too Many Requests", [("retry-after", "7"), ("Set-Cookie", f"sid={SECRET}")])
    first.body.add(b'{"type":"error"}')
    second = it.attempt("bob")
    clock.now += 1.0
    second.answered(200, "OK", [("content-type", "text/event-stream")])
    it.answered(200, "OK", [("content-type", "text/event-stream"), ("x-teamclaude-account", "bob")])
    it.response.add(b"event: ping\n")
    it.response.add(b"data: {}\n\n")
    clock.now += 10
    second.failed("connection reset by the upstream")
    it.end("upstream lost", {"account": "bob", "reason": "least loaded", "excluded": {"alice": "benched"}})

    text = render(it).decode()
    wanted = [
        "r-1 at 2026-",
        ".250 ",
        "POST /v1/messages?beta=true\n",
        "Host: localhost:3456\nAuthorization: Bearer <redacted>\nanthropic-version: 2023-06-01\n\n",
        '{"model":"claude-opus-4-8"}',
        "=== attempt 1: alice: 429 Too Many Requests after 0.500 s",
        "retry-after: 7\nSet-Cookie: <redacted>\n",
        '{"type":"error"}',
        "=== attempt 2: bob: 200 OK, then connection reset by the upstream after 11.500 s",
        "=== response: 200 OK after 1.500 s",
        "x-teamclaude-account: bob",
        "event: ping\ndata: {}\n\n",
        "=== outcome: upstream lost after 11.500 s",
        '"reason": "least loaded"',
        '"alice": "benched"',
    ]
    at = 0
    for part in wanted:
        found = text.find(part, at)
        assert found >= 0, f"{part!r} is missing after {text[:at]!r}"
        at = found + len(part)


def test_a_request_without_a_response_says_so() -> None:
    it = record()
    it.attempt("alice").failed("connection refused")
    it.attempt("bob")
    it.end("client gone")
    text = render(it).decode()
    assert "=== attempt 1: alice: connection refused after 0.000 s" in text
    assert "=== attempt 2: bob: no answer\n" in text
    assert "=== response: no answer\n" in text
    assert "=== outcome: client gone after 0.000 s" in text


def test_a_cut_body_is_marked_with_its_whole_length() -> None:
    assert "[cut: the first 10 of 25 bytes]" in answered(b"x" * 25, limit=10)
    assert "[cut" not in answered(b"x" * 10, limit=10)
    assert "[cut: the first 0 of 25 bytes]" in answered(b"x" * 25, limit=0)


SSE = b"event: message_start\ndata: {}\n\n" * 20


@pytest.mark.parametrize(
    ("packed", "encoding"),
    [
        (gzip.compress(SSE), "gzip"),
        (gzip.compress(SSE), "X-GZIP"),
        (zlib.compress(SSE), "deflate"),
        (zlib.compress(SSE)[2:-4], "deflate"),
    ],
)
def test_a_compressed_body_is_shown_decoded(packed: bytes, encoding: str) -> None:
    text = answered(packed, ("Content-Encoding", encoding), limit=10_000)
    assert text.count("event: message_start\ndata: {}\n\n") == 20
    assert "[cut" not in text


def test_a_compressed_body_that_was_cut_or_unpacks_to_too_much_is_marked() -> None:
    noise = "".join(f"{n * 7919 % 10007}," for n in range(2000)).encode()
    packed = gzip.compress(noise)
    cut = answered(packed, ("content-encoding", "gzip"), limit=500)
    assert noise[:100].decode() in cut
    assert f"[cut: {len(packed)} bytes of gzip in all]" in cut
    bomb = answered(gzip.compress(b"0" * 5_000_000), ("content-encoding", "gzip"), limit=10_000)
    assert len(bomb) < 12_000
    assert "bytes of gzip in all]" in bomb


def test_an_encoding_we_cannot_read_is_a_note() -> None:
    assert "[4 bytes, br, not shown]" in answered(b"\x0b\x00xx", ("content-encoding", "br"))
    assert "[cut: 7 bytes of gzip in all]" in answered(b"no gzip", ("content-encoding", "gzip"))


def test_a_body_that_is_no_text_is_a_note() -> None:
    assert "[6 bytes, not text, not shown]" in answered(b"PK\x03\x04\x00\x00")


def test_a_compressed_secret_is_hidden_too() -> None:
    packed = gzip.compress(json.dumps({"access_token": SECRET, "note": TOKEN}).encode())
    text = answered(packed, ("content-encoding", "gzip"))
    assert SECRET not in text
    assert '"access_token": "<redacted>"' in text


def test_no_secret_survives_anywhere() -> None:
    it = RequestRecord(
        f"r-{TOKEN}",
        "POST",
        f"/v1/oauth/token?code={SECRET}",
        [("x-api-key", SECRET), ("Cookie", SECRET), ("content-type", "application/x-www-form-urlencoded")],
        40,
        Clock(),
    )
    it.request.add(f"grant_type=x&refresh_token={SECRET}&a=b".encode())
    attempt = it.attempt(f"account {TOKEN}")
    attempt.answered(401, f"bad {TOKEN}", [("www-authenticate", f"Bearer {SECRET}")])
    attempt.body.add(f'{{"error":"key {TOKEN} is bad"}}'.encode())
    attempt.failed(f"broke after {TOKEN}")
    it.answered(502, "Bad Gateway", [("set-cookie", SECRET)])
    it.response.add(f'{{"refresh_token":"{SECRET}"}}'.encode())
    it.end(f"refused {TOKEN}", {"reason": TOKEN, "api_key": SECRET})
    text = render(it).decode()
    assert "FAKE" not in text
    assert "grant_type=x" in text


def test_a_decision_with_values_json_does_not_know_is_still_written() -> None:
    it = record()
    it.end("served \ud800", {"excluded": frozenset({"alice"}), "name": "zoë \ud800"})
    assert b"alice" in render(it)


def test_the_size_grows_with_what_is_kept_not_with_what_came() -> None:
    it = record(limit=1000)
    empty = it.size()
    it.request.add(b"x" * 100_000)
    assert it.size() == empty + 1000
