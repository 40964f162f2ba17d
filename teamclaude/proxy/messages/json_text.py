"""Whether a JSON text lacks its end, and a text of it as one line."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["MAX_TEXT_CHARS", "is_open_json", "one_line"]

MAX_TEXT_CHARS = 500
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)


def is_open_json(text: bytes) -> bool:
    """Return whether a JSON text lacks its end; one that is malformed in another way does not."""
    bare = _STRING.sub(b"", text + b"\0")  # an open string swallows the mark at the end
    opened, closed = bare.count(b"{") + bare.count(b"["), bare.count(b"}") + bare.count(b"]")
    return not bare.endswith(b"\0") or opened > closed or not text.strip()


def one_line(value: Any) -> str:
    """Return a text as one printable line."""
    if not isinstance(value, str):
        return ""
    line = " ".join(value[: 2 * MAX_TEXT_CHARS].split())
    return "".join(char if char.isprintable() else "?" for char in line)[:MAX_TEXT_CHARS]
