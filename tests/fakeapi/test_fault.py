"""Each fault as a raw socket client sees it: exact bytes, and how the connection ends."""

from __future__ import annotations

import zlib
from typing import Any

import pytest

from teamclaude.fakeapi.answer import ApiAnswer, Close, Send, Wait, head_bytes, steps
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fault import Cut, Fault

EVENTS = 10


@pytest.fixture
def meet(api: FakeApi, raw: Any, document: Any) -> Any:
    """Return a function that sends one request with a fault and returns what the client saw."""

    def met(
        fault: Fault, *, stream: bool = True, patience: float = 2.0, until: bytes = b"\r\n0\r\n\r\n"
    ) -> Any:
        api.script.once(fault)
        client = raw(patience)
        if not fault.on_accept:
            client.send(document(stream=stream))
        return client.see(until)

    return met


def test_without_a_fault_everything_arrives(api: FakeApi, raw: Any) -> None:
    client = raw()
    client.send()
    seen = client.see()
    assert (seen.status, seen.events, seen.end) == (200, EVENTS, "open")


@pytest.mark.parametrize("code", [400, 401, 402, 403, 404, 408, 409, 413, 429, 500, 502, 503, 504, 529])
def test_any_status_with_the_apis_error_document(meet: Any, code: int) -> None:
    seen = meet(Fault.status(code, "Words."))
    assert seen.status == code
    assert b'"type": "error"' in seen.body
    assert b'"message": "Words."' in seen.body
    assert b"retry-after" not in seen.head


def test_headers_and_body_as_they_were_given(meet: Any) -> None:
    fault = Fault.status(
        307, body=b"gone", headers={"Location": "http://elsewhere/", "content-type": "text/plain"}
    )
    seen = meet(fault)
    assert seen.head.startswith(b"HTTP/1.1 307 Temporary Redirect\r\n")
    assert b"Location: http://elsewhere/\r\n" in seen.head
    assert seen.head.lower().count(b"content-type") == 1
    assert seen.body == b"gone"


