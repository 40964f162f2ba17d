"""The only parser of HTTP/1.x heads, for requests and responses: strict and fast.

Rules that hold in this file:

1. A request head that is accepted is forwarded as it is.  One that two programs could read differently
   (obs-fold, bare CR or LF, a space before the colon) is refused, never repaired.
2. The same holds for response heads, but what RFC 9112 asks of a client is accepted: folded lines (5.2) and
   whitespace before the colon (5.1) are cleaned before they are passed on.
3. Linear time: no pattern below can backtrack over more than one line.

The fast path is one `findall` over the whole block: there must be as many matched field lines as line ends,
so nothing between two matches is skipped unseen.  A Claude Code head of 21 fields takes 7 us (CPython 3.11).
All other heads take the slow path, which says what is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from ...errors import BadRequestError, HeadTooLargeError, TeamClaudeError, UpstreamProtocolError

if TYPE_CHECKING:
    from .framing import Framing

__all__ = [
    "MAX_HEAD_BYTES",
    "TOKEN",
    "Head",
    "RequestHead",
    "ResponseHead",
    "find_head_end",
    "parse_request_head",
    "parse_response_head",
]

MAX_HEAD_BYTES = 65536

# RFC 9110 5.6.2.
_TCHAR = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN = re.compile(_TCHAR + "+")

_TLS_RECORD = "\x16\x03"  # what a client sends first that was told https:// (RFC 8446, 5.1)
_HEAD_END = re.compile(rb"\A\x16\x03|\n\r?\n")
_REQUEST_LINE = re.compile(rf"({_TCHAR}+) (/[!-~]*) HTTP/1\.([0-9])(?=\r\n)")
# RFC 9112 3.2.3: authority-form = uri-host ":" port, for CONNECT alone.
_CONNECT_LINE = re.compile(
    r"(CONNECT) ((?:\[[0-9A-Fa-f:.]{2,45}\]|[0-9A-Za-z._-]{1,255}):[0-9]{1,5}) HTTP/1\.([0-9])(?=\r\n)"
)
# RFC 9112 4: the reason may be empty; the space before it may be missing.
# RFC 9110 15: codes outside 100..599 are invalid and are treated as a failure of the server.
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?")
# One well-formed field line with at most one space around its value.
_VISIBLE = r"[!-~\x80-\xff]"
_FIELD = re.compile(rf"\n({_TCHAR}+): ?({_VISIBLE}(?:[\t -~\x80-\xff]*{_VISIBLE})?|)\r(?=\n)")
# The rest of the line after a known name; an empty value after a space does not match.
_VALUE = r": ?(?![ \t])([^\x00-\x08\n-\x1f\x7f]*)(?<![ \t])\r"
# How the PROXY protocol begins: its version 1, and what is left of version 2 after two empty lines.
_PROXY_HEADERS = ("PROXY TCP", "PROXY UNKNOWN")
_CONTROL = re.compile(r"[\x00-\x08\n-\x1f\x7f]")
_CONTENT_LENGTH = "content-length"
_FOLD = re.compile(r"\r\n[ \t]+")


class HeaderLayout:
    """The field names of a head, in their case and order.

    One program uses few layouts, so each is built once: parsing a head of 21 fields takes 3 us less, and what
    depends on names alone (which to drop, which carry quota) can be cached by layout.  Threads may build one
    twice; the last one stays, and none is ever changed.
    """

    __slots__ = (
        "_times_seen",
        "coding_at",
        "connection_at",
        "length_at",
        "media_at",
        "names",
        "no_connection",
        "positions",
    )

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self._times_seen = 0
        positions: dict[str, list[int]] = {}
        for at, name in enumerate(names):
            positions.setdefault(name.lower(), []).append(at)
        self.positions = {name: tuple(found) for name, found in positions.items()}  # by lower-case name
        # Where the field stands on which the end of the body or of the connection depends; -1: there is none,
        # or not only one.  Looked up by its name in each head that takes 1 us more.
        connections = positions.get("connection", [])
        self.connection_at = connections[0] if len(connections) == 1 else -1
        self.no_connection = not connections
        lengths = positions.get(_CONTENT_LENGTH, [])
        # The first of the fields that say how a body is to be read; -1: there is none.
        self.media_at, self.coding_at = self._first("content-type"), self._first("content-encoding")
        only_one = len(lengths) == 1 and "transfer-encoding" not in positions
        self.length_at = lengths[0] if only_one else -1

    def _first(self, name: str) -> int:
        return self.positions.get(name, (-1,))[0]

    def pattern(self) -> re.Pattern[str]:
        """Return a pattern of a whole head behind its start line; its groups are the values."""
        lines = "".join(f"\n{re.escape(name)}{_VALUE}" for name in self.names)
        return re.compile(lines.replace("\n", r"\r\n", 1) + r"\n\r\n")

    def count_use(self) -> bool:
        """Count one more head; return whether the layout is worth a pattern of its own."""
        self._times_seen += 1
        return self._times_seen >= _FREQUENT and len(self.names) <= _MAX_PATTERN_FIELDS

    @staticmethod
    def for_names(names: tuple[str, ...]) -> HeaderLayout:
        """Return the layout with these names; only short ones are kept for the next head."""
        layout = _LAYOUTS.get(names)
        if layout is None:
            layout = HeaderLayout(names)
            if sum(map(len, names)) <= _MAX_CACHED_NAMES_LENGTH:
                if len(_LAYOUTS) >= _MAX_LAYOUTS:
                    _LAYOUTS.clear()
                _LAYOUTS[names] = layout
        return layout


_field_name, _field_value = itemgetter(0), itemgetter(1)
_LAYOUTS: dict[tuple[str, ...], HeaderLayout] = {}
# Bounds for a peer that keeps sending new names.
_MAX_LAYOUTS = 256
_MAX_CACHED_NAMES_LENGTH = 4096
# A pattern takes 1 ms to compile and parses a head of 14 fields in 2 us, 4 us less than `_FIELD` does.
_FREQUENT = 32
_MAX_PATTERN_FIELDS = 64
_MAX_PATTERNS = 4
_patterns: tuple[tuple[re.Pattern[str], HeaderLayout], ...] = ()  # of upstream heads, replaced as a whole


class Head:
    """The fields of a message in wire order, with case and duplicates.  Never changed in place."""

    __slots__ = ("default_connection", "layout", "minor", "values")

    def __init__(self, minor: int, layout: HeaderLayout, values: Sequence[str]) -> None:
        self.minor = minor  # 0: HTTP/1.0; 1: HTTP/1.1 and later 1.x
        self.layout = layout
        self.values = values
        at = layout.connection_at
        # No Connection options, or only `keep-alive`.
        self.default_connection = values[at] == "keep-alive" if at >= 0 else layout.no_connection

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The fields as (name, value), one per field line."""
        return list(zip(self.layout.names, self.values))

    def get(self, name: str) -> str | None:
        """Return the first value of a field; the name in any case."""
        at = self.layout.positions.get(name.lower())
        return None if at is None else self.values[at[0]]

    def get_all(self, name: str) -> list[str]:
        """Return all values of a field, one per field line, in order."""
        return [self.values[position] for position in self.layout.positions.get(name.lower(), ())]

    def __contains__(self, name: str) -> bool:
        return name.lower() in self.layout.positions


