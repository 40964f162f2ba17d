from __future__ import annotations

import gzip
import json
import random
import zlib
from typing import Any

import pytest

from teamclaude.proxy.messages.usage_tap import UsageTap
from teamclaude.routing.quota.usage import NO_USAGE, Usage

SSE = "text/event-stream; charset=utf-8"
JSON = "application/json"


def event(name: str, data: Any) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + json.dumps(data).encode() + b"\n\n"


def delta(text: str = "Hello") -> bytes:
    data = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return event("content_block_delta", data)


def start(**usage: Any) -> bytes:
    message = {"id": "msg_1", "model": "claude-opus-4-8", "usage": usage}
    return event("message_start", {"type": "message_start", "message": message})


def end(**usage: Any) -> bytes:
    return event(
        "message_delta", {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": usage}
    )


STOP = event("message_stop", {"type": "message_stop"})
PING = event("ping", {"type": "ping"})
WRITES = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 12}
START = start(input_tokens=10, output_tokens=1, cache_read_input_tokens=5000, cache_creation_input_tokens=42,
              cache_creation=WRITES)  # fmt: skip
STREAM = (
    START
    + PING
    + delta() * 5
    + delta("an error\n and a message_stop\n\nevent: message_stop")
    + end(output_tokens=77)
    + STOP
)
USAGE = Usage(10, 77, 5000, 30, 12)


def tapped(data: bytes, cut: int = 1 << 20, kind: str = SSE, coding: str | None = None) -> UsageTap:
    tap = UsageTap(kind, coding)
    for at in range(0, len(data), cut):
        tap.feed(data[at : at + cut])
    return tap


@pytest.mark.parametrize("cut", [1, 2, 3, 50, 150, 1 << 20])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_in_any_pieces(cut, line_end):
    tap = tapped(STREAM.replace(b"\n", line_end), cut)
    assert tap.usage == USAGE
    assert tap.model == "claude-opus-4-8"
    assert tap.saw_stop
    assert tap.is_stream
    assert not tap.gave_up
    assert tap.first_event == "message_start"
    assert tap.error_type is None
    assert tap.error_message is None


def test_one_event_per_piece_and_any_buffer():
    for kind in (bytes, bytearray, memoryview):
        tap = UsageTap(SSE, None)
        for piece in STREAM.split(b"\n\n")[:-1]:
            tap.feed(kind(piece + b"\n\n"))
        assert tap.usage == USAGE
        assert tap.saw_stop


@pytest.mark.parametrize(
    "changed",
    [
        STREAM.replace(b"event: ", b"event:").replace(b"data: ", b"data:"),
        STREAM.replace(b"\ndata: ", b"\n: a comment\nid: 7\ndata: "),
        STREAM.replace(b'"usage": ', b'"usage":\ndata: '),
        b"\xef\xbb\xbf" + STREAM,
        b": held for 3 s\n\n" * 3 + STREAM,
        STREAM.replace(b"\n\n", b"\n\n\n\n"),
    ],
)
@pytest.mark.parametrize("cut", [1, 40, 1 << 20])
def test_other_spellings_of_the_same_stream(changed, cut):
    tap = tapped(changed, cut)
    assert tap.usage == USAGE
    assert tap.saw_stop


@pytest.mark.parametrize("cut", [1, 37, 160, 1 << 20])
def test_random_cuts_of_random_streams_do_not_change_what_is_seen(cut):
    rng = random.Random(cut)
    for _ in range(12):
        deltas = [
            delta(rng.choice(["x", "error\n", "message_", "\r\n\r\n", "event: error\n\n"])) for _ in range(9)
        ]
        stream = (
            START + b"".join(deltas[:5]) + end(output_tokens=5) + b"".join(deltas[5:]) + end(output_tokens=9)
        )
        whole = stream + (STOP if rng.random() < 0.5 else b"")
        tap = UsageTap(SSE, None)
        at = 0
        while at < len(whole):
            step = rng.randrange(1, cut + 1)
            tap.feed(whole[at : at + step])
            at += step
        assert tap.usage == USAGE._replace(output_tokens=9)
        assert tap.saw_stop is whole.endswith(STOP)
        assert tap.error_type is None


@pytest.mark.parametrize("cut", [1, 1 << 20])
def test_a_comment_is_not_the_first_event(cut):
    tap = tapped(b": held\n\n", cut)
    assert tap.first_event is None
    tap.feed(PING)
    tap.feed(START)
    assert tap.first_event == "ping"


def test_deltas_are_not_taken_apart(monkeypatch):
    tap = UsageTap(SSE, None)
    tap.feed(START)
    assert tap._events is not None
    monkeypatch.setattr(type(tap._events), "feed", lambda self, data: pytest.fail("parsed"))
    tap.feed(delta())
    tap.feed(delta() + PING + delta())


def test_the_last_cumulative_value_wins():
    data = (
        START + end(output_tokens=5) + end(output_tokens=9, input_tokens=11, cache_read_input_tokens=0) + STOP
    )
    assert tapped(data).usage == Usage(11, 9, 0, 30, 12)


