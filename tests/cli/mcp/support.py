"""A client of the pure protocol: it sends values and reads the values of the lines that come back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Optional

from teamclaude.cli.mcp.protocol import McpSession, ToolCall
from teamclaude.cli.mcp.tool import Ask, Tool, ToolResult, object_of, text

ECHO = Tool(
    "echo",
    "Echo",
    "Say it again.",
    "say it again",
    object_of({"word": text(maxLength=9)}, optional=True),
    object_of({"word": text()}),
    lambda ask, arguments, session: ToolResult(arguments["word"], {"word": arguments["word"]}),
)
ENVELOPE = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Client:
    """A client of a session with the tool `echo`; `revision`: of the handshake, None for none."""

    def __init__(self, revision: Optional[str] = "2025-11-25") -> None:
        self.session = McpSession([ECHO], "1.2.3", "Be kind.")
        self.calls: list[ToolCall] = []
        if revision is not None:
            self.started = self.ask("initialize", protocolVersion=revision)
            self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def send(self, value: Any) -> list[Any]:
        """Send a message; return those that come back at once."""
        return self.send_line(json.dumps(value).encode())

    def send_line(self, line: bytes) -> list[Any]:
        received = self.session.receive(line)
        self.calls += received.calls
        assert all(each.endswith(b"\n") and each.count(b"\n") == 1 for each in received.lines)
        return [json.loads(each) for each in received.lines]

    def ask(self, method: str, id: Any = 1, **params: Any) -> Any:
        """Send a request; return its reply, None if a tool makes it."""
        replies = self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        assert len(replies) <= 1
        return replies[0] if replies else None

    def finish(self, said: str = "hi") -> list[Any]:
        """End the oldest call with this result; return the messages that come back."""
        lines = self.session.finish(self.calls.pop(0), ToolResult(said, {"word": said}))
        return [json.loads(line) for line in lines]


def no_proxy(path: str) -> Any:
    raise AssertionError(f"asked for {path}")


def answers(by_path: Mapping[str, Any]) -> Ask:
    """Return a proxy that knows these paths."""
    return lambda path: by_path[path]
