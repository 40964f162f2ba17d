"""How a complete response is recognised, and what its end may carry."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from teamclaude.proxy.messages.usage_tap import UsageTap
from teamclaude.routing.quota.usage import NO_USAGE, UNMEASURED
from tests.proxy.messages.test_usage_tap import SSE, START, STREAM, USAGE, end, event, tapped

BODY = b'{"type": "message", "model": "m", "content": [{"text": "a } b"}], "usage": {"output_tokens": 3}}'


@pytest.mark.parametrize("coding", [None, "gzip"])
@pytest.mark.parametrize(
    ("text", "kind", "cut"),
    [
        (STREAM, SSE, False),
        (STREAM[:-10], SSE, True),
        (b"", SSE, True),
        (b'event: error\ndata: {"type":"error","error":{"type":"x"}}\n\n', SSE, False),
        (BODY, "application/json", False),
        (BODY[:-1], "application/json", True),
        (BODY[:40], "application/json", True),
        (b"", "application/json", True),
        (b"not json", "application/json", False),
        (b'{"x": "' + b"y" * 3_000_000, "application/json", True),
        (b'{"x": "' + b"y" * 3_000_000 + b'"}\r\n ', "application/json", False),
        (b"half a fi", "application/octet-stream", False),
        (b"half a fi", None, False),
    ],
)
def test_an_answer_is_cut_only_where_its_form_says_so(
    text: bytes, kind: Any, cut: bool, coding: str | None
) -> None:
    for size in (1000, 1 << 20):
        data = gzip.compress(text) if coding else text
        assert tapped(data, size, kind, coding).is_cut is cut
    assert tapped(text, 1000, kind, "br").is_cut is False, "what can't be read is not known to be cut"


def test_a_verdict_of_the_safety_check_changes_nothing_that_is_read() -> None:
    """As the API answers `safeguards` (Claude Code 2.1.332, auto mode): in `delta`, beside the usage."""
    uses = {"toolu_1": {"type": "evaluated", "outcome": "not_flagged"}}
    results = [{"type": "dangerous_tool_use", "status": {"type": "available", "tool_uses": uses}}]
    last = {"stop_reason": "tool_use", "safeguard_results": results}
    document = {"type": "message_delta", "delta": last, "usage": {"output_tokens": 77}}
    for size in (7, 1 << 20):
        tap = tapped(STREAM.replace(end(output_tokens=77), event("message_delta", document)), size)
        assert (tap.usage, tap.saw_stop, tap.error_type) == (USAGE, True, None)


@pytest.mark.parametrize(
    ("data", "coding", "used"),
    [
        (STREAM, None, USAGE),
        (STREAM, "br", UNMEASURED),
        (b"", None, UNMEASURED),
        (b'event: error\ndata: {"type":"error","error":{"type":"x"}}\n\n', None, NO_USAGE),
        (gzip.compress(STREAM)[:30] + b"\xff" * 300, "gzip", UNMEASURED),
    ],
)
def test_a_response_without_token_counts_has_unknown_ones(data: bytes, coding: Any, used: Any) -> None:
    found = tapped(data, coding=coding).findings
    assert (found.usage.plus(UNMEASURED) if found.unmeasured else found.usage) == used


def test_counts_before_the_tap_went_blind_are_a_lower_bound() -> None:
    tap = UsageTap(SSE, "gzip")
    packed = gzip.compress(START + event("ping", {}) * 500)
    tap.feed(packed[:-8])
    tap.feed(b"\0" * 8 + b"x")  # a wrong checksum
    assert tap.gave_up
    found = tap.findings
    assert (found.usage, found.unmeasured) == (tap.usage, True)
    assert tap.usage.cache_read_tokens == 5000
