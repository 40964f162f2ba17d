"""What the request log keeps of one request: collected while it runs, rendered as text at its end.

The request's thread collects: it copies no more of a body than is kept and formats nothing.  The log's thread
renders: it decodes, redacts and formats.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Mapping, Sequence
from typing import Callable

from ..messages.redact import redact_body, redact_headers, redact_text

__all__ = ["ClippedBody", "LoggedAttempt", "RequestRecord", "render"]

Headers = Sequence[tuple[str, str]]


class ClippedBody:
    """The first `limit` bytes of a body, and the length of all of it."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.total = 0
        self.kept = 0
        self._pieces: list[bytes] = []

    def add(self, data: bytes | bytearray | memoryview) -> None:
        """Take in the next piece of the body; what exceeds the limit is only counted."""
        self.total += len(data)
        room = self.limit - self.kept
        if room > 0 and data:
            piece = bytes(data[:room])
            self._pieces.append(piece)
            self.kept += len(piece)

    @property
    def cut(self) -> bool:
        """Whether the body is longer than what is kept."""
        return self.kept < self.total

    def content(self) -> bytes:
        """Return the bytes that are kept."""
        return b"".join(self._pieces)


class LoggedAttempt:
    """One attempt of the request with one account."""

    def __init__(self, account: str, limit: int, clock: Callable[[], float]) -> None:
        self.account = account
        self.result = "no answer"
        self.headers: Headers = ()
        self.body = ClippedBody(limit)
        """Of a response that is not relayed; the relayed one's body is `RequestRecord.response`."""
        self.ended: float | None = None
        self._clock = clock

    def answered(self, status: int, reason: str, headers: Headers) -> None:
        """Record the head of the upstream's response."""
        self.result, self.headers = f"{status} {reason}".rstrip(), headers
        self.ended = self._clock()

    def failed(self, reason: str) -> None:
        """Record that it broke: before a response, or (after `answered`) in its body."""
        self.result = reason if self.ended is None else f"{self.result}, then {reason}"
        self.ended = self._clock()


class RequestRecord:
    """Filled by the thread that serves the request; not changed any more once it is handed over."""

    def __init__(
        self,
        request_id: str,
        method: str,
        target: str,
        headers: Headers,
        limit: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.request_id = request_id
        self.method = method
        self.target = target
        self.headers = headers
        self.request = ClippedBody(limit)
        self.attempts: list[LoggedAttempt] = []
        self.status = "no answer"
        self.response_headers: Headers = ()
        self.response = ClippedBody(limit)
        """What the client was sent, still encoded."""
        self.outcome = ""
        self.decision: Mapping[str, object] | None = None
        self.started = clock()
        self.answered_at: float | None = None
        self.ended: float | None = None
        self._limit = limit
        self._clock = clock

    def attempt(self, account: str) -> LoggedAttempt:
        """Return the record of a new attempt, to be filled with how it ends."""
        self.attempts.append(LoggedAttempt(account, self._limit, self._clock))
        return self.attempts[-1]

    def answered(self, status: int, reason: str, headers: Headers) -> None:
        """Record the head that the client is sent."""
        self.status, self.response_headers = f"{status} {reason}".rstrip(), headers
        self.answered_at = self._clock()

    def end(self, outcome: str, decision: Mapping[str, object] | None = None) -> None:
        """Record the outcome and the routing decision of the finished request."""
        self.outcome, self.decision = outcome, decision
        self.ended = self._clock()

    def size(self) -> int:
        """Return roughly the bytes that this record holds in memory."""
        bodies = self.request.kept + self.response.kept + sum(each.body.kept for each in self.attempts)
        return bodies + 4096 * (1 + len(self.attempts))


def render(record: RequestRecord) -> bytes:
    """Return the text of a log file: request, attempts, response, outcome, decision; no credential."""
    parts = [
        _line(f"{record.request_id} at {_when(record.started)}"),
        _line(f"{record.method} {record.target}"),
        _message(record.headers, record.request),
    ]
    for number, each in enumerate(record.attempts, 1):
        parts.append(
            _line(f"=== attempt {number}: {each.account}: {each.result}{_after(record, each.ended)}")
        )
        parts.append(_message(each.headers, each.body))
    parts.append(_line(f"=== response: {record.status}{_after(record, record.answered_at)}"))
    parts.append(_message(record.response_headers, record.response))
    parts.append(_line(f"=== outcome: {record.outcome}{_after(record, record.ended)}"))
    if record.decision is not None:
        decision = json.dumps(record.decision, indent=2, ensure_ascii=False, default=str)
        parts.append(redact_body(decision.encode("utf-8", "replace")) + b"\n")
    return b"".join(parts)


def _line(text: str) -> bytes:
    return redact_text(text).encode("utf-8", "replace") + b"\n"


def _when(moment: float) -> str:
    local = time.localtime(moment)
    stamp, zone = time.strftime("%Y-%m-%d %H:%M:%S", local), time.strftime("%z", local)
    return f"{stamp}.{int(moment * 1000) % 1000:03d} {zone}"


def _after(record: RequestRecord, moment: float | None) -> str:
    return "" if moment is None else f" after {moment - record.started:.3f} s"


def _message(headers: Headers, body: ClippedBody) -> bytes:
    fields = "".join(f"{name}: {value}\n" for name, value in redact_headers(headers))
    return fields.encode("utf-8", "replace") + b"\n" + _body(headers, body)


def _body(headers: Headers, body: ClippedBody) -> bytes:
    """Return the body as text if it is text, decompressed, with a mark where it was clipped."""
    if not body.total:
        return b""
    named = {name.lower(): value.strip().lower() for name, value in headers}
    encoding = named.get("content-encoding", "identity")
    content, cut = body.content(), body.cut
    if encoding in ("gzip", "x-gzip", "deflate"):
        content, more = _inflated(content, body.limit)
        cut = cut or more
    elif encoding != "identity":
        return _note(f"{body.total} bytes, {encoding}, not shown")
    if b"\0" in content[:1024]:
        return _note(f"{body.total} bytes, not text, not shown")
    text = redact_body(content, pairs="urlencoded" in named.get("content-type", ""))
    size = f"{body.total} bytes" + ("" if encoding == "identity" else f" of {encoding}")
    mark = f"cut: the first {len(content)} of {size}" if encoding == "identity" else f"cut: {size} in all"
    return text + b"\n" + (_note(mark) if cut else b"")


def _note(text: str) -> bytes:
    return f"[{text}]\n".encode()


def _inflated(content: bytes, limit: int) -> tuple[bytes, bool]:
    """Return the first `limit` bytes that it unpacks to, and whether there is more."""
    for window_bits in (zlib.MAX_WBITS | 32, -zlib.MAX_WBITS):  # gzip or zlib by its head; raw deflate
        unpacker = zlib.decompressobj(window_bits)
        try:
            text = unpacker.decompress(content, limit)
        except zlib.error:
            continue
        return text, not unpacker.eof
    return b"", True
