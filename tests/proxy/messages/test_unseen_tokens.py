"""The estimate of tokens that an answer did not come to tell."""

from __future__ import annotations

import gzip
import json
from typing import Optional

import pytest

from teamclaude.proxy.messages.unseen_tokens import unseen_tokens
from teamclaude.proxy.messages.usage_tap import UsageTap
from tests.proxy.messages.test_usage_tap import JSON, SSE, delta, end, start

BEGUN = start(input_tokens=100, output_tokens=1) + delta("x" * 3200)


def unseen(data: bytes, kind: str = SSE, coding: Optional[str] = None, size: int = 97) -> int:
    tap = UsageTap(kind, coding)
    for at in range(0, len(data), size):
        tap.feed(data[at : at + size])
    return unseen_tokens(tap)


@pytest.mark.parametrize("size", [1, 97, 1 << 20])
def test_a_stream_that_broke_off_counts_by_its_length(size: int) -> None:
    assert unseen(BEGUN, size=size) == len(BEGUN) // 32 - 1
    assert unseen(gzip.compress(BEGUN), coding="gzip", size=size) == len(BEGUN) // 32 - 1


def test_skipped_events_count_too() -> None:
    tap = UsageTap(SSE, None)
    pieces = [start(output_tokens=1), *[delta("x" * 320)] * 10]
    for piece in pieces:
        tap.feed(piece)
    assert unseen_tokens(tap) == sum(map(len, pieces)) // 32 - 1


def test_what_has_told_its_counts_lacks_none() -> None:
    assert unseen(BEGUN + end(output_tokens=5000)) == 0, "they came, if not its end"
    assert unseen(b"") == 0


def test_a_body_that_can_not_be_read_counts_by_its_length() -> None:
    assert unseen(b"?" * 4000, coding="br") == 1000
    cut = json.dumps({"type": "message", "text": "x" * 3000}).encode()[:-1]
    assert unseen(cut, JSON) == len(cut) // 4
