"""Responses that break off where only their form reveals it, and error events that arrive in pieces."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.fakeapi.fault import Cut, Fault
from teamclaude.proxy.forwarding import response_writer
from tests.proxy.conftest import message

Build = Callable[..., Any]
STREAM, PLAIN = (json.dumps(message(stream=stream)).encode() for stream in (True, False))
UNTIL_CLOSE = {"framing": "close"}
HTTP_10 = {"framing": "close", "version": "1.0"}


@pytest.fixture(params=["event loop", "thread"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Streams carried by the event loop, and by a thread each."""
    if request.param == "thread":
        monkeypatch.setattr("teamclaude.proxy.net.event_loop.EPOLL", None)
    return str(request.param)


def framed(fault: Fault, how: dict[str, Any], zipped: bool = False) -> Fault:
    # Time between the events: a stream is carried on once it flows.
    return fault.with_changes(**how, gzip=zipped, between_events=0.005)


CUTS = [
    (STREAM, Fault.cut_after_event(3, "fin")),
    (STREAM, Fault.cut_after_event(1, "fin")),
    (STREAM, Fault.cut_inside_event(5, "fin")),
    (PLAIN, Fault.cut_body(150, "fin")),
    (PLAIN, Fault.cut_body(1, "fin")),
]


@pytest.mark.parametrize(("how", "zipped"), [(UNTIL_CLOSE, False), (HTTP_10, True)], ids=["1.1", "1.0-gzip"])
@pytest.mark.parametrize(("body", "cut"), CUTS)
def test_what_breaks_off_is_never_given_our_last_chunk_nor_counted_as_served(
    stage: Build, body: bytes, cut: Fault, how: dict[str, Any], zipped: bool
) -> None:
    s = stage("a")
    s.api.script.always(framed(cut, how, zipped))
    raw = s.raw().request(body=body)
    data, end = raw.rest()
    assert b"200 OK" in data
    assert b"\r\n0\r\n\r\n" not in data
    assert end == "fin"
    assert s.outcomes(1) == ["upstream error"]
    assert "in the middle" in s.records[0]["reason"]


@pytest.mark.parametrize(("body", "cut"), CUTS)
def test_a_client_that_reads_until_the_end_sees_a_reset(stage: Build, body: bytes, cut: Fault) -> None:
    s = stage("a")
    s.api.script.always(framed(cut, UNTIL_CLOSE))
    _, end = s.raw().request(body=body, version="HTTP/1.0").rest()
    assert end == "rst"
    assert s.outcomes(1) == ["upstream error"]


@pytest.mark.parametrize(("how", "zipped"), [(UNTIL_CLOSE, False), (HTTP_10, True)], ids=["1.1", "1.0-gzip"])
@pytest.mark.parametrize("body", [STREAM, PLAIN], ids=["stream", "json"])
def test_what_is_whole_is_served(stage: Build, body: bytes, how: dict[str, Any], zipped: bool) -> None:
    s = stage("a")
    s.api.script.once(framed(Fault(), how, zipped))
    raw = s.raw()
    answer = raw.request(body=body).answer()
    plain = gzip.decompress(answer.body) if zipped else answer.body
    assert plain.rstrip().endswith(b"}")
    assert s.outcomes(1) == ["served"]
    assert raw.request(body=PLAIN).answer().status == 200, "the connection goes on"


@pytest.mark.parametrize(
    ("media", "coding"),
    [
        ("application/octet-stream", ""),
        ("text/plain", ""),
        ("application/x-jsonl", ""),
        ("application/json", "br"),
    ],
)
def test_a_body_whose_form_has_no_end_is_relayed_as_complete(stage: Build, media: str, coding: str) -> None:
    s = stage("a")
    lines = [f"Content-Type: {media}", f"Content-Encoding: {coding}"][: 2 if coding else 1]
    head = "\r\n".join(["HTTP/1.1 200 OK", *lines, "", ""]).encode()
    s.api.script.once(Fault.bytes_instead(head + b'{"half": '))
    answer = s.raw().request("/v1/files/file_1/content", method="GET").answer()
    assert (answer.status, answer.body) == (200, b'{"half": ')
    assert s.outcomes(1) == ["served"]


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        (b'{"data": [', False),
        (b'{"data": "' + b"x" * 2_000_000, False),
        (b'{"data": "' + b"x" * 2_000_000 + b'"}\n', True),
        (b"[1, 2]", True),
        (b"OK", True),
        (b'{"a": "}', False),
        ('{"a": "é'.encode()[:-1], False),
        (b"[" * 100_000 + b"]" * 100_000, True),
    ],
    ids=range(8),
)
def test_json_is_cut_where_it_does_not_close_however_long_it_is(
    stage: Build, text: bytes, whole: bool
) -> None:
    s = stage("a")
    s.api.script.once(
        Fault.bytes_instead(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + text)
    )
    data, _ = s.raw().request("/v1/models", method="GET", headers=[("Connection", "close")]).rest()
    assert data.endswith(b"\r\n0\r\n\r\n") is whole
    assert s.outcomes(1) == ["served" if whole else "upstream error"]


