"""The table of tools: what each promises, and that every error becomes a line for the model."""

from __future__ import annotations

import json
from typing import Any, NoReturn

import pytest

from teamclaude.cli.mcp.tool import Ask, Tool, ToolResult
from teamclaude.cli.mcp.tools import INSTRUCTIONS, TOOLS, call_tool
from teamclaude.cli.proxy_client import ProxyDownError
from tests.cli.mcp.support import ECHO, no_proxy


def test_the_tools() -> None:
    assert [tool.name for tool in TOOLS] == ["status", "capacity", "explain", "usage"]


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_describes_itself(tool: Tool) -> None:
    assert tool.input_schema["type"] == tool.output_schema["type"] == "object"
    assert tool.input_schema["additionalProperties"] is False
    assert "required" not in tool.input_schema  # every argument may be left out
    assert tool.description.endswith(".")
    assert len(tool.description) < 600  # it is part of every prompt
    assert json.loads(json.dumps([tool.input_schema, tool.output_schema]))


def test_the_instructions_name_the_tools_that_exist() -> None:
    assert "`capacity`" in INSTRUCTIONS
    assert len(INSTRUCTIONS) < 500


def test_a_result_comes_back() -> None:
    assert call_tool(ECHO, {"word": "hi"}, None, lambda: no_proxy) == ToolResult("hi", {"word": "hi"})


def test_a_wrong_argument_is_an_error_the_model_reads() -> None:
    result = call_tool(ECHO, {"wort": "hi"}, None, lambda: no_proxy)
    assert result == ToolResult('no argument is called "wort"; there are: word')


def test_no_proxy_and_no_config_are_errors_with_one_line() -> None:
    def connect() -> NoReturn:
        raise ProxyDownError("no proxy answers at http://127.0.0.1:1; start it with: teamclaude server")

    result = call_tool(ECHO, {}, None, connect)
    assert result.structured is None
    assert result.text.endswith("start it with: teamclaude server")


def test_an_unforeseen_error_is_one_line() -> None:
    def run(ask: Ask, arguments: Any, session: Any) -> NoReturn:
        raise ValueError("a\nb")

    result = call_tool(ECHO._replace(run=run), {}, None, lambda: no_proxy)
    assert result == ToolResult("internal error: ValueError: a")
