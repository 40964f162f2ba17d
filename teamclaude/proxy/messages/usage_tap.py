"""Read token counts, model, errors and completeness from a copy of a response's bytes.

Rules that hold in this file:

1. `feed` never raises and never changes the data: the tap can't break a stream.
2. Memory is bounded: 256 KiB per event, 1 MiB of a JSON body, 4 MiB inflated from one piece.  Beyond that the
   tap knows less; the client gets its bytes all the same.
3. Most events are deltas.  Whole events that mention nothing of interest are recognised by three searches and
   not parsed: 0.5 us per event, where the barest relay needs 7.5 us (CPython 3.11).
4. `is_cut` is true only where the response's own form says so; a body that the tap can't read is not cut.  A
   body that is neither events nor JSON has the form of its coding: gzip and deflate mark their own end.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Union

from ...routing.quota.usage import NO_USAGE, Usage
from ..http.content_coding import COMPRESSED, Inflater, is_identity
from ..http.response_head import ResponseForm
from ..http.sse import ServerSentEvent, ServerSentEventParser
from .body_scan import decode_json
from .findings import Findings, read_error, read_message, updated_usage
from .json_text import is_open_json
from .unseen_tokens import unseen_tokens

__all__ = ["UsageTap", "findings_by_tap"]

_MAX_BODY_BYTES = 1 << 20
_MAX_INFLATED = 4 << 20
_TAIL_BYTES = 64
_END = b"\n\n"  # of an event

Buffer = Union[bytes, bytearray, memoryview]


class UsageTap:
    """Read a response with these header values: an event stream, a JSON body or (opaque) anything else.

    `until_close`: only the body's form can tell where it ends, so any compressed body is read.
    """

    saw_stop = False  # message_stop passed: the stream is complete
    first_event: str | None = None  # its name
    gave_up = False  # a coding the tap can't read, or a body too large: counts are unknown from here on
    _usage = NO_USAGE
    _model: str | None = None
    _id: str | None = None
    _error: tuple[str, str] | None = None
    is_stream = False  # an event stream that the tap can read; only then `saw_stop` is meaningful
    _events: ServerSentEventParser | None = None
    _body: list[bytes] | None = None  # of JSON, as long as it is not complete
    _is_opaque = _between_events = False  # the latter of an uncompressed stream
    seen_bytes = 0  # decompressed, as far as that can be done
    _body_bytes = 0
    body_closed = False  # the JSON body is complete
    _tail: bytes | None = None  # the end of a JSON body that is too long to be read
    _tried_bytes = 0  # bytes of the body when it was last tried
    _inflater: Inflater | None = None

    def __init__(
        self, content_type: str | None, content_encoding: str | None, until_close: bool = False
    ) -> None:
        media = _media_type(content_type or "")
        if media == "application/json":
            self._body = []
        elif media == "text/event-stream":
            self.is_stream, self._events = True, ServerSentEventParser()
        else:
            self._is_opaque = True
        if content_encoding is not None:
            coding = content_encoding.strip().lower()
            self._inflater = Inflater(_MAX_INFLATED) if coding in COMPRESSED else None
            if self._inflater is None and not is_identity(coding):
                self._stop_parsing()
                self._is_opaque = True
        if self._is_opaque and not until_close:
            self._inflater = None

    @property
    def is_cut(self) -> bool:
        """Whether more must follow: no message_stop and no error in a stream, JSON that does not close."""
        if self._events is not None:
            return not (self.saw_stop or self._error)
        if self._tail is not None:
            return not self._tail.rstrip().endswith((b"}", b"]"))
        if self._is_opaque:
            return self._inflater is not None and self._inflater.is_open
        return self._body is not None and not self.body_closed and is_open_json(b"".join(self._body))

    @property
    def usage(self) -> Usage:
        """The token counts so far; zeros while unknown."""
        if self._body:
            self._read_body()
        return self._usage

    @property
    def model(self) -> str | None:
        """The model that responded; None while unknown."""
        if self._body:
            self._read_body()
        return self._model

    @property
    def id(self) -> str | None:
        """The id of what the response's JSON describes; None while unknown."""
        if self._body:
            self._read_body()
        return self._id

    @property
    def error_type(self) -> str | None:
        """The type of an `event: error`, or of a JSON body that is an error."""
        if self._body:
            self._read_body()
        return self._error[0] if self._error else None

    @property
    def error_message(self) -> str | None:
        """The message of that error, on one line of at most 500 characters."""
        if self._body:
            self._read_body()
        return self._error[1] if self._error else None

    @property
    def findings(self) -> Findings:
        """What was found so far."""
        usage, error = self.usage, f"{self.error_type}: {self.error_message}" if self.error_type else ""
        unmeasured = self.gave_up or (usage == NO_USAGE and not error)
        unseen = unseen_tokens(self) if self.gave_up or (not self.body_closed and self.is_cut) else 0
        unfinished = self.is_stream and not self.saw_stop
        return Findings(usage, self.model, self.id, error, unmeasured, self.gave_up, unfinished, unseen)

    def feed(self, data: Buffer) -> None:
        """Read a piece of the body, as it is on the wire without its framing."""
        if self._between_events and isinstance(data, bytes) and _is_skippable(data) and data[-2:] == _END:
            self.seen_bytes += len(data)
            return
        if self._events is None and self._body is None and self._tail is None and self._inflater is None:
            self.seen_bytes += len(data)
            return
        try:
            self._parse(data if isinstance(data, bytes) else bytes(data))
        except Exception:  # rule 1, whatever the cause
            self._stop_parsing()

    def _stop_parsing(self) -> None:
        self.gave_up = True
        self._between_events = self.is_stream = False
        self._events = self._body = self._inflater = self._tail = None

    def _parse(self, data: bytes) -> None:
        if self._inflater is not None:
            data = self._inflater.inflate(data)
        self.seen_bytes += len(data)
        if self._events is not None:
            self._parse_events(self._events, data)
        elif self._body is not None:
            self._body.append(data)
            self._body_bytes += len(data)
            if self._body_bytes > _MAX_BODY_BYTES:
                self.gave_up, self._body, self._tail = True, None, data[-_TAIL_BYTES:]
        elif self._tail is not None:
            self._tail = (self._tail + data)[-_TAIL_BYTES:]

    def _parse_events(self, parser: ServerSentEventParser, data: bytes) -> None:
        if parser.between_events and self.first_event is not None and _is_skippable(data):
            end = data.rfind(b"\n\n")
            data = data[end + 2 :] if end >= 0 else data
        for event in parser.feed(data):
            if self.first_event is None:
                self.first_event = event.name
            handler = _HANDLERS.get(event.name)
            if handler is not None:
                handler(self, event)
        seen_one = self.first_event is not None
        self._between_events = seen_one and self._inflater is None and parser.between_events

    def _on_start(self, event: ServerSentEvent) -> None:
        message = _object(_parsed(event.data).get("message"))
        self._note_message(message)

    def _on_delta(self, event: ServerSentEvent) -> None:
        self._usage = updated_usage(self._usage, _object(_parsed(event.data).get("usage")))

    def _on_stop(self, event: ServerSentEvent) -> None:
        self.saw_stop = True

    def _on_error(self, event: ServerSentEvent) -> None:
        self._error = read_error(_parsed(event.data))

    def _note_message(self, message: dict[str, Any]) -> None:
        self._usage, model, self._id = read_message(message, self._usage)
        self._model = model or self._model

    def _read_body(self) -> None:
        """Parse the JSON body so far; called when a value is wanted, since only then it may be complete."""
        assert self._body is not None
        if self._body_bytes == self._tried_bytes:
            return
        self._tried_bytes = self._body_bytes
        if self._parse_body(self._body[0] if len(self._body) == 1 else b"".join(self._body)):
            self._body.clear()
            self._body_bytes = 0

    def _parse_body(self, text: bytes) -> bool:
        """Take what a JSON body says; return False for one that is not complete."""
        try:
            body = decode_json(text)
        except ValueError:
            return False
        if type(body) is dict and body:
            self.body_closed = True
            if body.get("type") == "error":
                self._error = read_error(body)
            else:
                self._note_message(body)
        return self.body_closed


def findings_by_tap(form: ResponseForm, body: bytes) -> Findings:
    """Return what a body that came whole says, though it is no JSON document."""
    tap = UsageTap(form.media, form.coding)
    tap.feed(body)
    return tap.findings


_HANDLERS = {
    "message_start": UsageTap._on_start,
    "message_delta": UsageTap._on_delta,
    "message_stop": UsageTap._on_stop,
    "error": UsageTap._on_error,
}


@lru_cache(maxsize=64)
def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _is_skippable(data: bytes) -> bool:
    """Return whether whole events in `data` can be skipped: none is of a kind that is read.

    The other line ends that SSE allows are left to the parser.  A delta's text can't hold a line that ends
    with "error": in JSON a line break is never unescaped.
    """
    # `in` looks for an integer first, and makes an error of bytes: twice the time of `find`.
    return data.find(b"message_") < 0 and data.find(b"error\n") < 0 and 13 not in data


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        return _object(decode_json(text))
    except ValueError:
        return {}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