@pytest.mark.parametrize(
    ("first", "last", "writes"),
    [
        ({"cache_creation_input_tokens": 42}, {}, (42, 0)),
        (
            {"cache_creation_input_tokens": 42, "cache_creation": WRITES},
            {"cache_creation_input_tokens": 42},
            (30, 12),
        ),
        ({"cache_creation": {"ephemeral_1h_input_tokens": 42}}, {"cache_creation_input_tokens": 50}, (0, 50)),
        ({"cache_creation": {"ephemeral_5m_input_tokens": 42}}, {"cache_creation_input_tokens": 50}, (50, 0)),
        ({"cache_creation": WRITES}, {"cache_creation": {"ephemeral_1h_input_tokens": 13}}, (30, 13)),
        ({"cache_creation_input_tokens": 0, "cache_creation": None}, {}, (0, 0)),
    ],
)
def test_cache_writes_by_their_life(first, last, writes):
    usage = tapped(start(**first) + end(**last) + STOP).usage
    assert (usage.cache_write_5m_tokens, usage.cache_write_1h_tokens) == writes


@pytest.mark.parametrize("junk", [None, "5", -1, 1.5, True, [5], {"a": 1}, 1 << 60])
def test_values_that_are_no_counts_change_nothing(junk):
    names = ["input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens"]
    data = START + end(output_tokens=77) + end(**dict.fromkeys(names, junk), cache_creation=junk) + STOP
    assert tapped(data).usage == USAGE


