"""Server-sent events as they arrive, by the book (WHATWG HTML 9.2.6), bounded.

Lines end with LF, CRLF or CR; a colon starts a comment; one space after a field's colon is not part of
the value; several data lines make one text; an event counts when its blank line arrived.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MAX_EVENT_BYTES", "Event", "EventParser"]

MAX_EVENT_BYTES = 262144

_BOM = b"\xef\xbb\xbf"


class Event(NamedTuple):
    name: str  # "message" when the stream names none
    data: bytes


class EventParser:
    """Takes the bytes of a stream in any pieces, gives its events.

    An event of more than `limit` bytes is dropped and counted in `dropped`; the ones after it are not
    affected.  Holds at most about twice `limit`.
    """

    __slots__ = ("_data", "_line", "_name", "_size", "_skip_lf", "_started", "dropped", "limit")

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self.limit = limit
        self.dropped = 0
        self._started = False
        self._skip_lf = False  # the last byte was CR: an LF now belongs to it
        self._line = bytearray()  # an unfinished line
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0  # bytes of the current event; beyond `limit` it is only skipped

    @property
    def between_events(self) -> bool:
        """Whether everything so far was whole events, so that the next bytes begin one."""
        return self._started and not (self._line or self._size or self._skip_lf)

    def feed(self, data: bytes) -> list[Event]:
        """The events that these bytes complete."""
        if self._skip_lf and data:
            self._skip_lf = False
            if data[0] == 0x0A:
                data = data[1:]
        if b"\r" in data:
            self._skip_lf = data[-1] == 0x0D
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if b"\n" not in data:
            self._hold(data)
            return []
        first, *lines = data.split(b"\n")
        rest = lines.pop()
        events: list[Event] = []
        self._hold(first)
        self._read_line(self._take_line(), events)
        for line in lines:
            self._read_line(line, events)
        self._hold(rest)
        return events

    def _hold(self, data: bytes) -> None:
        """Add to the unfinished line; one that gets too large goes on as a comment, which is skipped."""
        if not data:
            return
        if self._size + len(self._line) + len(data) <= self.limit:
            self._line += data
            return
        if (self._line[:1] or data[:1]) != b":":
            self._give_up()
        self._line[:] = b":"

    def _take_line(self) -> bytes:
        line = bytes(self._line)
        self._line.clear()
        if not self._started:
            self._started = True
            if line.startswith(_BOM):
                line = line[3:]
        return line

    def _read_line(self, line: bytes, events: list[Event]) -> None:
        if not line:
            self._dispatch(events)
        elif line[0] != 0x3A:
            self._size += len(line) + 1
            if self._size > self.limit:
                self._give_up()
                return
            field, _, value = line.partition(b":")
            if value[:1] == b" ":
                value = value[1:]
            if field == b"data":
                self._data.append(value)
            elif field == b"event":
                self._name = value

    def _dispatch(self, events: list[Event]) -> None:
        if self._size > self.limit:
            self.dropped += 1
        elif self._data:
            name = self._name.decode("utf-8", "replace") or "message"
            events.append(Event(name, b"\n".join(self._data)))
        self._forget()
        self._size = 0

    def _give_up(self) -> None:
        self._forget()
        self._size = self.limit + 1

    def _forget(self) -> None:
        self._name = b""
        self._data.clear()
