"""A body that came whole, against the same in pieces."""

from __future__ import annotations

import gzip
import json

import pytest

from teamclaude.proxy.http.response_head import ResponseForm, parse_response_head
from teamclaude.proxy.messages.findings import read_document
from teamclaude.proxy.messages.usage_tap import UsageTap, findings_by_tap
from tests.proxy.messages.test_usage_tap import JSON, SSE, STOP, end, start

COUNTS = {
    "input_tokens": 3,
    "output_tokens": 4,
    "cache_read_input_tokens": 5,
    "cache_creation_input_tokens": 6,
}
PARTS = {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 4}
WHOLE_BODIES = [
    json.dumps({"model": "m", "id": "msg_1", "usage": {"input_tokens": 3, "output_tokens": 4}}).encode(),
    json.dumps({"model": "m\n", "id": "x" * 129, "usage": COUNTS}).encode(),
    json.dumps({"model": "", "id": 1, "usage": {**COUNTS, "cache_creation": PARTS}}).encode(),
    json.dumps({"usage": {**COUNTS, "output_tokens": 1.5, "input_tokens": True}}).encode(),
    json.dumps({"usage": {**COUNTS, "output_tokens": -1, "input_tokens": 1 << 40}}).encode(),
    json.dumps({"usage": {**COUNTS, "output_tokens": None}}).encode(),
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
    pieces, of = UsageTap(media, coding), form(media, coding)
    pieces.feed(data[:5])
    pieces.feed(data[5:])
    expected = pieces.findings
    assert read_document(of, data) == (expected if coding is None and pieces.body_closed else None)
    assert findings_by_tap(of, data) == expected


def form(media: str | None, coding: str | None) -> ResponseForm:
    fields = (("Content-Type", media), ("Content-Encoding", coding))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields if value is not None)
    return parse_response_head(f"HTTP/1.1 200 OK\r\n{lines}\r\n".encode()).form
