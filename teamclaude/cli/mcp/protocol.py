"""The state of one client of the Model Context Protocol: a line in; lines out, and tools to call.  Pure.

Rules that hold in this file:

1. Each request gets one reply, except one that was cancelled.  A notification never gets any.
2. A request that names its revision in `_meta` is answered by that one, at any time.  Any other needs the
   handshake `initialize` first, whose revision holds from then on.  `ping` needs none.
3. A batch gets one line with all its replies, when the last of them is there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ...values import NamedTuple
from .jsonrpc import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    Id,
    Message,
    RpcError,
    error_reply,
    message_of,
    parse_line,
    result_reply,
    to_line,
)
from .revisions import (
    BATCHES,
    HANDSHAKE,
    STATELESS,
    About,
    discovered,
    initialized,
    stated_revision,
    tool_list,
    tool_result,
)
from .tool import Json, Tool, ToolResult

__all__ = ["McpSession", "Received", "ToolCall"]

BUSY = -32000  # of those that are left to implementations
# More calls at a time than any model makes; each takes a thread.
MAX_RUNNING = 16
MAX_BATCH = 100

_Key = tuple[type, Id]  # the ids 1 and "1" are two


class ToolCall(NamedTuple):
    """A tool to call; its result goes to `McpSession.finish`."""

    id: Id
    revision: str
    tool: Tool
    arguments: Mapping[str, Any]
    meta: Mapping[str, Any]  # what the client says of the call


class Received(NamedTuple):
    """What one line leads to: lines to write now, and tools to call."""

    lines: Sequence[bytes] = ()
    calls: Sequence[ToolCall] = ()


class _Batch:
    """The requests of one array: their replies, and how many are missing."""

    def __init__(self) -> None:
        self.missing = 0
        self.replies: list[Json] = []


class McpSession:
    """One client; `version` is ours, `instructions` are for its model."""

    def __init__(self, tools: Sequence[Tool], version: str, instructions: str) -> None:
        self._tools = {tool.name: tool for tool in tools}
        self._about = About({"name": "teamclaude", "title": "TeamClaude", "version": version}, instructions)
        self._revision: Optional[str] = None  # of the handshake; None before it
        self._running: dict[_Key, Optional[_Batch]] = {}  # without those that were cancelled
        self._called = 0  # tools that have not returned, those of cancelled calls among them

    @property
    def running(self) -> int:
        """How many replies of tools are missing."""
        return len(self._running)

    def receive(self, line: bytes) -> Received:
        """Take a line from the client."""
        if not line.strip():
            return Received()
        try:
            value = parse_line(line)
            return self._batch(value) if isinstance(value, list) else self._single(value)
        except RpcError as error:
            return Received([to_line(error_reply(error))])

    def refuse(self, code: int, message: str) -> bytes:
        """Return the reply to a line that is not read."""
        return to_line(error_reply(RpcError(code, message)))

    def finish(self, call: ToolCall, result: ToolResult) -> Sequence[bytes]:
        """Take the result of a call; return the lines to write, none if it was cancelled."""
        self._called -= 1
        key = _key(call.id)
        if key not in self._running:
            return ()
        batch = self._running.pop(key)
        reply = result_reply(call.id, tool_result(call.revision, result, self._about))
        return [to_line(reply)] if batch is None else self._add_to(batch, reply)

    # --- messages --------------------------------------------------------------------------------------

    def _single(self, value: Any) -> Received:
        message = message_of(value)
        if message is None:
            return Received()
        if message.id is None:
            return Received(self._notified(message))
        found = self._answer(message, None)
        return Received((), [found]) if isinstance(found, ToolCall) else Received([to_line(found)])

    def _batch(self, values: list[Any]) -> Received:
        if self._revision not in BATCHES:
            raise RpcError(INVALID_REQUEST, "batches are for clients of revision 2025-03-26")
        if not 0 < len(values) <= MAX_BATCH:
            raise RpcError(INVALID_REQUEST, f"a batch has 1 to {MAX_BATCH} messages")
        batch = _Batch()
        calls: list[ToolCall] = []
        lines: list[bytes] = []
        for value in values:
            try:
                message = message_of(value)
                if message is None:
                    continue
                if message.id is None:
                    lines += self._notified(message)
                    continue
                if message.method == "initialize":
                    raise RpcError(INVALID_REQUEST, "initialize is no part of a batch", message.id)
                found = self._answer(message, batch)
            except RpcError as error:
                found = error_reply(error)
            if isinstance(found, ToolCall):
                calls.append(found)
            else:
                batch.replies.append(found)
        if batch.replies and not batch.missing:
            lines.append(to_line(batch.replies))
        return Received(lines, calls)

    def _add_to(self, batch: _Batch, reply: Optional[Json]) -> Sequence[bytes]:
        """Settle one request of a batch, with its reply or (cancelled) without."""
        batch.missing -= 1
        if reply is not None:
            batch.replies.append(reply)
        return [to_line(batch.replies)] if batch.replies and not batch.missing else ()

    def _notified(self, message: Message) -> Sequence[bytes]:
        """Take a notification; all but a cancellation change nothing here."""
        wanted = message.params.get("requestId")
        if message.method != "notifications/cancelled" or not isinstance(wanted, (str, int)):
            return ()
        key = _key(wanted)
        if key not in self._running:
            return ()
        batch = self._running.pop(key)
        return () if batch is None else self._add_to(batch, None)

    # --- requests --------------------------------------------------------------------------------------

    def _answer(self, message: Message, batch: Optional[_Batch]) -> Json | ToolCall:
        """Return the reply to a request, or the tool that makes it; raise RpcError with the request's id."""
        assert message.id is not None
        try:
            if message.method == "initialize":
                return result_reply(message.id, self._initialize(message.params))
            meta = message.params.get("_meta")
            meta = meta if isinstance(meta, dict) else {}
            stated = stated_revision(meta)
            if message.method == "ping" and stated is None:
                return result_reply(message.id, {})
            revision = stated or self._revision
            if revision is None:
                raise RpcError(INVALID_REQUEST, "initialize comes first")
            return self._of_revision(message, revision, meta, batch)
        except RpcError as error:
            error.id = message.id
            raise

    def _of_revision(
        self, message: Message, revision: str, meta: Mapping[str, Any], batch: Optional[_Batch]
    ) -> Json | ToolCall:
        id, method = message.id, message.method
        assert id is not None
        if method == "tools/call":
            return self._call(id, message.params, revision, meta, batch)
        if method == "tools/list":
            if message.params.get("cursor") is not None:
                raise RpcError(INVALID_PARAMS, "there is no such cursor: the list has one page")
            return result_reply(id, tool_list(revision, self._tools.values(), self._about))
        if method == "server/discover" and revision in STATELESS:
            return result_reply(id, discovered(revision, self._about))
        raise RpcError(METHOD_NOT_FOUND, f"no method {method[:80]}")

    def _initialize(self, params: Mapping[str, Any]) -> Json:
        wanted = params.get("protocolVersion")
        if not isinstance(wanted, str):
            raise RpcError(INVALID_PARAMS, "protocolVersion is missing")
        self._revision = wanted if wanted in HANDSHAKE else HANDSHAKE[-1]
        return initialized(self._revision, self._about)

    def _call(
        self,
        id: Id,
        params: Mapping[str, Any],
        revision: str,
        meta: Mapping[str, Any],
        batch: Optional[_Batch],
    ) -> ToolCall:
        name, arguments = params.get("name"), params.get("arguments")
        if not isinstance(name, str) or name not in self._tools:
            raise RpcError(INVALID_PARAMS, f"Unknown tool: {str(name)[:80]}")
        if arguments is not None and not isinstance(arguments, dict):
            raise RpcError(INVALID_PARAMS, "arguments is an object")
        if _key(id) in self._running:
            raise RpcError(INVALID_REQUEST, "a request with this id is running")
        if self._called >= MAX_RUNNING:
            raise RpcError(BUSY, f"{MAX_RUNNING} calls are running; try again when one has ended")
        self._called += 1
        self._running[_key(id)] = batch
        if batch is not None:
            batch.missing += 1
        return ToolCall(id, revision, self._tools[name], arguments or {}, meta)


def _key(id: Id) -> _Key:
    return type(id), id
