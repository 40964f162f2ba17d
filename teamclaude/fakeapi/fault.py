"""The faults of the fake API, and the exact point of each. PURE.

A Fault is a value that says how one exchange differs from a good answer:

    other answer     status, headers, body, raw bytes, a 429 of some kind
    delay            before reading, before the head, between events, a few bytes at a time
    no answer        nothing is sent until the client leaves
    cut              reset (RST), closed (FIN) or silent (hang) at a Cut
    other framing    gzip, close-delimited, HTTP/1.0, 1xx before the head, huge headers

All times are seconds of the fake API's clock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..values import dataclass, replace

__all__ = ["Cut", "Fault", "error_body"]

Headers = Sequence[tuple[str, str]]

KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_MESSAGES = {
    400: "The request is not valid.",
    401: "The credential is not valid.",
    403: "This credential may not do that.",
    429: "Too many requests at the moment.",
    529: "Overloaded",
}


def error_body(status: int, message: str = "", kind: str = "") -> bytes:
    """Return the API's error document."""
    error = {
        "type": kind or KINDS.get(status, "api_error" if status >= 500 else "invalid_request_error"),
        "message": message or _MESSAGES.get(status, "Something went wrong."),
    }
    return json.dumps({"type": "error", "error": error}).encode()


@dataclass(frozen=True)
class Cut:
    """Where an answer breaks off.

    at   start   nothing was sent
         head    after `n` bytes of the head
         event   after the head and `n` whole events (one JSON body is one event)
         inside  in the middle of event `n` (from 1)
         body    after `n` bytes of the body as it is on the wire
    how  rst     reset (SO_LINGER 0)
         fin     closed
         hang    silent and open until the client leaves
         clean   the body is ended properly, so that only its content is short
    """

    at: str
    n: int = 0
    how: str = "rst"

    def __post_init__(self) -> None:
        if self.at not in ("start", "head", "event", "inside", "body"):
            raise ValueError(f"no such point: {self.at}")
        if self.how not in ("rst", "fin", "hang", "clean"):
            raise ValueError(f"no such end: {self.how}")


