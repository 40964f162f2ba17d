"""A request for the proxy itself, and the reply to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Optional, Protocol
from urllib.parse import parse_qsl

from ...errors import BadRequestError
from ...values import NamedTuple
from ..http.head import RequestHead
from ..messages.access import Caller

__all__ = ["EndpointReply", "EndpointRequest", "EventStream", "json_object", "json_reply"]

MAX_QUERY_FIELDS = 50


class EndpointRequest(NamedTuple):
    """A request for the proxy itself; `caller` is who was let in (AccessPolicy)."""

    method: str
    path: str  # without the query, still percent-encoded
    query: Mapping[str, str] = {}  # decoded; of a repeated name the last one
    body: bytes = b""
    caller: Caller = Caller(None, False)
    head: Optional[RequestHead] = None
    address: str = ""  # the request comes from; behind trusted proxies the caller's
    is_own_process: Callable[[], bool] = bool  # whether a process of our own user sent it

    @classmethod
    def of_head(
        cls, head: RequestHead, body: bytes, caller: Caller, address: str, is_own_process: Callable[[], bool]
    ) -> EndpointRequest:
        """Take path and query from the target; raise BadRequestError for a query that is too long."""
        path, _, query = head.target.partition("?")
        try:
            fields = parse_qsl(query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS)
        except ValueError:
            raise BadRequestError(f"The query has more than {MAX_QUERY_FIELDS} fields.") from None
        return cls(head.method, path, dict(fields), body, caller, head, address, is_own_process)

    def field(self, name: str) -> str:
        """Return the values of a header field as one text, empty without it."""
        return "" if self.head is None else ", ".join(self.head.get_all(name))

    @property
    def accept(self) -> str:
        """The media types that the caller reads; empty: any."""
        return self.field("accept")


class EventStream(Protocol):
    """A body that is sent as it comes into being; an empty piece: nothing new for some seconds."""

    def __iter__(self) -> Iterator[bytes]:
        """Return the pieces."""

    def close(self) -> None:
        """Free what it holds; called once, also if it was never iterated."""


class EndpointReply(NamedTuple):
    """Status, body and further header fields of a reply; with `stream`, that is the body."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = ()
    content_type: str = "application/json"
    stream: Optional[EventStream] = None


def json_reply(value: Any, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> EndpointReply:
    """Return a JSON value as a reply."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    # Half of a character pair, as in a title that was cut, has no UTF-8: it stays the escape it came as.
    return EndpointReply(status, text.encode("utf-8", "backslashreplace"), headers)


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body, empty for an empty body; raises BadRequestError."""
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadRequestError("The body is not a JSON object.")
    return value
