"""The upstream's own words about a refusal, fit to be shown or to be put into an event."""

from __future__ import annotations

import json
import zlib

from ..http.content_coding import COMPRESSED, Inflater
from ..http.head import ResponseHead
from .redact import redact_text
from .secret_values import KNOWN_SECRETS

__all__ = ["error_document", "is_api_error", "partial_error", "error_message", "without_secrets"]

MAX_MESSAGE_CHARS = 200
MAX_INFLATED_BYTES = 65536


def error_message(head: ResponseHead, body: bytes) -> str:
    """The message of an API error body on one line, without anything secret; empty if there is none."""
    try:
        message = json.loads(_decompressed(head, body))["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return ""
    return redact_text(" ".join(str(message).split()))[:MAX_MESSAGE_CHARS]


def is_api_error(head: ResponseHead, body: bytes) -> bool:
    """Whether these are the API's own words: an error document with one of its types.

    These end in `_error`, but for one.  What an edge, a filter or a captive portal says is a page, or JSON
    with types of its own (`forbidden`).
    """
    try:
        kind = json.loads(_decompressed(head, body))["error"]["type"]
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return False
    return isinstance(kind, str) and (kind.endswith("_error") or kind == "request_too_large")


def partial_error(head: ResponseHead, body: bytes) -> bytes:
    """An error document of ours for a refusal whose body did not come whole."""
    try:
        came = _decompressed(head, body).decode("utf-8", "replace")
    except zlib.error:
        came = ""
    shown = redact_text(" ".join(came.split()))[:MAX_MESSAGE_CHARS]
    words = f"The API answered {head.status}; the rest of its words did not arrive: {shown or 'nothing came'}"
    kind = "invalid_request_error" if head.status < 500 else "api_error"
    return json.dumps({"type": "error", "error": {"type": kind, "message": words}}).encode()


def error_document(head: ResponseHead, body: bytes) -> bytes:
    """The answer as an error document of the API: its own if it is one, decompressed, else what it was."""
    try:
        plain = _decompressed(head, body)
        document = json.loads(plain)
        if document["type"] == "error" and document["error"]["type"]:
            return KNOWN_SECRETS.mask(plain)
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        pass
    words = f"The API answered {head.status}, with neither a plain event stream nor an error document."
    return json.dumps({"type": "error", "error": {"type": "api_error", "message": words}}).encode()


def without_secrets(head: ResponseHead, body: bytes) -> tuple[bytes, bool]:
    """A refusal's body as it may be relayed, and whether it had to be decompressed for that.

    As it is where it holds no secret of ours; else masked, with the same length unless it was compressed.
    A coding that can't be read here passes.
    """
    try:
        plain = _decompressed(head, body)
    except zlib.error:
        return body, False
    masked = KNOWN_SECRETS.mask(plain)
    return (body, False) if masked == plain else (masked, plain is not body)


def _decompressed(head: ResponseHead, body: bytes) -> bytes:
    coding = (head.get("content-encoding") or "").strip(" \t").lower()
    return Inflater(MAX_INFLATED_BYTES).inflate_truncated(body) if coding in COMPRESSED else body
