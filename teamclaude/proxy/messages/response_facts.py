"""What a response of the upstream says of itself: quota in its head, an error message in its body.

Nothing here leaves with a secret in it: messages are redacted, relayed refusals masked.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from operator import itemgetter

from ...routing.quota.rate_limit_headers import is_quota_header, read_windows
from ...routing.quota.windows import QuotaReading
from ..http.content_coding import COMPRESSED, Inflater
from ..http.head import HeaderLayout
from ..http.response_head import ResponseHead
from .redact import KNOWN_SECRETS, redact_text

__all__ = [
    "error_document",
    "error_message",
    "is_api_error",
    "is_thread_error",
    "partial_error",
    "read_quota",
    "without_secrets",
]

_ABOUT_THREAD = re.compile(r"\bthread\b|\bthread_|previous_message_id|differing field|been continued")
MAX_MESSAGE_CHARS = 200
MAX_INFLATED_BYTES = 65536
# A reading carries its time, and `retry-after` may be a date: it is used again only for this long.
REUSE_SEC = 1.0
_MAX_READINGS = 64  # per header layout: one for each account

# --- quota ---------------------------------------------------------------------------------------


class _QuotaMemo:
    """Of one header layout: the positions of quota headers, and the latest readings with their times."""

    __slots__ = ("positions", "readings", "said")

    def __init__(self, layout: HeaderLayout) -> None:
        self.positions = [position for position, name in enumerate(layout.names) if is_quota_header(name)]
        # A tuple of their values in a head; with one position alone a text, with none nothing.
        self.said: Callable[[Sequence[str]], Hashable] = (
            itemgetter(*self.positions) if self.positions else lambda values: ()
        )
        self.readings: dict[Hashable, tuple[float, QuotaReading]] = {}


_memo_of = lru_cache(maxsize=64)(_QuotaMemo)


def read_quota(head: ResponseHead, now: float) -> QuotaReading:
    """Return what `read_windows` reads of the head, up to a second old.

    Under load an account's responses differ in their quota only now and then: reusing a reading saves 12 us
    of a small request.  Two threads may read the same head; a reading is never changed.
    """
    layout, values = head.layout, head.values
    memo = _memo_of(layout)
    said = memo.said(values)
    known = memo.readings.get(said)
    if known is not None and 0.0 <= now - known[0] < REUSE_SEC:
        return known[1]
    if len(memo.readings) >= _MAX_READINGS:
        memo.readings.clear()
    reading = read_windows([(layout.names[position], values[position]) for position in memo.positions], now)
    memo.readings[said] = (now, reading)
    return reading


# --- errors --------------------------------------------------------------------------------------


def error_message(head: ResponseHead, body: bytes) -> str:
    """Return the message of an API error body on one line, redacted; empty if there is none."""
    try:
        message = json.loads(_decompressed(head, body))["error"]["message"]
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return ""
    return redact_text(" ".join(str(message).split()))[:MAX_MESSAGE_CHARS]


def is_api_error(head: ResponseHead, body: bytes) -> bool:
    """Return whether the body is an error document of the API, with one of its types.

    All but one of these end in `_error`.  An edge, a filter or a captive portal answers with a page, or with
    JSON whose types are its own (`forbidden`).
    """
    try:
        kind = json.loads(_decompressed(head, body))["error"]["type"]
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        return False
    return isinstance(kind, str) and (kind.endswith("_error") or kind == "request_too_large")


def is_thread_error(head: ResponseHead, body: bytes) -> bool:
    """Return whether a 400 or 404 is about the thread that the request continues.

    By the error's code, or where it has none by its message: Claude Code 2.1.332 sends the whole conversation
    again for the same ones.
    """
    if head.status not in (400, 404):
        return False
    try:
        error = json.loads(_decompressed(head, body))["error"]
        message = error["message"]
        details = error.get("details")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, zlib.error):
        return False
    code = details.get("error_code") if isinstance(details, dict) else None
    if isinstance(code, str):
        return code.startswith("thread_")
    return isinstance(message, str) and _ABOUT_THREAD.search(message) is not None


def partial_error(head: ResponseHead, body: bytes) -> bytes:
    """Return an error document of our own for a refusal whose body did not arrive whole."""
    try:
        came = _decompressed(head, body).decode("utf-8", "replace")
    except zlib.error:
        came = ""
    shown = redact_text(" ".join(came.split()))[:MAX_MESSAGE_CHARS] or "nothing came"
    message = f"The API answered {head.status}; the rest of its message did not arrive: {shown}"
    kind = "invalid_request_error" if head.status < 500 else "api_error"
    return json.dumps({"type": "error", "error": {"type": kind, "message": message}}).encode()


def error_document(head: ResponseHead, body: bytes) -> bytes:
    """Return the response as an error document: the API's own, decompressed, or one that says what it was."""
    try:
        plain = _decompressed(head, body)
        document = json.loads(plain)
        if document["type"] == "error" and document["error"]["type"]:
            return KNOWN_SECRETS.mask(plain)
    except (ValueError, KeyError, TypeError, RecursionError, zlib.error):
        pass
    message = f"The API answered {head.status}, with neither a plain event stream nor an error document."
    return json.dumps({"type": "error", "error": {"type": "api_error", "message": message}}).encode()


def without_secrets(head: ResponseHead, body: bytes) -> tuple[bytes, bool]:
    """Return a refusal's body as it may be relayed, and whether it had to be decompressed for that.

    Without a secret of ours in it the body stays as it is; else it is masked, with the same length unless it
    was compressed.  A body in an unknown coding passes as it is.
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