@pytest.mark.parametrize("value", [2, "0", "-5", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_429_with_retry_after(meet: Any, value: Any) -> None:
    seen = meet(Fault.status(429, retry_after=value))
    assert f"\r\nretry-after: {value}\r\n".encode() in seen.head
    assert b"unified" not in seen.head


def test_a_bare_429_says_nothing_about_limits(meet: Any) -> None:
    seen = meet(Fault.bare_429())
    assert seen.status == 429
    assert b"ratelimit" not in seen.head
    assert b"rate_limit_error" in seen.body


@pytest.mark.parametrize(
    ("axis", "claim"),
    [("5h", b"five_hour"), ("7d", b"seven_day"), ("7d_oi", b"seven_day_overage_included")],
)
def test_a_quota_429_names_its_window(meet: Any, axis: str, claim: bytes) -> None:
    seen = meet(Fault.quota(axis, reset_in=900))
    assert seen.status == 429
    assert f"unified-{axis}-status: rejected\r\n".encode() in seen.head
    assert b"representative-claim: " + claim + b"\r\n" in seen.head
    assert b"retry-after: 900\r\n" in seen.head
    assert seen.head.count(b"-status: allowed\r\n") == (1 if axis != "7d_oi" else 2)


def test_overloaded_is_529(meet: Any) -> None:
    seen = meet(Fault.overloaded())
    assert seen.head.startswith(b"HTTP/1.1 529 Overloaded\r\n")
    assert b"overloaded_error" in seen.body


def test_html_instead_of_a_stream(meet: Any) -> None:
    seen = meet(Fault.html())
    assert (seen.status, b"text/html" in seen.head) == (200, True)


def test_no_answer_at_all(meet: Any) -> None:
    assert meet(Fault.never_answered(), patience=0.1) == (b"", "silent")


def test_accepted_and_never_read(api: FakeApi, meet: Any) -> None:
    assert meet(Fault.never_read(), patience=0.1) == (b"", "silent")
    assert api.log == ()


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_accepted_and_closed(meet: Any, how: str) -> None:
    try:
        seen = meet(Fault.closed_on_accept(how))
    except ConnectionResetError:
        # The reset can be there before connect() has returned.
        seen = (b"", "rst")
    assert seen == (b"", how)


@pytest.mark.parametrize("how", ["rst", "fin"])
def test_no_head(api: FakeApi, meet: Any, how: str) -> None:
    assert meet(Fault.no_head(how)) == (b"", how)
    assert api.wait_until(lambda api: len(api.log) == 1)
    assert (api.log[0].status, api.log[0].outcome) == (0, f"cut ({how}) after 0 bytes")


@pytest.mark.parametrize("k", [1, 9, 17, 60])
@pytest.mark.parametrize("how", ["rst", "fin", "hang"])
def test_k_bytes_of_the_head(meet: Any, k: int, how: str) -> None:
    seen = meet(Fault.cut_head(k, how), patience=0.1)
    assert len(seen.raw) == k
    assert seen.raw == b"HTTP/1.1 200 OK\r\nDate: "[:k] or seen.raw.startswith(b"HTTP/1.1 200 OK\r\nDate: ")
    assert seen.end == {"hang": "silent"}.get(how, how)


@pytest.mark.parametrize("n", range(EVENTS + 1))
@pytest.mark.parametrize("how", ["rst", "fin"])
def test_after_each_event(api: FakeApi, meet: Any, n: int, how: str) -> None:
    seen = meet(Fault.cut_after_event(n, how))
    assert (seen.status, seen.events, seen.end) == (200, n, how)
    assert seen.raw.endswith(b"\n\n\r\n" if n else b"\r\n\r\n"), "whole chunks, and no last chunk"
    assert api.wait_until(lambda api: len(api.log) == 1)
    assert api.log[0].outcome == f"cut ({how}) after {len(seen.raw)} bytes"


@pytest.mark.parametrize("n", [1, 4, EVENTS])
def test_inside_an_event_leaves_a_truncated_chunk(meet: Any, n: int) -> None:
    seen = meet(Fault.cut_inside_event(n, "fin"))
    assert (seen.events, seen.end) == (n, "fin")
    tail = seen.raw[seen.raw.rindex(b"event: ") :]
    announced = int(seen.raw[: seen.raw.rindex(b"event: ")].rstrip(b"\r\n").rpartition(b"\n")[2], 16)
    assert len(tail) < announced


def test_a_hang_in_the_middle_of_a_stream(api: FakeApi, meet: Any) -> None:
    seen = meet(Fault.cut_after_event(3, "hang"), patience=0.15)
    assert (seen.events, seen.end) == (3, "silent")
    assert api.inflight == 1


def test_a_body_shorter_than_its_content_length(meet: Any) -> None:
    seen = meet(Fault.cut_body(20), stream=False, until=b"")
    assert (len(seen.body), seen.end) == (20, "fin")
    length = int(seen.head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    assert length > 20


def test_a_stream_that_ends_properly_without_message_stop(meet: Any) -> None:
    seen = meet(Fault.ends_early(5))
    assert (seen.events, seen.end) == (5, "open")
    assert seen.raw.endswith(b"\r\n0\r\n\r\n")


def test_a_good_answer_and_then_no_connection(api: FakeApi, raw: Any) -> None:
    api.script.once(Fault.closes_after("rst"))
    client = raw()
    client.send()
    seen = client.see()
    assert seen.events == EVENTS
    assert b"connection: close" not in seen.head.lower()
    assert client.see().end == "rst"


def test_garbage_instead_of_a_head(meet: Any) -> None:
    seen = meet(Fault.garbage_head())
    assert (seen.raw[:3], seen.end) == (b"\x16\x03\x01", "fin")


def test_exactly_these_bytes(meet: Any) -> None:
    assert meet(Fault.bytes_instead(b"HTTP/1.1 200 OK\r\nX", "hang"), patience=0.1) == (
        b"HTTP/1.1 200 OK\r\nX",
        "silent",
    )


@pytest.mark.parametrize("code", [100, 103])
def test_an_interim_answer_before_the_head(meet: Any, code: int) -> None:
    seen = meet(Fault.with_interim(code))
    assert seen.raw.startswith(b"HTTP/1.1 %d Interim\r\n" % code)
    assert b"\r\n\r\nHTTP/1.1 200 OK\r\n" in seen.raw
    assert seen.events == EVENTS


def test_huge_headers(meet: Any) -> None:
    assert len(meet(Fault.huge_headers(70_000)).head) > 70_000


def test_small_writes_send_everything(api: FakeApi, raw: Any, document: Any) -> None:
    api.script.once(Fault.small_writes(7))
    client = raw()
    client.send(document(stream=False))
    seen = client.see()
    assert (seen.status, seen.end) == (200, "open")
    assert api.wait_until(lambda api: len(api.log) == 1)
    assert api.log[0].status == 200


def test_an_error_event_inside_the_stream(meet: Any) -> None:
    seen = meet(Fault.stream_error(3, "rate_limit_error"))
    assert seen.events == 4
    assert b"event: error\ndata: " in seen.body
    assert b"rate_limit_error" in seen.body
    assert b"message_stop" not in seen.body


def test_gzip_is_flushed_after_each_event(meet: Any) -> None:
    seen = meet(Fault.gzipped().with_changes(cut=Cut("event", 3, "fin")))
    assert b"content-encoding: gzip" in seen.head
    packed, rest = b"", seen.body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        packed += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    assert zlib.decompressobj(wbits=31).decompress(packed).count(b"event: ") == 3


def test_gzip_of_a_whole_document(meet: Any) -> None:
    seen = meet(Fault.gzipped(), stream=False)
    assert b'"type":"message"' in zlib.decompress(seen.body, wbits=31)


def test_a_body_that_ends_with_the_connection(meet: Any) -> None:
    seen = meet(Fault.unframed())
    assert b"Connection: close\r\n" in seen.head
    assert b"transfer-encoding" not in seen.head.lower()
    assert (seen.events, seen.end) == (EVENTS, "fin")


def test_http_1_0(meet: Any) -> None:
    seen = meet(Fault.http10())
    assert seen.raw.startswith(b"HTTP/1.0 200 OK\r\n")
    assert (seen.events, seen.end) == (EVENTS, "fin")


def test_pings_before_the_content(meet: Any) -> None:
    assert meet(Fault(pings=5)).raw.count(b"event: ping") == 6


def test_delays_are_steps_at_the_named_points() -> None:
    answer = ApiAnswer(200, parts=(b"one", b"two"), framing="chunked", first_wait=1, gap=0.5)
    slow = list(steps(answer, Fault.slow(before_head=2, between_events=3)))
    assert slow == [
        Wait(3),
        Send(head_bytes(answer), head=True),
        Send(b"3\r\none\r\n", 1),
        Wait(3.5),
        Send(b"3\r\ntwo\r\n", 2),
        Send(b"0\r\n\r\n"),
    ]
    assert list(steps(answer, Fault.never_answered()))[-1] == Close("hang")
    head = head_bytes(answer)
    dripping = list(steps(answer, Fault.small_writes(1000, 0.25)))[1:]
    assert dripping[0] == Send(head, head=True)
    assert Wait(0.25) in list(steps(answer, Fault.small_writes(10, 0.25)))


def test_a_delay_before_reading_delays_the_first_request_only(api: FakeApi, raw: Any) -> None:
    api.script.once(Fault.slow(before_read=0.1))
    client = raw()
    client.send()
    assert client.see(patience=0.03) == (b"", "silent")
    assert client.see(patience=2).status == 200


@pytest.mark.parametrize(("at", "how"), [("middle", "rst"), ("head", "explode")])
def test_a_cut_that_does_not_exist_is_refused(at: str, how: str) -> None:
    with pytest.raises(ValueError, match="no such"):
        Cut(at, 1, how)