@dataclass(frozen=True)
class Fault:
    """One difference from a good answer; the class methods build the usual ones."""

    code: int | None = None
    headers: Headers = ()
    body: bytes | None = None
    raw: bytes | None = None
    quota_axis: str = ""
    quota_reset_in: float = 3600.0
    quota_utilization: float = 1.13

    on_accept: bool = False
    before_read: float = 0.0
    before_head: float = 0.0
    between_events: float = 0.0
    write_size: int = 0
    write_gap: float = 0.0

    cut: Cut | None = None
    then: str = ""

    interim: int = 0
    gzip: bool = False
    framing: str = ""
    version: str = "1.1"
    pings: int = 0
    error_after: int | None = None
    error_kind: str = "overloaded_error"

    @property
    def replaces(self) -> bool:
        """Whether the fault has an answer of its own in place of the API's."""
        return self.code is not None or self.raw is not None or bool(self.quota_axis)

    def with_changes(self, **changes: Any) -> Fault:
        """Return the fault with other fields: `Fault.status(429).with_changes(before_head=2)`."""
        return replace(self, **changes)

    # --- other answer --------------------------------------------------------------------

    @classmethod
    def status(
        cls,
        code: int,
        message: str = "",
        *,
        kind: str = "",
        body: bytes | None = None,
        headers: Headers | Mapping[str, str] = (),
        retry_after: int | str | None = None,
    ) -> Fault:
        """Answer with an error; without `body` the API's error document.  A 429 is bare."""
        rows = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
        if retry_after is not None:
            rows.append(("retry-after", str(retry_after)))
        return cls(code=code, headers=rows, body=error_body(code, message, kind) if body is None else body)

    @classmethod
    def bare_429(cls) -> Fault:
        """Answer 429 with no window and no time."""
        return cls.status(429)

    @classmethod
    def overloaded(cls) -> Fault:
        """Answer 529."""
        return cls.status(529)

    @classmethod
    def quota(cls, axis: str = "5h", *, reset_in: float = 3600.0, utilization: float = 1.13) -> Fault:
        """Answer 429 as for a full window; the account's real windows stay as they are."""
        return cls(quota_axis=axis, quota_reset_in=reset_in, quota_utilization=utilization)

    @classmethod
    def html(cls, code: int = 200) -> Fault:
        """Answer with a page, as a captive portal or a broken load balancer does."""
        page = b"<html><body><h1>It works!</h1></body></html>"
        return cls(code=code, headers=[("content-type", "text/html")], body=page)

    @classmethod
    def bytes_instead(cls, raw: bytes, then: str = "fin") -> Fault:
        """Send exactly these bytes as the answer, then `fin`, `rst`, `hang` or `keep`."""
        return cls(raw=raw, then=then)

    @classmethod
    def garbage_head(cls) -> Fault:
        """Send bytes that are not an HTTP head, then close."""
        return cls.bytes_instead(b"\x16\x03\x01 this is not HTTP\r\n\r\n")

    # --- delay ---------------------------------------------------------------------------

    @classmethod
    def slow(
        cls,
        *,
        before_read: float = 0.0,
        before_head: float = 0.0,
        between_events: float = 0.0,
    ) -> Fault:
        """Delay an answer; `before_read` counts from accept, so it makes the fault an `on_accept` one."""
        return cls(
            on_accept=before_read > 0,
            before_read=before_read,
            before_head=before_head,
            between_events=between_events,
        )

    @classmethod
    def small_writes(cls, size: int = 1, gap: float = 0.0) -> Fault:
        """Send everything in writes of `size` bytes, `gap` seconds apart."""
        return cls(write_size=size, write_gap=gap)

    # --- no answer, and cuts -------------------------------------------------------------

    @classmethod
    def never_answered(cls) -> Fault:
        """Read the request and send nothing until the client leaves."""
        return cls(cut=Cut("start", how="hang"))

    @classmethod
    def never_read(cls) -> Fault:
        """Accept the connection and never read from it."""
        return cls(on_accept=True, cut=Cut("start", how="hang"))

    @classmethod
    def closed_on_accept(cls, how: str = "rst") -> Fault:
        """Accept the connection and end it at once, before anything is read."""
        return cls(on_accept=True, cut=Cut("start", how=how))

    @classmethod
    def no_head(cls, how: str = "rst") -> Fault:
        """Read the request, then end the connection without a byte."""
        return cls(cut=Cut("start", how=how))

    @classmethod
    def cut_head(cls, n: int, how: str = "rst") -> Fault:
        """End the connection after `n` bytes of the head."""
        return cls(cut=Cut("head", n, how))

    @classmethod
    def cut_after_event(cls, n: int, how: str = "rst") -> Fault:
        """End the connection after `n` whole events."""
        return cls(cut=Cut("event", n, how))

    @classmethod
    def cut_inside_event(cls, n: int, how: str = "rst") -> Fault:
        """End the connection in the middle of event `n`; in a chunked body this truncates a chunk."""
        return cls(cut=Cut("inside", n, how))

    @classmethod
    def cut_body(cls, n: int, how: str = "fin") -> Fault:
        """End the connection after `n` body bytes: fewer than a content-length promised."""
        return cls(cut=Cut("body", n, how))

    @classmethod
    def ends_early(cls, n: int) -> Fault:
        """End the body properly after `n` events, without message_stop."""
        return cls(cut=Cut("event", n, "clean"))

    @classmethod
    def closes_after(cls, how: str = "fin") -> Fault:
        """Send a good answer that promises keep-alive, then end the connection all the same."""
        return cls(then=how)

    @classmethod
    def stream_error(cls, after: int = 0, kind: str = "overloaded_error") -> Fault:
        """Send `event: error` in a 200 stream after `after` events, and nothing behind it."""
        return cls(error_after=after, error_kind=kind)

    # --- other framing -------------------------------------------------------------------

    @classmethod
    def gzipped(cls) -> Fault:
        """Send a gzip body, flushed after each event of a stream."""
        return cls(gzip=True)

    @classmethod
    def with_interim(cls, code: int = 103) -> Fault:
        """Send a 1xx answer before the real head."""
        return cls(interim=code)

    @classmethod
    def huge_headers(cls, size: int = 100_000) -> Fault:
        """Add `size` bytes of headers in lines of about a kilobyte."""
        count = max(1, size // 1000)
        return cls(headers=[(f"x-filler-{i}", "f" * (size // count)) for i in range(count)])

    @classmethod
    def unframed(cls) -> Fault:
        """Send a body that ends with the connection."""
        return cls(framing="close")

    @classmethod
    def http10(cls) -> Fault:
        """Answer in HTTP/1.0; the body ends with the connection."""
        return cls(version="1.0", framing="close")
