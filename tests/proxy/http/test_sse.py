from __future__ import annotations

import random
import time

import pytest

from teamclaude.proxy.http.sse import MAX_EVENT_BYTES, ServerSentEvent, ServerSentEventParser


def parse(data: bytes, cut: int = 1 << 20, limit: int = MAX_EVENT_BYTES) -> list[ServerSentEvent]:
    parser = ServerSentEventParser(limit)
    return [event for at in range(0, len(data), cut) for event in parser.feed(data[at : at + cut])]


def simple(data: bytes) -> list[ServerSentEvent]:
    """The specification once more, slowly, on a whole stream."""
    data = data[3:] if data.startswith(b"\xef\xbb\xbf") else data
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]
    events, name = [], b""
    texts: list[bytes] = []
    for line in lines:
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if not line:
            if texts:
                events.append(
                    ServerSentEvent(name.decode("utf-8", "replace") or "message", b"\n".join(texts))
                )
            name, texts = b"", []
        elif field == b"event":
            name = value
        elif field == b"data":
            texts.append(value)
    return events


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end_and_every_cut(end, cut):
    lines = [
        b"event: a",
        b"data: 1",
        b"",
        b": comment",
        b"data:2",
        b"data:  3",
        b"data",
        b"id: 7",
        b"event:b",
        b"",
        b"",
    ]
    expected = [ServerSentEvent("a", b"1"), ServerSentEvent("b", b"2\n 3\n")]
    assert parse(end.join(lines) + end, cut) == expected


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"data: x\n\n", [ServerSentEvent("message", b"x")]),
        (b"data:x\n\n", [ServerSentEvent("message", b"x")]),
        (b"data:\n\n", [ServerSentEvent("message", b"")]),
        (b"data\n\n", [ServerSentEvent("message", b"")]),
        (b"data\ndata\n\n", [ServerSentEvent("message", b"\n")]),
        (b"event: a\n\n", []),
        (b"event: a\n\ndata: x\n\n", [ServerSentEvent("message", b"x")]),
        (b"event: a\nevent: b\ndata: x\n\n", [ServerSentEvent("b", b"x")]),
        (b"event\ndata: x\n\n", [ServerSentEvent("message", b"x")]),
        (b"Event: a\ndata: x\n\n", [ServerSentEvent("message", b"x")]),
        (b" event: a\ndata: x\n\n", [ServerSentEvent("message", b"x")]),
        (b"event:  a \ndata: x\n\n", [ServerSentEvent(" a ", b"x")]),
        (b"data: a:b: c\n\n", [ServerSentEvent("message", b"a:b: c")]),
        (b":\n:x\n\n\n\ndata: x\n\n", [ServerSentEvent("message", b"x")]),
        (b"data: x", []),
        (b"data: x\n", []),
        (b"data: x\n\ndata: y\n", [ServerSentEvent("message", b"x")]),
        (b"\xef\xbb\xbfdata: x\n\n", [ServerSentEvent("message", b"x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\n", []),
        (b"\n\xef\xbb\xbfdata: x\n\n", []),
        (b"event: \xff\ndata: \xff\n\n", [ServerSentEvent("\ufffd", b"\xff")]),
        (b"data: x\r\r\ndata: y\r\n\n", [ServerSentEvent("message", b"x"), ServerSentEvent("message", b"y")]),
        (b"data: x\n\r\ndata: y\r\r", [ServerSentEvent("message", b"x"), ServerSentEvent("message", b"y")]),
        (b"", []),
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 1000])
def test_the_examples_of_the_specification(data, expected, cut):
    assert parse(data, cut) == expected == simple(data)


def test_a_cr_at_the_end_of_a_piece_completes_its_line_at_once():
    parser = ServerSentEventParser()
    assert parser.feed(b"data: x\r\r") == [ServerSentEvent("message", b"x")]
    assert not parser.between_events  # an LF may still belong to it
    assert parser.feed(b"") == []
    assert parser.feed(b"\ndata: y\r\n\r\n") == [ServerSentEvent("message", b"y")]


def test_random_streams_agree_with_a_slow_parser():
    rng = random.Random(9)
    parts = [
        b"data",
        b"event",
        b":",
        b": ",
        b"x",
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"data: y\n\n",
    ]
    events = 0
    for _ in range(1000):
        data = b"".join(rng.choice(parts) for _ in range(rng.randrange(20)))
        assert parse(data, rng.randrange(1, 9)) == simple(data), data
        events += len(simple(data))
    assert events > 300


@pytest.mark.parametrize("cut", [1, 5, 64, 100_000])
@pytest.mark.parametrize(
    "large",
    [
        b"data: " + b"x" * 200,
        b"event: " + b"x" * 200,
        b"data: x\n" * 39 + b"data",
        b"foo: x\n" * 40 + b"bar",
        b"x" * 200,
    ],
    ids=["data", "name", "lines", "fields", "word"],
)
def test_an_event_beyond_the_limit_is_dropped_and_the_next_is_not(large, cut):
    parser = ServerSentEventParser(100)
    data = b"data: 1\n\n" + large + b"\ndata: 2\n\ndata: 3\n\n"
    events = [event for at in range(0, len(data), cut) for event in parser.feed(data[at : at + cut])]
    assert events == [ServerSentEvent("message", b"1"), ServerSentEvent("message", b"3")]
    assert parser.dropped_events == 1
    assert parser.between_events


@pytest.mark.parametrize("cut", [1, 5, 64, 100_000])
def test_a_long_comment_costs_no_event(cut):
    data = b"data: 1\n:" + b"x" * 300 + b"\n\n: " + b"event: y" * 90 + b"\ndata: 2\n\n"
    assert parse(data, cut, limit=100) == [ServerSentEvent("message", b"1"), ServerSentEvent("message", b"2")]


@pytest.mark.parametrize(
    "piece",
    [b"x" * 5000, b"data: x\n" * 700, b":" * 5000, b"data: " + b"x" * 5000],
    ids=["word", "lines", "comment", "data"],
)
def test_memory_is_bounded_on_an_endless_event(piece):
    parser = ServerSentEventParser()
    for _ in range(300):
        assert parser.feed(piece) == []
        held = len(parser._line) + sum(map(len, parser._data))
        assert held <= 2 * MAX_EVENT_BYTES
    assert len(parser._data) <= MAX_EVENT_BYTES // 6


def test_memory_is_bounded_within_one_piece():
    parser = ServerSentEventParser()
    parser.feed(b"data: x\n" * 300_000)
    assert not parser._data


def seconds_byte_by_byte(size):
    data = b"data: " + b"x" * (size - 10) + b"\n\n"
    began = time.thread_time()
    assert len(parse(data, 1)) == 1
    return time.thread_time() - began


def test_a_large_event_byte_by_byte_takes_linear_time():
    # On a slow machine, against an eighth of it: a parser that copies the event for each byte takes 40 times.
    limit = max(1.5, 20 * seconds_byte_by_byte(MAX_EVENT_BYTES // 8))
    assert seconds_byte_by_byte(MAX_EVENT_BYTES) < limit


def test_between_events():
    parser = ServerSentEventParser()
    seen = []
    for piece in (
        b"",
        b"d",
        b"ata: x\n",
        b"\n",
        b": c",
        b"\n",
        b"event: a\n",
        b"\n",
        b"data: y\n\n",
        b"\r",
        b"\n",
    ):
        parser.feed(piece)
        seen.append(parser.between_events)
    # Not at the very start: a byte order mark may come.
    assert seen == [False, False, False, True, False, True, False, True, True, False, True]
