"""What the revisions of the Model Context Protocol differ in.  Pure.

As of https://modelcontextprotocol.io/specification:

    2024-11-05   the first
    2025-03-26   batches; annotations of tools
    2025-06-18   no batches; titles, output schemas, structured results
    2025-11-25   wrong arguments are an error of the tool, which the model reads (so here in every revision)
    2026-07-28   no `initialize`: each request states its revision in `_meta`; `server/discover` lists ours

What a client of an older revision does not know is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Optional

from ...values import NamedTuple
from .jsonrpc import INVALID_PARAMS, RpcError
from .tool import Json, Tool, ToolResult

__all__ = [
    "BATCHES",
    "HANDSHAKE",
    "STATELESS",
    "About",
    "discovered",
    "initialized",
    "stated_revision",
    "tool_list",
    "tool_result",
]

HANDSHAKE = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
STATELESS = ("2026-07-28",)
BATCHES = ("2025-03-26",)
ANNOTATIONS_SINCE, TITLES_SINCE = "2025-03-26", "2025-06-18"

UNSUPPORTED_REVISION = -32022
META = "io.modelcontextprotocol/"
LISTS_STAY_FRESH_MS = 3_600_000  # they change only with the program


class About(NamedTuple):
    """What the server says of itself: `serverInfo`, and a text for the client's model."""

    server: Mapping[str, str]
    instructions: str


def stated_revision(meta: Mapping[str, Any]) -> Optional[str]:
    """Return the revision that a request states, None if it states none.

    Raise RpcError if it is none of ours, or if the request does not say all that belongs to it.
    """
    if f"{META}protocolVersion" not in meta:
        return None
    revision = meta[f"{META}protocolVersion"]
    if not isinstance(revision, str):
        raise RpcError(INVALID_PARAMS, f"_meta: {META}protocolVersion is a text")
    if revision not in STATELESS:
        data = {"supported": list(STATELESS), "requested": revision}
        raise RpcError(UNSUPPORTED_REVISION, "Unsupported protocol version", data=data)
    if not isinstance(meta.get(f"{META}clientCapabilities"), dict):
        raise RpcError(INVALID_PARAMS, f"_meta: {META}clientCapabilities is missing")
    return revision


def initialized(revision: str, about: About) -> Json:
    """Return the result of `initialize`."""
    server = {key: value for key, value in about.server.items() if key != "title" or revision >= TITLES_SINCE}
    return {
        "protocolVersion": revision,
        "capabilities": {"tools": {}},
        "serverInfo": server,
        "instructions": about.instructions,
    }


def discovered(revision: str, about: About) -> Json:
    """Return the result of `server/discover`."""
    found = {
        "supportedVersions": list(STATELESS),
        "capabilities": {"tools": {}},
        "instructions": about.instructions,
    }
    return _list_result(revision, found, about)


def tool_list(revision: str, tools: Iterable[Tool], about: About) -> Json:
    """Return the result of `tools/list`."""
    return _list_result(revision, {"tools": [_described(tool, revision) for tool in tools]}, about)


def tool_result(revision: str, result: ToolResult, about: About) -> Json:
    """Return the result of `tools/call`."""
    told: Json = {
        "content": [{"type": "text", "text": result.text}],
        "isError": result.structured is None,
    }
    if result.structured is not None and revision >= TITLES_SINCE:
        told["structuredContent"] = result.structured
    return _result(revision, told, about)


def _described(tool: Tool, revision: str) -> Json:
    told: Json = {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
    if revision >= ANNOTATIONS_SINCE:
        told["annotations"] = {
            "title": tool.title,
            "readOnlyHint": True,
            "destructiveHint": False,
            "idempotentHint": True,
            "openWorldHint": False,
        }
    if revision >= TITLES_SINCE:
        told["title"], told["outputSchema"] = tool.title, tool.output_schema
        told["_meta"] = {"anthropic/searchHint": tool.search_hint}  # read by Claude Code 2.1.332
    return told


def _list_result(revision: str, listed: Json, about: About) -> Json:
    if revision in STATELESS:
        listed = {**listed, "ttlMs": LISTS_STAY_FRESH_MS, "cacheScope": "public"}
    return _result(revision, listed, about)


def _result(revision: str, result: Json, about: About) -> Json:
    if revision not in STATELESS:
        return result
    return {**result, "resultType": "complete", "_meta": {f"{META}serverInfo": dict(about.server)}}
