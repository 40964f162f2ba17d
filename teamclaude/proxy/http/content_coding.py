"""Content codings (RFC 9110 8.4, 12.5.3): which ones the proxy offers and how it reads them.

Rules that hold in this file:

1. The usage tap reads gzip, deflate and uncoded bodies.  If a client offers one of these, the upstream is
   offered only these; a response is then in a coding that the client has offered too.
2. If a client offers none of them its header passes unchanged, and the tap may see nothing; only a client
   with a limit of tokens gets an uncoded answer, because its tokens must be counted.
3. An offer is never widened: a coding, weight or exclusion that the client did not send is not sent, except
   for `*`, which is written out as the codings it stands for here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from typing import Optional

__all__ = ["COMPRESSED", "Inflater", "is_identity", "offers_readable", "readable_accept_encoding"]

COMPRESSED = ("gzip", "x-gzip", "deflate")
_READABLE_CODINGS = ("gzip", "deflate", "identity", "x-gzip")
_WILDCARD_CODINGS = _READABLE_CODINGS[:3]  # what `*` stands for
# RFC 9110 12.4.2: a weight of 0 means "not acceptable".
_EXCLUDED = re.compile(r";[ \t]*q[ \t]*=[ \t]*0(?:\.0*)?[ \t]*(?:;|\Z)", re.IGNORECASE)

_GZIP = b"\x1f\x8b"
# Window bits of zlib; 47 tells gzip and zlib apart by the first two bytes.
_GZIP_OR_ZLIB, _RAW_DEFLATE = 47, -15


def is_identity(content_encoding: Optional[str]) -> bool:
    """Return whether a body with this Content-Encoding is not coded."""
    return (content_encoding or "").strip(" \t").lower() in ("", "identity")


def offers_readable(values: Sequence[str]) -> bool:
    """Return whether a client that sends these Accept-Encoding values takes a coding that the tap reads."""
    items = [item for value in values for item in map(_trim, value.split(",")) if item]
    readable = (*_READABLE_CODINGS, "*")
    return not items or any(_coding(item) in readable and not _EXCLUDED.search(item) for item in items)


def readable_accept_encoding(values: Sequence[str]) -> list[Optional[str]]:
    """Return a client's Accept-Encoding values as sent upstream; None for a line that is left out."""
    lines = [[item for item in map(_trim, value.split(",")) if item] for value in values]
    named = {_coding(item) for line in lines for item in line}
    if named.issubset(_READABLE_CODINGS):
        return list(values)
    kept = [[out for item in line for out in _readable_items(item, named)] for line in lines]
    if not any(
        _coding(item) in _READABLE_CODINGS and not _EXCLUDED.search(item) for line in kept for item in line
    ):
        return list(values)
    return [value if new == old else ", ".join(new) or None for value, old, new in zip(values, lines, kept)]


def _readable_items(item: str, named: set[str]) -> list[str]:
    """Return what is sent for one item of the list; `named` are the codings in all of it."""
    coding = _coding(item)
    if coding in _READABLE_CODINGS or (coding == "*" and _EXCLUDED.search(item)):
        return [item]
    return [name + item[1:] for name in _WILDCARD_CODINGS if name not in named] if coding == "*" else []


def _trim(item: str) -> str:
    return item.strip(" \t")


def _coding(item: str) -> str:
    return item.partition(";")[0].rstrip(" \t").lower()


class Inflater:
    """Decompress gzip (one or several members) and deflate (zlib's form, or raw as some servers send it).

    Bytes after the end of the data are ignored, as `gzip` itself does.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit  # bytes out of one piece
        self._zlib = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
        self._prefix: Optional[bytes] = b""  # held until two bytes have arrived; None afterwards
        self._is_gzip = False

    @property
    def is_open(self) -> bool:
        """Whether data has begun and not reached its end."""
        return not self._zlib.eof and self._prefix != b""

    def inflate(self, data: bytes) -> bytes:
        """Return what these bytes complete; raises zlib.error, or ValueError beyond the limit."""
        out = self.inflate_truncated(data)
        if len(out) > self._limit:
            raise ValueError("the inflated data is larger than the limit")
        return out

    def inflate_truncated(self, data: bytes) -> bytes:
        """Return what these bytes complete, cut off just behind the limit; the rest is lost."""
        out: list[bytes] = []
        room = self._limit + 1
        while data and room:
            if self._prefix is not None:
                data = self._prefix + data
                if len(data) < 2:
                    self._prefix = data
                    break
                self._prefix = None
                if not self._start_member(data):
                    break
            out.append(self._zlib.decompress(data, room))
            room -= len(out[-1])
            if self._zlib.eof:  # another member, if what follows is one
                data, self._prefix = self._zlib.unused_data, b""
            else:
                data = self._zlib.unconsumed_tail
        return b"".join(out)

    def _start_member(self, data: bytes) -> bool:
        """Prepare for a member that begins with `data`; False if it is not one but trailing bytes."""
        if self._zlib.eof:
            if not self._is_gzip or data[:2] != _GZIP:
                self._prefix = b""
                return False
            self._zlib = zlib.decompressobj(wbits=_GZIP_OR_ZLIB)
        self._is_gzip = data[:2] == _GZIP
        # RFC 1950 2.2: the method is 8, and the first two bytes are a multiple of 31.
        if not self._is_gzip and (data[0] & 0x0F != 8 or int.from_bytes(data[:2], "big") % 31):
            self._zlib = zlib.decompressobj(wbits=_RAW_DEFLATE)
        return True
