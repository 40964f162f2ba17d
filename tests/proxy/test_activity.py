from __future__ import annotations

import json

from teamclaude.deck.activity import activity_line
from teamclaude.proxy.activity import Activity, as_json

NOON = 1_795_435_200.25


FULL = Activity(
    id="tc-1",
    at=NOON,
    method="POST",
    path="/v1/messages",
    model="claude-opus-4-8",
    effort="high",
    session="3f2a91c0-0000",
    agent="a1d8",
    client="ci",
    accounts=("alice", "bob"),
    status=200,
    ttfb_sec=1.4,
    duration_sec=12.1,
    input_tokens=1200,
    output_tokens=8400,
    cache_read_tokens=50_000,
    cache_write_tokens=0,
    cost=0.25,
    outcome="served",
    reason="own account",
)


def test_the_json_names_and_units() -> None:
    assert json.loads(json.dumps(as_json(FULL))) == {
        "id": "tc-1",
        "at": 1_795_435_200_250,
        "method": "POST",
        "path": "/v1/messages",
        "model": "claude-opus-4-8",
        "effort": "high",
        "session": "3f2a91c0-0000",
        "agent": "a1d8",
        "client": "ci",
        "accounts": ["alice", "bob"],
        "status": 200,
        "ttfbSec": 1.4,
        "durationSec": 12.1,
        "inputTokens": 1200,
        "outputTokens": 8400,
        "cacheReadTokens": 50_000,
        "cacheWriteTokens": 0,
        "cost": 0.25,
        "outcome": "served",
        "reason": "own account",
    }


def test_unknown_is_null_and_never_zero() -> None:
    unknown = {
        key for key, value in as_json(Activity("r1", NOON, "POST", "/v1/messages")).items() if value is None
    }
    numbers = {"status", "ttfbSec", "durationSec", "cost"}
    assert unknown == numbers | {"inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens"}


def test_the_json_is_what_the_activity_line_reads() -> None:
    line = activity_line(as_json(FULL))
    assert "POST /v1/messages claude-opus-4-8·high" in line
    assert "3f2a91c0 → alice → bob 200 12.1s ttfb 1.4s 1.2k in 8.4k out" in line
