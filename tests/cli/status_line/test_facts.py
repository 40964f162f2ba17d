"""Claude Code's input and the proxy's answer: what they say, and that nonsense counts as unknown."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.cli.status_line.facts import Facts, Input, Window, facts_of, input_of, is_session_id

# As Claude Code 2.1.332 sends it, shortened.
SAID: dict[str, Any] = {
    "session_id": "e2674f4f-14cc-4b84-9dca-bc6a77485b28",
    "transcript_path": "/home/x/.claude/projects/x.jsonl",
    "cwd": "/home/x",
    "model": {"id": "claude-opus-5-5", "display_name": "Opus 5.5"},
    "cost": {"total_cost_usd": 0.112104, "total_duration_ms": 8818},
    "context_window": {"context_window_size": 1000000, "used_percentage": 7},
    "prompt_cache": {"warm": True, "ttl": "1h", "expires_at": 1795956784, "recache_tokens_if_cold": 13913},
    "rate_limits": {"five_hour": {"used_percentage": 0, "resets_at": 1795971183}},
}


def test_what_claude_code_says() -> None:
    found = input_of(json.dumps(SAID).encode(), {})
    assert found == Input(SAID["session_id"], "Opus 5.5", 0.112104, 0.07, True, 1795956784, 13913)


def test_before_the_first_answer_the_shares_are_null() -> None:
    said = {**SAID, "context_window": {"used_percentage": None}, "prompt_cache": None}
    found = input_of(json.dumps(said).encode(), {})
    assert (found.context, found.cache_warm, found.cache_ends_at) == (None, None, None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"  \n",
        b"{",
        b"[1]",
        b'"x"',
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"session_id": 7, "cost": [], "model": 1}',
    ],
)
def test_unusable_input_leaves_the_session_of_the_environment(data: bytes) -> None:
    assert input_of(data, {"CLAUDE_CODE_SESSION_ID": "s-1"}) == Input("s-1")
    assert input_of(data, {"CLAUDE_CODE_SESSION_ID": "../x"}) == Input("")


@pytest.mark.parametrize("text", ["", "-", "--", "a/b", "..", "a.b", "é", "a b", "x" * 65, "a\n"])
def test_no_session_id(text: str) -> None:
    assert not is_session_id(text)
    assert input_of(json.dumps({"session_id": text}).encode(), {}).session == ""


def test_what_the_proxy_answers() -> None:
    answer = {
        "service": "teamclaude",
        "at": 2000,
        "session": {"account": "alice", "pinned": True, "cost": 0.5},
        "account": {
            "name": "alice",
            "status": "benched",
            "benchSec": 30,
            "windows": {"5h": {"utilization": 0.4, "resetsAt": 5000}, "7d": {"utilization": None}},
        },
        "pool": {
            "verdict": "yellow",
            "headroom": 2,
            "live": 1,
            "total": 3,
            "soonestResetSec": 60,
            "forecastKnown": True,
            "dryFrom": 11_000,
        },
        "held": {"sec": 7, "reason": "all are full", "account": "bob", "backAt": 9000},
        "failover": {"refusedBy": "alice", "account": "bob"},
        "draining": True,
    }
    assert facts_of(answer) == Facts(
        at=2.0,
        account="alice",
        account_status="benched",
        bench_sec=30,
        pinned=True,
        cost=0.5,
        windows={"5h": Window(0.4, 5.0), "7d": Window()},
        verdict="yellow",
        headroom=2,
        live=1,
        total=3,
        room_in_sec=60,
        forecast_known=True,
        dry_from=11.0,
        held_sec=7,
        held_reason="all are full",
        held_account="bob",
        held_until=9.0,
        refused_by="alice",
        failover_to="bob",
        draining=True,
    )


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"at": "x", "session": 1, "account": [], "pool": "x", "held": None, "failover": 3},
        {"pool": {"headroom": "many", "live": True, "total": 1e300}},
        {"account": {"windows": [1]}, "held": {}},
    ],
)
def test_an_answer_of_the_wrong_shape_is_unknown(answer: Any) -> None:
    assert facts_of(answer) == Facts()
