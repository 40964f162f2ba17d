"""The upstream's own words about a refusal, fit to be shown."""

from __future__ import annotations

import json
import zlib

from .head import ResponseHead
from .redact import redact_text

__all__ = ["upstream_words"]

LONGEST = 200
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def upstream_words(head: ResponseHead, body: bytes) -> str:
    """The message of an API error body on one line, without anything secret; empty if there is none."""
    encoding = (head.get("content-encoding") or "identity").lower()
    try:
        if encoding in _WINDOW_BITS:
            body = zlib.decompressobj(_WINDOW_BITS[encoding]).decompress(body, 65536)
        message = json.loads(body)["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return ""
    return redact_text(" ".join(str(message).split()))[:LONGEST]