@pytest.mark.parametrize(
    ("media", "coding", "missing"),
    [
        ("application/octet-stream", "gzip", 0),
        ("application/octet-stream", "deflate", 1),
        ("application/x-jsonl", "gzip", 1),
        ("application/x-jsonl", "deflate", 200),
        ("text/plain", "gzip", 200),
        ("text/plain", "deflate", 0),
    ],
)
def test_a_compressed_file_is_cut_where_its_coding_does_not_end(
    stage: Build, media: str, coding: str, missing: int
) -> None:
    s = stage("a")
    text = b"".join(b'{"custom_id": "%d"}\n' % number for number in range(1000))
    coded = {"gzip": gzip, "deflate": zlib}[coding].compress(text)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media}\r\nContent-Encoding: {coding}\r\n\r\n".encode()
    s.api.script.once(Fault.bytes_instead(head + coded[: len(coded) - missing]))
    data, _ = s.raw().request("/v1/files/f/content", method="GET", headers=[("Connection", "close")]).rest()
    assert data.endswith(b"\r\n0\r\n\r\n") is (missing == 0)
    assert s.outcomes(1) == ["upstream error" if missing else "served"]


def test_another_kind_of_stream_ends_in_its_own_way(stage: Build) -> None:
    s = stage("a")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    s.api.script.once(Fault.bytes_instead(head + b"event: completion\ndata: {}\n\n"))
    answer = s.raw().request("/v1/complete", body=b"{}").answer()
    assert answer.body.startswith(b"event: completion")
    assert s.outcomes(1) == ["served"]


def test_a_stream_that_ends_with_an_error_event_is_whole(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.stream_error(after=3).with_changes(**UNTIL_CLOSE))
    answer = s.raw().request(body=STREAM).answer()
    assert b"event: error" in answer.body
    assert s.outcomes(1) == ["upstream error"]


def test_a_stream_that_ends_before_it_has_begun_is_asked_for_once_more(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.cut_after_event(0, "fin").with_changes(**UNTIL_CLOSE))
    assert b"message_stop" in s.ask().body
    assert len(s.seen(2)) == 2


@pytest.mark.parametrize("whole", [True, False])
def test_a_refusal_that_broke_off_becomes_an_error_of_the_proxy(stage: Build, whole: bool) -> None:
    s = stage("a", upstreamRetryBudgetSec=0)
    body = json.dumps({"type": "error", "error": {"type": "overloaded_error", "message": "x"}}).encode()
    head = b"HTTP/1.1 529 Overloaded\r\nContent-Type: application/json\r\n\r\n"
    s.api.script.always(Fault.bytes_instead(head + (body if whole else body[:-3])))
    answer = s.raw().request(body=STREAM, headers=[("Connection", "close")]).answer()
    assert answer.status == 529
    if whole:
        assert answer.body == body
    else:
        assert "did not arrive" in json.loads(answer.body)["error"]["message"]
    assert s.outcomes(1) == ["upstream error"]


@pytest.mark.parametrize("text", [b'{"five_hour": {', b'{"five_hour": {}}', b""])
def test_an_answer_to_a_client_s_own_login_is_cut_alike(stage: Build, text: bytes) -> None:
    s = stage("a")
    s.api.script.once(
        Fault.bytes_instead(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + text)
    )
    data, _ = s.raw().request("/api/oauth/usage", method="GET", headers=[("Connection", "close")]).rest()
    whole = not text or text.endswith(b"}}")
    assert data.endswith(b"0\r\n\r\n") is whole
    assert s.outcomes(1) == ["served" if whole else "upstream error"]


# --- what a compressed stream says ----------------------------------------------------------------


def test_a_compressed_stream_without_message_stop_is_not_served(stage: Build) -> None:
    s = stage("a")
    s.api.script.once(Fault.cut_after_event(6, "clean").with_changes(gzip=True))
    s.ask()
    assert s.outcomes(1) == ["upstream error"]
    assert "message_stop" in s.records[0]["reason"]


@pytest.mark.parametrize(("zipped", "trickle"), [(False, 0), (True, 0), (False, 7), (True, 1)])
def test_an_error_event_is_seen_in_however_many_pieces_it_comes(
    stage: Build, zipped: bool, trickle: int
) -> None:
    s = stage("a", "b")
    s.api.script.once(
        Fault.stream_error(after=0).with_changes(gzip=zipped, write_size=trickle, write_gap=0.0005)
    )
    reply = s.ask(headers={"Accept-Encoding": "gzip"})
    assert b"event: error" not in reply.body
    assert b"message_stop" in reply.body
    assert s.outcomes(1) == ["served"]


def test_an_error_event_behind_a_ping_is_seen(stage: Build) -> None:
    s = stage("a")
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"x"}}\n\n'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    s.api.script.once(Fault.bytes_instead(head + b'event: ping\ndata: {"type": "ping"}\n\n' + error))
    assert b"message_stop" in s.ask().body


def test_a_beginning_that_does_not_end_is_not_waited_for_long(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_writer, "FIRST_EVENT_WAIT_SEC", 0.05)
    s = stage("a")
    s.api.script.once(Fault(cut=Cut("inside", 1, "hang"), gzip=True))
    raw = s.raw().request(body=STREAM)
    assert b"200 OK" in raw._until(b"\r\n\r\n"), "the head and what has come of the first event"


def test_a_beginning_without_an_event_is_held_back_up_to_a_limit(
    stage: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(response_writer, "FIRST_EVENT_WAIT_SEC", 60.0)
    monkeypatch.setattr(response_writer, "MAX_PROBE_BYTES", 10_000)
    s = stage("a")
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    s.api.script.once(Fault(raw=head + b": nothing\n" * 3000, then="hang"))
    raw = s.raw().request(body=STREAM)
    assert b"200 OK" in raw._until(b"\r\n\r\n")
    assert b": nothing" in raw._until(b"nothing")
