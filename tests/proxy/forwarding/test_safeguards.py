"""Auto mode's safety check: `safeguards` precedes `stream` in the body (Claude Code 2.1.330)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.proxy.conftest import message

Build = Callable[..., Any]
HELLO = message()


def test_a_safety_check_passes_in_both_directions_and_disturbs_nothing(stage: Build) -> None:
    s = stage("a")
    s.api.script.reply_with([{"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}])
    context = {"v": 1, "model": "not this one", "stream": False, "note": "x" * 40_000}
    check = {"safeguards": [{"type": "dangerous_tool_use", "classifier_context": context}]}
    body = json.dumps({**{k: v for k, v in HELLO.items() if k != "stream"}, **check, "stream": True}).encode()
    reply = s.send("POST", "/v1/messages?beta=true", body)
    assert s.seen()[0].body == body
    assert b'"tool_uses":{"toolu_1":{"type":"evaluated","outcome":"not_flagged"}}' in reply.body
    record = s.records[-1]
    assert (record["model"], record["outcome"]) == ("claude-opus-4-8", "served")
    assert record["outputTokens"] > 0
