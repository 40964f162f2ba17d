"""Responses of the proxy's own, as bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from http import HTTPStatus

from ..errors import TeamClaudeError
from .http.header_rewrite import render_response

__all__ = ["render_error", "render_reply"]


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
) -> bytes:
    """Return a response with a JSON body; `close`: the connection ends with it; `head_only`: to HEAD."""
    fields = [("Content-Type", "application/json"), *headers, ("Content-Length", str(len(body)))]
    fields.append(("request-id", request_id))
    if close:
        fields.append(("Connection", "close"))
    head = render_response(status, _reason_phrase(status), fields)
    return head if head_only else head + body


def _reason_phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
