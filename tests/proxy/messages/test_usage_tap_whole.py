"""A body that came whole, against the same in pieces."""

from __future__ import annotations

import gzip
import json

import pytest

from teamclaude.proxy.messages.usage_tap import UsageTap
from tests.proxy.messages.test_usage_tap import JSON, SSE, STOP, end, start

WHOLE_BODIES = [
    json.dumps({"model": "m", "id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 4}}).encode(),
    json.dumps({"type": "error", "error": {"type": "api_error", "message": "no"}}).encode(),
    b'{"model": "m", "usage": {"input_tokens": 3}',
    b"[1]",
    b"no JSON",
    b"{" + b" " * (1 << 20) + b"}",
    start(input_tokens=3) + end(output_tokens=4) + STOP,
    start(input_tokens=3),
]


@pytest.mark.parametrize("media", [JSON, SSE, "text/plain", None])
@pytest.mark.parametrize("coding", [None, "gzip", "unknown"])
@pytest.mark.parametrize("number", range(len(WHOLE_BODIES)))
def test_a_body_that_came_whole_says_what_it_says_in_pieces(
    media: str | None, coding: str | None, number: int
) -> None:
    body = WHOLE_BODIES[number]
    data = gzip.compress(body) if coding == "gzip" else body
    whole, pieces = (UsageTap(media, coding, until_close=True) for _ in range(2))
    whole.feed_whole(data)
    pieces.feed(data[:5])
    pieces.feed(data[5:])

    def told(tap: UsageTap) -> tuple[object, ...]:
        said = (tap.error_type, tap.error_message, tap.model, tap.id, tap.usage, tap.final_usage(True))
        return (*said, tap.is_cut, tap.body_closed, tap.gave_up, tap.saw_stop, tap.seen_bytes)

    assert told(whole) == told(pieces)
