"""Read one line of JSON-RPC 2.0 (https://www.jsonrpc.org/specification), and write replies as lines.  Pure.

The Model Context Protocol narrows it: an id is a string or a whole number, never null, and parameters are an
object.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn, Optional, Union

from ...values import NamedTuple

__all__ = [
    "INTERNAL_ERROR",
    "INVALID_PARAMS",
    "INVALID_REQUEST",
    "METHOD_NOT_FOUND",
    "PARSE_ERROR",
    "Id",
    "Message",
    "RpcError",
    "error_reply",
    "message_of",
    "parse_line",
    "result_reply",
    "to_line",
]

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
INTERNAL_ERROR = -32603

BOM = b"\xef\xbb\xbf"

Id = Union[str, int]


class RpcError(Exception):
    """An error reply; `id` is None where the request's id can't be told."""

    def __init__(self, code: int, message: str, id: Optional[Id] = None, data: Any = None) -> None:
        super().__init__(message)
        self.code, self.message, self.id, self.data = code, message, id, data


class Message(NamedTuple):
    """A request, or a notification: that has no id and gets no reply."""

    method: str
    params: dict[str, Any]
    id: Optional[Id] = None


def parse_line(line: bytes) -> Any:
    """Return the JSON value of a line; raise RpcError if it is none."""
    text = line[len(BOM) :] if line.startswith(BOM) else line
    try:
        return json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # UnicodeDecodeError is a ValueError, too
        raise RpcError(PARSE_ERROR, "not a line of JSON in UTF-8") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def message_of(value: Any) -> Optional[Message]:
    """Return the request or notification; None for a reply, as this server asks nothing.

    Raise RpcError for anything else.
    """
    if not isinstance(value, dict):
        raise RpcError(INVALID_REQUEST, "a message is an object")
    if "method" not in value and ("result" in value or "error" in value):
        return None
    has_id, id = "id" in value, value.get("id")
    good_id = isinstance(id, (str, int)) and not isinstance(id, bool)
    if has_id and not good_id:
        raise RpcError(INVALID_REQUEST, "an id is a string or a whole number")
    method, params = value.get("method"), value.get("params")
    if value.get("jsonrpc") != "2.0" or not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, 'a request has "jsonrpc": "2.0" and a method', id)
    if params is not None and not isinstance(params, dict):
        if not has_id:  # a notification gets no reply, not even an error
            return None
        raise RpcError(INVALID_PARAMS, "params is an object", id)
    return Message(method, params or {}, id)


def result_reply(id: Id, result: dict[str, Any]) -> dict[str, Any]:
    """Return the reply to a request that succeeded."""
    return {"jsonrpc": "2.0", "id": id, "result": result}


def error_reply(error: RpcError) -> dict[str, Any]:
    """Return the reply to a request that failed."""
    told: dict[str, Any] = {"code": error.code, "message": error.message}
    if error.data is not None:
        told["data"] = error.data
    return {"jsonrpc": "2.0", "id": error.id, "error": told}


def to_line(value: Any) -> bytes:
    """Return the value as one line: only ASCII, so that a lone surrogate in an id is no error."""
    return json.dumps(value, separators=(",", ":")).encode("ascii") + b"\n"
