"""`explain`: of a request by its id, of this session's last, of the last of all."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.cli.mcp.explain_tool import EXPLAIN
from teamclaude.cli.mcp.tool import ToolResult, checked_arguments
from teamclaude.cli.proxy_client import ProxyRefusedError
from tests.cli.mcp.schema_check import faults

RECORD = {
    "request": "tc-1",
    "at": 1_795_780_800.25,
    "method": "POST",
    "path": "/v1/messages",
    "session": "s1",
    "agent": None,
    "model": "opus",
    "status": 200,
    "outcome": "served",
    "note": "",
    "waits": [{"kind": "held", "sec": 3.5, "over": True, "reason": "no account", "attempts": 0}],
    "attempts": [
        {
            "account": "bob",
            "status": 200,
            "note": "",
            "decision": {
                "account": "bob",
                "reason": "new session",
                "detail": "2 active",
                "excluded": [{"account": "alice", "rule": "benched", "detail": "4m"}],
            },
        }
    ],
}


def explain(paths: dict[str, Any], session: Optional[str], **arguments: Any) -> ToolResult:
    def ask(path: str) -> Any:
        if path not in paths:
            raise ProxyRefusedError("No such request is remembered.", 404)
        return paths[path]

    result = EXPLAIN.run(ask, checked_arguments(EXPLAIN.input_schema, arguments), session)
    assert result.structured is not None
    assert faults(result.structured, EXPLAIN.output_schema) == []
    return result


def test_the_last_of_this_session() -> None:
    result = explain({"/teamclaude/sessions/s%2F1/explain": RECORD}, "s/1")
    assert result.text.startswith("tc-1 ")
    assert "not taken alice  benched (4m)" in result.text
    told = result.structured or {}
    assert told["attempts"] == [
        {
            "account": "bob",
            "status": 200,
            "note": "",
            "reason": "new session",
            "detail": "2 active",
            "excluded": [{"account": "alice", "rule": "benched", "detail": "4m"}],
        }
    ]
    assert (told["at"], told["agent"], told["otherSession"]) == ("2026-11-27T12:00:00Z", None, False)
    assert told["waits"][0] == {
        "kind": "held",
        "seconds": 3.5,
        "over": True,
        "reason": "no account",
        "detail": "",
        "account": None,
    }


def test_a_session_without_requests_gets_the_last_of_all_and_is_told_so() -> None:
    result = explain({"/teamclaude/explain/last": RECORD}, "s2")
    assert result.text.startswith("No request of this session is remembered.")
    assert (result.structured or {})["otherSession"] is True


def test_without_a_session_it_is_the_last_of_all() -> None:
    result = explain({"/teamclaude/explain/last": RECORD}, None)
    assert (result.structured or {})["otherSession"] is False


def test_by_its_id_and_last_by_name() -> None:
    assert explain({"/teamclaude/explain/tc-1": RECORD}, "s2", request="tc-1").text.startswith("tc-1")
    assert explain({"/teamclaude/explain/last": RECORD}, "s1", request="last").text.startswith("tc-1")


def test_an_id_that_is_not_remembered_is_the_proxys_error() -> None:
    with pytest.raises(ProxyRefusedError, match="remembered"):
        explain({}, "s1", request="tc-2")
    with pytest.raises(ProxyRefusedError, match="remembered"):
        explain({}, "s1")


def test_another_refusal_is_not_taken_for_a_session_without_requests() -> None:
    asked = []

    def ask(path: str) -> Any:
        asked.append(path)
        raise ProxyRefusedError("the key is wrong", 401)

    with pytest.raises(ProxyRefusedError, match="the key"):
        EXPLAIN.run(ask, {"request": None}, "s1")
    assert len(asked) == 1


@pytest.mark.parametrize("record", [{}, [], {"attempts": [1, {}], "waits": {}, "status": "x", "at": "y"}])
def test_a_record_of_another_version_is_no_reason_to_fail(record: Any) -> None:
    assert explain({"/teamclaude/explain/last": record}, None).structured is not None
