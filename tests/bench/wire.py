"""The end of an HTTP message with a Content-Length, for the load and the responder."""

from __future__ import annotations

import re

__all__ = ["message_end"]

_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


def message_end(data: bytes) -> int:
    """Return the index after the first message in `data`, -1 while it is incomplete."""
    blank = data.find(b"\r\n\r\n")
    if blank < 0:
        return -1
    length = _LENGTH.search(data, 0, blank + 2)
    end = blank + 4 + (int(length[1]) if length else 0)
    return end if end <= len(data) else -1
