"""Quota headers that repeat are read once."""

from __future__ import annotations

from teamclaude.proxy.http.response_head import ResponseHead, parse_response_head
from teamclaude.proxy.messages import response_facts
from teamclaude.proxy.messages.response_facts import read_quota
from teamclaude.routing.quota.rate_limit_headers import read_windows

NOW = 1_800_000_000.0


def head(used: str, request: str = "req_1", *more: tuple[str, str]) -> ResponseHead:
    fields = [
        ("Date", "today"),
        ("Anthropic-RateLimit-Unified-5h-Utilization", used),
        ("anthropic-ratelimit-unified-5h-reset", str(int(NOW) + 600)),
        ("request-id", request),
    ]
    lines = "".join(f"{name}: {value}\r\n" for name, value in [*fields, *more])
    return parse_response_head(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode())


def test_it_is_what_the_headers_say() -> None:
    for used in ("0.25", "0.5"):
        given = head(used)
        assert read_quota(given, NOW) == read_windows(given.headers, NOW)


def test_heads_that_say_the_same_of_quota_are_read_once() -> None:
    first = read_quota(head("0.31", "req_1"), NOW)
    assert read_quota(head("0.31", "req_2"), NOW + 0.5) is first
    assert read_quota(head("0.32", "req_2"), NOW + 0.5).axes["5h"].utilization == 0.32


def test_a_reading_serves_a_second_and_no_clock_that_went_back() -> None:
    first = read_quota(head("0.41"), NOW)
    later = read_quota(head("0.41"), NOW + 1.0)
    assert later.axes["5h"].seen_at == NOW + 1.0
    assert read_quota(head("0.41"), NOW - 5.0).axes["5h"].seen_at == NOW - 5.0
    assert first.axes["5h"].seen_at == NOW


def test_retry_after_belongs_to_what_is_said() -> None:
    def waits(seconds: str) -> float | None:
        return read_quota(head("0.5", "req_1", ("retry-after", seconds)), NOW).retry_after

    assert [waits("3"), waits("4"), waits("3")] == [3.0, 4.0, 3.0]


def test_ever_new_figures_do_not_fill_the_memory() -> None:
    given = head("0.5")
    for number in range(500):
        read_quota(head(f"0.5{number}"), NOW)
    assert len(response_facts._memo_of(given.layout).readings) <= response_facts._MAX_READINGS