@pytest.mark.parametrize("cut", [1, 40, 1 << 20])
def test_an_error_event(cut):
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Over\n\x1b[31mloaded"}}
    tap = tapped(START + delta() + event("error", error), cut)
    assert tap.error_type == "overloaded_error"
    assert tap.error_message == "Over ?[31mloaded"
    assert not tap.saw_stop
    assert tapped(event("error", error)).first_event == "error"


@pytest.mark.parametrize("name_end", [b"error\n", b"error\r\n", b"error\r"])
def test_an_error_event_in_a_piece_of_its_own(name_end):
    tap = tapped(START)
    tap.feed(event("error", {"error": {"type": "x", "message": "y"}}).replace(b"error\n", name_end) + delta())
    assert tap.error_type == "x"


@pytest.mark.parametrize(
    "data", [b"{", b"[]", b'"x"', b'{"error":"x"}', b'{"error":{"type":7,"message":[]}}']
)
def test_an_error_event_that_says_nothing_is_an_error(data):
    tap = tapped(b"event: error\ndata: " + data + b"\n\n")
    assert (tap.error_type, tap.error_message) == ("api_error", "")


def test_a_long_error_message_is_cut():
    tap = tapped(event("error", {"error": {"type": "x", "message": "y" * 100_000}}))
    assert tap.error_message == "y" * 500


def test_a_stream_without_its_last_blank_line_is_not_complete():
    assert not tapped(STREAM[:-1]).saw_stop
    assert not tapped(STREAM[: -len(STOP)]).saw_stop


def test_an_event_too_large_is_given_up_and_the_rest_is_read():
    large = event("message_delta", {"usage": {"output_tokens": 5}, "x": "y" * 300_000})
    for cut in (1000, 1 << 20):
        tap = tapped(START + large + end(output_tokens=77) + STOP, cut)
        assert tap.usage == USAGE
        assert tap.saw_stop


# --- codings -------------------------------------------------------------------------------------


def raw_deflate(data: bytes) -> bytes:
    squeeze = zlib.compressobj(wbits=-15)
    return squeeze.compress(data) + squeeze.flush()


def members(data: bytes) -> bytes:
    return gzip.compress(data[:500]) + gzip.compress(data[500:])


@pytest.mark.parametrize(
    ("coding", "squeeze"),
    [
        ("gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("x-gzip", members),
        ("deflate", zlib.compress),
        ("deflate", raw_deflate),
        ("identity", bytes),
        ("", bytes),
        (None, bytes),
    ],
)
@pytest.mark.parametrize("cut", [1, 2, 33, 1 << 20])
def test_compressed_copies_are_read(coding, squeeze, cut):
    tap = tapped(squeeze(STREAM), cut, coding=coding)
    assert tap.usage == USAGE
    assert tap.saw_stop
    assert tap.is_stream


def test_a_compressed_stream_is_read_as_it_arrives():
    squeeze = zlib.compressobj(wbits=31)
    tap = UsageTap(SSE, "gzip")
    tap.feed(squeeze.compress(START) + squeeze.flush(zlib.Z_SYNC_FLUSH))
    assert tap.usage.cache_read_tokens == 5000
    tap.feed(squeeze.compress(delta() + end(output_tokens=77)) + squeeze.flush(zlib.Z_SYNC_FLUSH))
    assert tap.usage == USAGE
    assert not tap.saw_stop


def test_compressed_bytes_that_look_like_whole_events_are_not_skipped():
    squeeze = zlib.compressobj(0, wbits=31)
    stored = squeeze.compress(START + delta() * 30 + end(output_tokens=77) + STOP) + squeeze.flush()
    tap = UsageTap(SSE, "gzip")
    *pieces, last = stored.split(b"\n\n")
    for piece in pieces:
        tap.feed(piece + b"\n\n")
    tap.feed(last)
    assert tap.usage == USAGE
    assert tap.saw_stop
    assert tap._inflater is not None
    assert tap._inflater._zlib.eof


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, br", "gzip, gzip", "nonsense"])
def test_a_coding_it_can_not_read_makes_it_blind(coding):
    tap = tapped(STREAM, coding=coding)
    assert tap.gave_up
    assert not tap.is_stream
    assert tap.usage == NO_USAGE
    assert tap.model is None
    assert not tap.saw_stop


@pytest.mark.parametrize("damage", [b"not gzip at all", gzip.compress(STREAM)[:60] + b"\xff" * 300])
def test_a_broken_coding_makes_it_blind_and_nothing_else(damage):
    tap = tapped(damage * 3, 50, coding="gzip")
    assert tap.gave_up
    assert not tap.is_stream


def test_no_bomb_explodes():
    bomb = gzip.compress(b": " + b"\0" * 25_000_000 + b"\n\n" + STREAM)
    tracemalloc = pytest.importorskip("tracemalloc")
    tracemalloc.start()
    whole = tapped(bomb, coding="gzip")
    pieces = tapped(bomb, 1000, coding="gzip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000
    assert whole.gave_up
    assert pieces.usage == USAGE  # each piece is within the measure, and the comment is not kept


# --- bodies that are no streams --------------------------------------------------------------------


BODY = json.dumps(
    {
        "model": "claude-haiku-4-5",
        "content": [{"type": "text", "text": '{"usage":{"input_tokens":1}}'}],
        "usage": {
            "input_tokens": 3,
            "output_tokens": 4,
            "cache_creation": WRITES,
            "service_tier": "standard",
        },
    }
).encode()


@pytest.mark.parametrize("cut", [1, 50, 1 << 20])
@pytest.mark.parametrize(("coding", "squeeze"), [(None, bytes), ("gzip", gzip.compress)])
def test_a_json_body(cut, coding, squeeze):
    tap = tapped(squeeze(BODY), cut, JSON + "; charset=utf-8", coding)
    assert tap.usage == Usage(3, 4, 0, 30, 12)
    assert tap.model == "claude-haiku-4-5"
    assert not tap.is_stream
    assert not tap.saw_stop
    assert not tap.gave_up


def test_a_json_body_is_read_when_it_is_complete():
    tap = tapped(BODY[:-1], kind=JSON)
    assert tap.usage == NO_USAGE
    tap.feed(BODY[-1:])
    assert tap.usage.input_tokens == 3
    assert tap.model == "claude-haiku-4-5"
    assert tap.usage.input_tokens == 3


def test_an_incomplete_json_body_is_tried_once(monkeypatch):
    tried = []
    monkeypatch.setattr(
        "teamclaude.proxy.messages.usage_tap.decode_json", lambda text: tried.append(len(text)) or {}
    )
    tap = tapped(BODY[:-1], kind=JSON)
    assert (tap.usage, tap.model, tap.error_type, tap.error_message) == (NO_USAGE, None, None, None)
    assert tried == [len(BODY) - 1]


def test_a_json_error():
    tap = tapped(b'{"type":"error","error":{"type":"invalid_request_error","message":"no"}}', kind=JSON)
    assert (tap.error_type, tap.error_message) == ("invalid_request_error", "no")


def test_a_json_body_beyond_the_bound_is_given_up():
    tap = tapped(b'{"usage":{"input_tokens":3},"x":"' + b"y" * (1 << 20) + b'"}', 65536, JSON)
    assert tap.gave_up
    assert tap.usage == NO_USAGE


@pytest.mark.parametrize("kind", [None, "", "text/html", "application/octet-stream", "text/event-streams"])
def test_other_bodies_are_not_read(kind):
    tap = tapped(STREAM, kind=kind)
    assert tap.usage == NO_USAGE
    assert not tap.is_stream
    assert not tap.gave_up
    assert tap.error_type is None


def test_garbage_never_raises():
    rng = random.Random(11)
    for _ in range(600):
        data = bytearray(rng.choice([STREAM, BODY, gzip.compress(STREAM), zlib.compress(BODY)]))
        for _ in range(rng.randrange(30)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        kind = rng.choice([SSE, JSON])
        tap = tapped(bytes(data), rng.randrange(1, 400), kind, rng.choice([None, "gzip", "deflate", "br"]))
        assert isinstance(tap.usage, Usage)
        assert tap.error_message is None or tap.error_message.isprintable()
        assert tap.model is None or tap.model.isprintable()


def test_even_an_error_of_its_own_stays_inside(monkeypatch):
    tap = UsageTap(SSE, None)
    assert tap._events is not None
    monkeypatch.setattr(type(tap._events), "feed", lambda self, data: 1 / 0)
    tap.feed(STREAM)
    assert tap.gave_up
    tap.feed(STREAM)
