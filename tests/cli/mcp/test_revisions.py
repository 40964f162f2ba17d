"""What a client of each revision is shown."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.cli.mcp.jsonrpc import INVALID_PARAMS, RpcError
from teamclaude.cli.mcp.revisions import (
    HANDSHAKE,
    STATELESS,
    UNSUPPORTED_REVISION,
    About,
    discovered,
    initialized,
    stated_revision,
    tool_list,
    tool_result,
)
from teamclaude.cli.mcp.tool import ToolResult
from tests.cli.mcp.support import ECHO, ENVELOPE

ABOUT = About({"name": "teamclaude", "title": "TeamClaude", "version": "1.2.3"}, "Be kind.")
GOOD = ToolResult("hi", {"word": "hi"})


@pytest.mark.parametrize(
    ("revision", "annotations", "titles"),
    [
        ("2024-11-05", False, False),
        ("2025-03-26", True, False),
        ("2025-06-18", True, True),
        ("2025-11-25", True, True),
        ("2026-07-28", True, True),
    ],
)
def test_a_client_is_shown_what_its_revision_knows(revision: str, annotations: bool, titles: bool) -> None:
    (tool,) = tool_list(revision, [ECHO], ABOUT)["tools"]
    assert tool["inputSchema"]["type"] == "object"
    assert (tool.get("annotations") or {}).get("readOnlyHint", False) is annotations
    assert ("title" in tool, "outputSchema" in tool, "_meta" in tool) == (titles,) * 3
    assert ("structuredContent" in tool_result(revision, GOOD, ABOUT)) is titles
    assert ("title" in initialized(revision, ABOUT)["serverInfo"]) is titles


def test_every_revision_is_dealt_with() -> None:
    assert sorted(HANDSHAKE) == list(HANDSHAKE)
    assert max(HANDSHAKE) < min(STATELESS)


def test_a_stateless_result_says_that_it_is_complete_and_whose_it_is() -> None:
    for result in (
        tool_result("2026-07-28", GOOD, ABOUT),
        tool_list("2026-07-28", [ECHO], ABOUT),
        discovered("2026-07-28", ABOUT),
    ):
        assert result["resultType"] == "complete"
        assert result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "teamclaude"
    for result in (tool_list("2026-07-28", [ECHO], ABOUT), discovered("2026-07-28", ABOUT)):
        assert (result["cacheScope"], result["ttlMs"] > 0) == ("public", True)
    assert set(tool_result("2025-11-25", GOOD, ABOUT)) == {"content", "isError", "structuredContent"}


def test_an_error_of_a_tool_is_a_result_with_the_text_alone() -> None:
    assert tool_result("2025-11-25", ToolResult("no proxy"), ABOUT) == {
        "content": [{"type": "text", "text": "no proxy"}],
        "isError": True,
    }


def test_the_instructions_reach_the_client_in_both_ways() -> None:
    assert initialized("2025-11-25", ABOUT)["instructions"] == "Be kind."
    assert discovered("2026-07-28", ABOUT)["instructions"] == "Be kind."


VERSION, CAPABILITIES = ENVELOPE


@pytest.mark.parametrize(
    ("meta", "code"),
    [
        ({**ENVELOPE, VERSION: 7}, INVALID_PARAMS),
        ({VERSION: "2026-07-28"}, INVALID_PARAMS),
        ({**ENVELOPE, CAPABILITIES: []}, INVALID_PARAMS),
        ({**ENVELOPE, VERSION: "2099-01-01"}, UNSUPPORTED_REVISION),
        ({**ENVELOPE, VERSION: "2025-11-25"}, UNSUPPORTED_REVISION),
    ],
)
def test_a_stated_revision_must_be_ours_and_stated_in_full(meta: dict[str, Any], code: int) -> None:
    with pytest.raises(RpcError) as caught:
        stated_revision(meta)
    assert caught.value.code == code
    if code == UNSUPPORTED_REVISION:
        assert caught.value.data == {"supported": ["2026-07-28"], "requested": meta[VERSION]}


def test_a_request_may_state_none() -> None:
    assert stated_revision({}) is None
    assert stated_revision({"progressToken": 1}) is None
    assert stated_revision(ENVELOPE) == "2026-07-28"
