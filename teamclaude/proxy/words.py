"""The upstream's own words about a refusal, fit to be shown or to be put into an event."""

from __future__ import annotations

import json
import zlib

from .redact import redact_text
from .wire.head import ResponseHead

__all__ = ["error_document", "upstream_words"]

LONGEST = 200
MOST_INFLATED = 65536
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def upstream_words(head: ResponseHead, body: bytes) -> str:
    """The message of an API error body on one line, without anything secret; empty if there is none."""
    try:
        message = json.loads(_plain(head, body))["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return ""
    return redact_text(" ".join(str(message).split()))[:LONGEST]


def error_document(head: ResponseHead, body: bytes) -> bytes:
    """The answer as an error document of the API: its own if it is one, decompressed, else what it was."""
    try:
        plain = _plain(head, body)
        document = json.loads(plain)
        if document["type"] == "error" and document["error"]["type"]:
            return plain
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        pass
    words = f"The API answered {head.status}, with neither a plain event stream nor an error document."
    return json.dumps({"type": "error", "error": {"type": "api_error", "message": words}}).encode()


def _plain(head: ResponseHead, body: bytes) -> bytes:
    encoding = (head.get("content-encoding") or "identity").lower()
    if encoding not in _WINDOW_BITS:
        return body
    return zlib.decompressobj(_WINDOW_BITS[encoding]).decompress(body, MOST_INFLATED)
