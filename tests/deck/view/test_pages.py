"""The lines that explain why a request went to its account."""

from __future__ import annotations

import time
from typing import Any

from teamclaude.deck.view.pages import explanation_lines

AT = 1_795_428_000.0
CLOCK = time.strftime("%H:%M:%S", time.localtime(AT))
SID = "3f2a91c0-1111-4222-8333-444444444444"


def decision(**fields: Any) -> dict[str, Any]:
    return {
        "account": "bob",
        "reason": "failover",
        "detail": "",
        "previous": "alice",
        "excluded": [
            {"account": "alice", "rule": "tried", "detail": "already refused this request"},
            {"account": "paid key", "rule": "API key waits", "detail": ""},
        ],
        "retryAt": None,
        "at": AT,
        **fields,
    }


def test_the_explanation_of_a_failover() -> None:
    record = {
        "request": "tc-1",
        "at": AT,
        "method": "POST",
        "path": "/v1/messages",
        "session": SID,
        "agent": None,
        "model": "claude-opus-4-8",
        "status": 200,
        "outcome": "served",
        "note": "",
        "attempts": [
            {
                "account": "alice",
                "status": 429,
                "note": "5h rejected",
                "decision": decision(account="alice", reason="kept warm", previous="alice", excluded=[]),
            },
            {"account": "bob", "status": 200, "note": "", "decision": decision()},
        ],
    }
    day = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(AT))
    assert explanation_lines(record) == [
        f"tc-1 {day} POST /v1/messages",
        f"  session  {SID}",
        "  model    claude-opus-4-8",
        "  outcome  served 200",
        "",
        "1. alice: answered 429 (5h rejected)",
        "   because   kept warm",
        "",
        "2. bob: answered 200",
        "   because   failover",
        "   before    alice",
        "   not taken alice     tried (already refused this request)",
        "             paid key  API key waits",
    ]


def test_a_request_that_no_account_could_serve() -> None:
    held = decision(account=None, reason="no account usable", previous=None, retryAt=AT + 60)
    lines = explanation_lines({"request": "tc-2", "outcome": "held out", "status": 429, "decision": held})
    assert lines[0] == "tc-2"
    assert lines[1] == "  outcome  held out 429"
    assert lines[3] == "   because   no account usable"
    assert lines[-1] == "   again at  " + time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(AT + 60))


def test_a_request_under_way() -> None:
    assert explanation_lines({"request": "tc-3"}) == ["tc-3", "  outcome  still running"]
