"""Heads of one connection: what was parsed before is compared."""

from __future__ import annotations

import pytest

from teamclaude.proxy.http.head import parse_request_head
from teamclaude.proxy.http.repeated_head import MOST_KNOWN, RequestHeadParser


def block(length: bytes, more: bytes = b"") -> bytes:
    start = b"POST /v1/messages HTTP/1.1\r\nHost: h\r\nContent-Length: "
    return start + length + b"\r\nX-A: b\r\n" + more + b"\r\n"


def test_a_head_with_another_length_is_of_the_same_series() -> None:
    heads = RequestHeadParser()
    first, second = heads.parse(block(b"5")), heads.parse(block(b"120"))
    assert second.series is first.series
    assert second.headers == parse_request_head(block(b"120")).headers
    assert (first.get("content-length"), second.get_all("Content-Length")) == ("5", ["120"])
    assert heads.parse(block(b"5")) is first


@pytest.mark.parametrize("other", [block(b"5", b"X-C: d\r\n"), block(b"5").replace(b"X-A", b"X-B")])
def test_any_other_difference_starts_another_series(other: bytes) -> None:
    heads = RequestHeadParser()
    first = heads.parse(block(b"5"))
    assert heads.parse(other).series is not first.series
    assert heads.parse(other).headers == parse_request_head(other).headers


def test_heads_that_take_turns_keep_their_series() -> None:
    heads, kinds = RequestHeadParser(), [b"X-C: %d\r\n" % number for number in range(MOST_KNOWN)]
    first = [heads.parse(block(b"5", kind)).series for kind in kinds]
    assert [heads.parse(block(b"70", kind)).series for kind in kinds] == first
    assert len(set(first)) == MOST_KNOWN
    heads.parse(block(b"5"))
    assert [heads.parse(block(b"5", kind)).series for kind in kinds[1:]] == first[1:]
    assert heads.parse(block(b"5", kinds[0])).series is not first[0], "the oldest gave way"


CODING = b"5\r\nTransfer-Encoding: chunked"


@pytest.mark.parametrize("length", [b"", b"5\r\nContent-Length: 6", b"-1", b"5 ", b"\xb2", b"1" * 20, CODING])
def test_a_head_with_an_invalid_length_is_parsed(length: bytes) -> None:
    heads = RequestHeadParser()
    first = heads.parse(block(b"5"))
    assert heads.parse(block(length)).series is not first.series
    assert heads.parse(block(length)).headers == parse_request_head(block(length)).headers


def test_a_known_head_is_found_in_front_of_its_body() -> None:
    heads = RequestHeadParser()
    assert heads.parse_repeated(block(b"5") + b"hello") is None
    first = heads.parse(block(b"5"))
    for length in (b"5", b"0", b"120", b"9" * 19):
        found = heads.parse_repeated(block(length) + b"hello\r\n\r\n")
        assert found is not None
        assert (found[0].series, found[1], found[2]) == (first.series, len(block(length)), int(length))
    for other in (block(b""), block(b"5 "), block(b"9" * 20), block(b"5")[:-1], block(b"5", b"X-C: d\r\n")):
        assert heads.parse_repeated(other + b"hello") is None


def test_heads_without_a_length_are_compared_whole() -> None:
    heads = RequestHeadParser()
    plain = b"GET /health HTTP/1.1\r\nHost: h\r\n\r\n"
    assert heads.parse(plain) is heads.parse(plain)
    assert heads.parse(plain.replace(b"health", b"status")).target == "/status"
