"""Parse server-sent events (WHATWG HTML 9.2.6) as they arrive, in bounded memory.

Lines end with LF, CRLF or CR; a colon starts a comment; one space after a field's colon is not part of the
value; several data lines make one text; an event is complete with its blank line.
"""

from __future__ import annotations

from ...values import NamedTuple

__all__ = ["MAX_EVENT_BYTES", "ServerSentEvent", "ServerSentEventParser"]

MAX_EVENT_BYTES = 262144

_BOM = b"\xef\xbb\xbf"


class ServerSentEvent(NamedTuple):
    """One event; `data` is its data lines, joined with LF."""

    name: str  # "message" when the stream names none
    data: bytes


class ServerSentEventParser:
    """Take the bytes of a stream in any pieces and return its events.

    An event of more than `limit` bytes is dropped and counted in `dropped_events`; later ones are not
    affected. Holds at most about twice `limit`.
    """

    __slots__ = ("_data", "_event_size", "_line", "_name", "_skip_lf", "_started", "dropped_events", "limit")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self.limit = limit
        self.dropped_events = 0
        self._started = False
        self._skip_lf = False  # the last byte was CR: an LF now belongs to it
        self._line = bytearray()  # an unfinished line
        self._name = b""
        self._data: list[bytes] = []
        self._event_size = 0  # bytes of the current event; beyond `limit` it is only skipped

    @property
    def between_events(self) -> bool:
        """Whether all bytes so far were whole events, so that the next bytes begin one."""
        return self._started and not (self._line or self._event_size or self._skip_lf)

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """Return the events that these bytes complete."""
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == 0x0A:
                data = data[1:]
        if 0x0D in data:
            self._skip_lf = data[-1] == 0x0D
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if 0x0A not in data:
            self._append_to_line(data)
            return []
        first, *lines = data.split(b"\n")
        rest = lines.pop()
        events: list[ServerSentEvent] = []
        self._append_to_line(first)
        self._read_line(self._take_line(), events)
        for line in lines:
            self._read_line(line, events)
        self._append_to_line(rest)
        return events

    def _append_to_line(self, data: bytes) -> None:
        """Add to the unfinished line; one that gets too large continues as a comment, which is skipped."""
        if not data:
            return
        if self._event_size + len(self._line) + len(data) <= self.limit:
            self._line += data
            return
        if (self._line[:1] or data[:1]) != b":":
            self._drop_event()
        self._line[:] = b":"

    def _take_line(self) -> bytes:
        line = bytes(self._line)
        self._line.clear()
        if not self._started:
            self._started = True
            if line.startswith(_BOM):
                line = line[3:]
        return line

    def _read_line(self, line: bytes, events: list[ServerSentEvent]) -> None:
        if not line:
            self._dispatch(events)
        elif line[0] != 0x3A:
            self._event_size += len(line) + 1
            if self._event_size > self.limit:
                self._drop_event()
                return
            field, _, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if field == b"data":
                self._data.append(value)
            elif field == b"event":
                self._name = value

    def _dispatch(self, events: list[ServerSentEvent]) -> None:
        if self._event_size > self.limit:
            self.dropped_events += 1
        elif self._data:
            name = self._name.decode("utf-8", "replace") or "message"
            events.append(ServerSentEvent(name, b"\n".join(self._data)))
        self._clear_event()
        self._event_size = 0

    def _drop_event(self) -> None:
        self._clear_event()
        self._event_size = self.limit + 1

    def _clear_event(self) -> None:
        self._name = b""
        self._data.clear()