class HeadSeries:
    """Heads of one connection that differ only in the length of their body."""

    __slots__ = ("memo",)

    def __init__(self) -> None:
        self.memo: Any = None  # what was derived from one of them and holds for all


class RequestHead(Head):
    """A request's head; `target` starts with "/" (of CONNECT: is `host:port`) and is printable ASCII.

    Heads of one connection that differ only in the length of their body have the same `series`.
    """

    __slots__ = ("framing", "method", "series", "target")

    def __init__(self, method: str, target: str, minor: int, headers: list[tuple[str, str]]) -> None:
        super().__init__(
            minor, HeaderLayout.for_names(tuple(map(_field_name, headers))), list(map(_field_value, headers))
        )
        self.method = method
        self.target = target
        self.series = HeadSeries()
        self.framing: Optional[Framing] = None  # of its body, once `request_framing` was called

    def with_content_length(self, length: str, framing: Framing) -> RequestHead:
        """Return the same head with another Content-Length, the only one, and so with this framing."""
        other = RequestHead.__new__(RequestHead)
        other.method, other.target, other.minor = self.method, self.target, self.minor
        other.layout, other.series = self.layout, self.series
        other.default_connection, other.framing = self.default_connection, framing
        other.values = values = list(self.values)
        values[self.layout.length_at] = length
        return other

    def __repr__(self) -> str:  # no values: they may be credentials
        return f"RequestHead({self.method} {self.target.partition('?')[0]}, {len(self.values)} fields)"


