"""The table of tools, what the server says of itself, and a call to one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Optional

from ...errors import TeamClaudeError
from .capacity_tool import CAPACITY
from .explain_tool import EXPLAIN
from .status_tool import STATUS
from .tool import Ask, Tool, ToolResult, checked_arguments
from .usage_tool import USAGE

__all__ = ["INSTRUCTIONS", "TOOLS", "call_tool"]

TOOLS = (STATUS, CAPACITY, EXPLAIN, USAGE)

INSTRUCTIONS = (
    "TeamClaude serves this session's requests with a pool of accounts. Before you start several sub-agents "
    "at once, ask `capacity` with their number and start no more than it says. When requests wait or fail, "
    "`status` and `explain` say why. All tools only read."
)


def call_tool(
    tool: Tool, arguments: Mapping[str, Any], session: Optional[str], connect: Callable[[], Ask]
) -> ToolResult:
    """Call the tool; every error is a result with one line that the model can read.

    `connect` returns the function that asks the proxy, or raises TeamClaudeError.
    """
    try:
        return tool.run(connect(), checked_arguments(tool.input_schema, arguments), session)
    except TeamClaudeError as error:
        return ToolResult(str(error))
    except Exception as error:
        return ToolResult(f"internal error: {type(error).__name__}: {error}".splitlines()[0])
