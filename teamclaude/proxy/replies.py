"""Responses of the proxy's own, as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ..errors import TeamClaudeError
from .http.header_rewrite import render_response

__all__ = ["render_error", "render_reply", "render_stream_head"]


def render_error(error: TeamClaudeError, request_id: str, close: bool, head_only: bool = False) -> bytes:
    """Return the response to a request that failed; its body is JSON as the API's own errors are."""
    body = json.dumps({"type": "error", "error": {"type": error.kind, "message": str(error)}}).encode()
    return render_reply(error.status, error.headers(), body, request_id, close, head_only)


def render_reply(
    status: int,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    request_id: str,
    close: bool,
    head_only: bool = False,
    content_type: str = "application/json",
) -> bytes:
    """Return a response with a body; `close`: the connection ends with it; `head_only`: to HEAD."""
    fields = [("Content-Type", content_type), *headers, ("Content-Length", str(len(body)))]
    fields.append(("request-id", request_id))
    if close:
        fields.append(("Connection", "close"))
    head = render_response(status, _reason_phrase(status), fields)
    return head if head_only else head + body


def render_stream_head(
    headers: Sequence[tuple[str, str]], content_type: str, request_id: str, chunked: bool
) -> bytes:
    """Return the head of a 200 whose body is not finished yet; the connection ends with it."""
    fields = [("Content-Type", content_type), *headers, ("request-id", request_id), ("Connection", "close")]
    fields += [("Transfer-Encoding", "chunked")] if chunked else []
    return render_response(200, _reason_phrase(200), fields)


_PHRASES = {  # of the usual ones; others are looked up
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    502: "Bad Gateway",
    503: "Service Unavailable",
}


def _reason_phrase(status: int) -> str:
    if status in _PHRASES:
        return _PHRASES[status]
    from http import HTTPStatus  # 1 ms: an enumeration of 60

    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