class ResponseHead(Head):
    """A response's head; `status` is 100 to 599.

    `text` has the received lines if a client may get them: of HTTP/1.1, and none was cleaned; else "".
    """

    __slots__ = ("reason", "status", "text")

    def __init__(
        self,
        minor: int,
        status: int,
        reason: str,
        layout: HeaderLayout,
        values: Sequence[str],
        text: str = "",
    ) -> None:
        # Without a call of `Head`: 1 us.
        self.minor, self.layout, self.values = minor, layout, values
        at = layout.connection_at
        self.default_connection = values[at] == "keep-alive" if at >= 0 else layout.no_connection
        self.status = status
        self.reason = reason
        self.text = text

    def __repr__(self) -> str:
        return f"ResponseHead({self.status}, {len(self.values)} fields)"


def find_head_end(buffer: bytes | bytearray, start: int = 0) -> int:
    """Return the index just behind the blank line that ends a head, or -1 while there is none.

    After more bytes arrived, pass `start = max(begin of the head, bytes searched - 3)` to stay linear.  A
    bare-LF blank line and the begin of a TLS record end the search, too, so that their sender gets an error
    (the parser refuses them) instead of a timeout.
    """
    match = _HEAD_END.search(buffer, start)
    return match.end() if match else -1


def parse_request_head(block: bytes | bytearray) -> RequestHead:
    """Parse everything up to and including the blank line; raises BadRequestError or HeadTooLargeError."""
    if len(block) > MAX_HEAD_BYTES:
        raise HeadTooLargeError(f"the request head is larger than {MAX_HEAD_BYTES} bytes")
    text = block.decode("latin-1")
    if text.startswith("\r\n"):  # RFC 9112 2.2: one empty line ahead of a request is ignored
        text = text[2:]
    line = _REQUEST_LINE.match(text)
    if line is None or line[1] == "CONNECT":
        line = _CONNECT_LINE.match(text)
        if line is None:
            _raise_request_line_error(text)
    fields = _match_fields(text, line.end()) or _parse_field_lines(text, line.end(), BadRequestError)
    return RequestHead(line[1], line[2], 0 if line[3] == "0" else 1, fields)


def parse_response_head(block: bytes | bytearray) -> ResponseHead:
    """Parse everything up to and including the blank line; raises UpstreamProtocolError."""
    if len(block) > MAX_HEAD_BYTES:
        raise UpstreamProtocolError(f"the upstream's response head is larger than {MAX_HEAD_BYTES} bytes")
    text = block.decode("latin-1")
    end = text.find("\r\n")
    line = _status_of(text[:end])
    if line is None or end < 0:
        raise UpstreamProtocolError("the upstream's status line is not HTTP/1.x")
    minor, status, reason, passes = line
    for pattern, layout in _patterns:
        found = pattern.fullmatch(text, end)
        if found is not None:
            return ResponseHead(minor, status, reason, layout, found.groups(), text if passes else "")
    plain = _match_fields(text, end)
    fields = plain or _parse_field_lines(text, end, UpstreamProtocolError)
    layout = HeaderLayout.for_names(tuple(map(_field_name, fields)))
    if plain and layout.count_use():
        _cache_pattern(layout)
    values = list(map(_field_value, fields))
    return ResponseHead(minor, status, reason, layout, values, text if plain and passes else "")


