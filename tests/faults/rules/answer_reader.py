"""An independent HTTP answer parser: strict, small, no code shared with the proxy or the fake API.

It reads the bytes that one side sent or received, and tells whether the answer is complete.
"""

from __future__ import annotations

import json
import re
import zlib
from typing import Optional

__all__ = ["AnswerReader", "MalformedAnswerError", "event_names", "plain"]

_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})\r\n")


class MalformedAnswerError(Exception):
    """These bytes are not an HTTP/1.1 answer."""


class AnswerReader:
    """One final answer (1xx before it are counted and skipped) to a request with `method`."""

    def __init__(self, method: str = "POST") -> None:
        self._method = method
        self._rest = b""
        self._left: Optional[int] = None  # bytes to come with a length
        self._chunked = False
        self._until_close = False
        self.interim: list[int] = []
        self.status = 0  # of the final answer; 0 until its head is whole
        self.version = ""
        self.fields: list[tuple[str, str]] = []  # names in lower case
        self.payload = bytearray()
        self.whole = False

    def field(self, name: str) -> Optional[str]:
        return next((value for key, value in self.fields if key == name), None)

    @property
    def begun(self) -> bool:
        """Whether a byte of the final answer has arrived."""
        return bool(self.status or self._rest)

    @property
    def leftover(self) -> bytes:
        """The bytes after a complete answer."""
        return self._rest if self.whole else b""

    @property
    def stays(self) -> bool:
        """Whether the connection can carry another request."""
        return (
            self.whole and not self._until_close and "close" not in (self.field("connection") or "").lower()
        )

    def feed(self, data: bytes) -> None:
        self._rest += data
        while not self.status and not self.whole:
            if not self._read_head():
                return
        if not self.whole:
            self._read_body()

    def end(self, how: str) -> None:
        """Note the end of the connection; only a `fin` ends a body without a length."""
        if self.status and self._until_close and how == "fin":
            self.whole = True

    def _read_head(self) -> bool:
        head, mark, rest = self._rest.partition(b"\r\n\r\n")
        if not mark:
            return False
        start, *lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/(1\.[01]) ([1-5][0-9][0-9]) ?([^\r\n]*)", start)
        if found is None:
            raise MalformedAnswerError(f"status line {start[:60]!r}")
        fields = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
                raise MalformedAnswerError(f"field line {line[:60]!r}")
            fields.append((name.lower(), value.strip()))
        self._rest = rest
        status = int(found[2])
        if status < 200 and status != 101:
            self.interim.append(status)
            return True
        self.status, self.version, self.fields = status, found[1], fields
        self._frame()
        return True

    def _frame(self) -> None:
        lengths = [value for name, value in self.fields if name == "content-length"]
        codings = [value for name, value in self.fields if name == "transfer-encoding"]
        if self.status == 101 or (lengths and codings) or len(lengths) > 1 or len(codings) > 1:
            raise MalformedAnswerError("framing that two readers may understand differently")
        if self._method == "HEAD" or self.status in (204, 304):
            self.whole = True
        elif codings:
            if codings != ["chunked"]:
                raise MalformedAnswerError(f"coding {codings[0][:40]!r}")
            self._chunked = True
        elif lengths:
            if not lengths[0].isdigit():
                raise MalformedAnswerError(f"length {lengths[0][:40]!r}")
            self._left = int(lengths[0])
        else:
            self._until_close = True

    def _read_body(self) -> None:
        if self._chunked:
            while not self.whole and self._read_chunk():
                pass
        elif self._left is not None:
            taken, self._rest = self._rest[: self._left], self._rest[self._left :]
            self.payload += taken
            self._left -= len(taken)
            self.whole = not self._left
        else:
            self.payload += self._rest
            self._rest = b""

    def _read_chunk(self) -> bool:
        found = _SIZE.match(self._rest)
        if found is None:
            if len(self._rest) > 10 or re.match(rb"[^0-9a-fA-F\r\n]", self._rest):
                raise MalformedAnswerError(f"chunk size {self._rest[:20]!r}")
            return False
        size, start = int(found[1], 16), found.end()
        if not size:
            # Neither side of these tests sends trailers.
            self.whole = self._rest[start : start + 2] == b"\r\n"
            self._rest = self._rest[start + 2 :] if self.whole else self._rest
            return False
        if len(self._rest) < start + size + 2:
            return False
        self.payload += self._rest[start : start + size]
        if self._rest[start + size : start + size + 2] != b"\r\n":
            raise MalformedAnswerError("a chunk without its end")
        self._rest = self._rest[start + size + 2 :]
        return True

    @property
    def unfinished(self) -> bool:
        """Whether a body that ends with its connection has incomplete content: it was cut."""
        if not self._until_close or not 200 <= self.status < 300:
            return False
        kind, text = self.field("content-type") or "", plain(self.arrived, self.field("content-encoding"))
        if kind.startswith("text/event-stream"):
            return not {"message_stop", "error"} & set(event_names(text))
        return kind.startswith("application/json") and not _is_json(text)

    @property
    def arrived(self) -> bytes:
        """The payload, with the bytes of an incomplete chunk."""
        if not self._chunked or self.whole:
            return bytes(self.payload)
        found = _SIZE.match(self._rest)
        part = self._rest[found.end() :][: int(found[1], 16)] if found else b""
        return bytes(self.payload) + part


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def plain(payload: bytes, encoding: Optional[str]) -> bytes:
    """Return the payload without gzip, as far as it can be decoded."""
    if encoding != "gzip":
        return payload
    try:
        return zlib.decompressobj(wbits=31).decompress(payload)
    except zlib.error:
        return b""


def event_names(stream: bytes) -> list[str]:
    """Return the names of the complete events of a stream as the fake API writes them."""
    whole = stream.rpartition(b"\n\n")[0] + b"\n\n"
    return [name.decode() for name in re.findall(rb"(?m)^event: (\w+)\n", whole)]