@lru_cache(maxsize=16)  # of which nearly all heads have one: 1 us less
def _status_of(line: str) -> Optional[tuple[int, int, str, bool]]:
    """Return minor version, status, reason, and whether the line may be passed on; None for a wrong one."""
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        return None
    version, status, reason = found.groups()
    return 0 if version == "0" else 1, int(status), reason or "", version == "1" and reason is not None


def _cache_pattern(layout: HeaderLayout) -> None:
    global _patterns
    others = (each for each in _patterns if each[1] is not layout)
    _patterns = ((layout.pattern(), layout), *others)[:_MAX_PATTERNS]


def _match_fields(text: str, start: int) -> list[tuple[str, str]]:
    """Return the fields if every line is well formed, else []; `start` is at the start line's CRLF."""
    found: list[tuple[str, str]] = _FIELD.findall(text, start)
    # Every line end except the start line's and the blank line's must have begun a match.
    plain = len(found) == text.count("\n", start) - 2 and text.endswith("\r\n\r\n")
    return found if plain else []


def _parse_field_lines(text: str, start: int, error: type[TeamClaudeError]) -> list[tuple[str, str]]:
    """Parse line by line: trim optional whitespace, or raise which line is wrong and why."""
    lenient = error is UpstreamProtocolError
    if not text.endswith("\r\n\r\n"):
        raise error("the head ends with a bare LF; lines end with CRLF")
    if start == len(text) - 4:
        return []  # no field at all
    section = text[start + 2 : -4]
    if lenient and section[:1] not in (" ", "\t"):
        section = _FOLD.sub(" ", section)
    fields = []
    for number, line in enumerate(section.split("\r\n"), 1):
        name, colon, value = line.partition(":")
        if lenient:
            name = name.rstrip(" \t")
        wrong = _field_line_error(name, colon, line)
        if wrong:
            raise error(f"header line {number} {wrong}")
        fields.append((name, value.strip(" \t")))
    return fields


def _field_line_error(name: str, colon: str, line: str) -> str:
    """Return why a field line is refused, or ""; never quote it, as it may hold a credential."""
    control = _CONTROL.search(line)
    if control:
        what = {"\0": "a NUL", "\r": "a bare CR", "\n": "a bare LF"}.get(control[0], "a control character")
        return f"contains {what}"
    if not line:
        return "is empty"
    if line[0] in " \t":
        return "is folded (starts with whitespace)"
    if not colon:
        return "has no colon"
    if not name:
        return "has no name before the colon"
    if name[-1] in " \t":
        return "has whitespace before the colon"
    if not TOKEN.fullmatch(name):
        return "has a character that is not allowed in a header name"
    return ""


def _raise_request_line_error(text: str) -> NoReturn:
    line = text.partition("\r\n")[0]
    words = line.split(" ")
    if text.startswith(_TLS_RECORD):
        raise BadRequestError("this port speaks no TLS: write http:// for https://, or set proxy.tls")
    if line.startswith(_PROXY_HEADERS) or line == "\0":  # of version 2, behind an empty line
        raise BadRequestError(
            "this connection begins with a PROXY header; its sender is not one of proxy.trustedProxies"
        )
    if _CONTROL.search(line):
        raise BadRequestError("the request line contains a control character")
    if len(words) != 3:
        raise BadRequestError("the request line is not 'METHOD /path HTTP/1.1'")
    method, target, version = words
    if not TOKEN.fullmatch(method):
        raise BadRequestError("the request line has no valid method")
    if method == "CONNECT":
        raise BadRequestError("the target of CONNECT is not 'host:port'")
    if not version.startswith("HTTP/1."):
        raise BadRequestError("the HTTP version is not 1.0 or 1.1")
    if not target.startswith("/"):
        raise BadRequestError("the request target does not start with '/'")
    if not target.isascii():
        raise BadRequestError("the request target contains a character that is not ASCII")
    raise BadRequestError("the request line is not 'METHOD /path HTTP/1.1'")
