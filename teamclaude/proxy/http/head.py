"""The only parser of HTTP/1.x heads, strict and fast: requests, and what those and responses have in common.

Rules that hold in this file:

1. A request head that is accepted is forwarded as it is.  One that two programs could read differently
   (obs-fold, bare CR or LF, a space before the colon) is refused, never repaired.  A whole URL as target is
   taken apart: into the path, and the Host that it names (RFC 9112 3.2.2); whose that is is decided later.
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
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from ...errors import BadRequestError, HeadTooLargeError, TeamClaudeError, UpstreamProtocolError

if TYPE_CHECKING:
    from .framing import Framing

__all__ = [
    "MAX_HEAD_BYTES",
    "OTHER_URL",
    "TOKEN",
    "Head",
    "RequestHead",
    "find_head_end",
    "match_fields",
    "parse_field_lines",
    "parse_request_head",
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
# RFC 9112 3.2.2: absolute-form = absolute-URI; what the authority is allowed to be is checked as the Host's.
_URL = r"([Hh][Tt][Tt][Pp][Ss]?)://([!-\"$-.0->@-~]{1,255})((?:[/?][!-~]*)?)"
_ABSOLUTE_LINE = re.compile(rf"({_TCHAR}+) {_URL} HTTP/1\.([0-9])(?=\r\n)")
# One well-formed field line with at most one space around its value.
_VISIBLE = r"[!-~\x80-\xff]"
_FIELD = re.compile(rf"\n({_TCHAR}+): ?({_VISIBLE}(?:[\t -~\x80-\xff]*{_VISIBLE})?|)\r(?=\n)")
# How the PROXY protocol begins: its version 1, and what is left of version 2 after two empty lines.
_PROXY_HEADERS = ("PROXY TCP", "PROXY UNKNOWN")
_CONTROL = re.compile(r"[\x00-\x08\n-\x1f\x7f]")
_CONTENT_LENGTH = "content-length"

OTHER_URL = (
    "the request line names a whole URL of another server, as for a proxy of plain HTTP, which this is not: "
    "lead the client here with ANTHROPIC_BASE_URL, or with HTTPS_PROXY in first-party mode (teamclaude env)"
)
_FOLD = re.compile(r"\r\n[ \t]+")


class HeaderLayout:
    """The field names of a head, in their case and order.

    One program uses few layouts, so each is built once: parsing a head of 21 fields takes 3 us less, and what
    depends on names alone (which to drop, which carry quota) can be cached by layout.  Threads may build one
    twice; the last one stays, and none is ever changed.
    """

    __slots__ = ("length_at", "names", "positions")

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        positions: dict[str, list[int]] = {}
        for at, name in enumerate(names):
            positions.setdefault(name.lower(), []).append(at)
        self.positions = {name: tuple(found) for name, found in positions.items()}  # by lower-case name
        # Where the field stands on which the end of the body depends; -1: there is none, or not only one.
        lengths = positions.get(_CONTENT_LENGTH, [])
        only_one = len(lengths) == 1 and "transfer-encoding" not in positions
        self.length_at = lengths[0] if only_one else -1

    def has_default_connection(self, values: Sequence[str]) -> bool:
        """Return whether a head with these values has no Connection options, or only `keep-alive`."""
        return all(values[at] == "keep-alive" for at in self.positions.get("connection", ()))

    @staticmethod
    def for_fields(fields: Sequence[tuple[str, str]]) -> HeaderLayout:
        """Return the layout of these fields; only short ones are kept for the next head."""
        names = tuple(map(_field_name, fields))
        layout = _LAYOUTS.get(names)
        if layout is None:
            layout = HeaderLayout(names)
            if sum(map(len, names)) <= _MAX_CACHED_NAMES_LENGTH:
                if len(_LAYOUTS) >= _MAX_LAYOUTS:
                    _LAYOUTS.clear()
                _LAYOUTS[names] = layout
        return layout


_field_name, field_value = itemgetter(0), itemgetter(1)
_LAYOUTS: dict[tuple[str, ...], HeaderLayout] = {}
# Bounds for a peer that keeps sending new names.
_MAX_LAYOUTS = 256
_MAX_CACHED_NAMES_LENGTH = 4096


class Head:
    """The fields of a message in wire order, with case and duplicates.  Never changed in place."""

    __slots__ = ("layout", "values")

    layout: HeaderLayout
    values: Sequence[str]

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

    __slots__ = ("memo", "scheme")

    def __init__(self) -> None:
        self.memo: Any = None  # what was derived from one of them and holds for all
        self.scheme: Optional[str] = None  # "http" or "https", if their targets are whole URLs


class RequestHead(Head):
    """A request's head; `target` starts with "/" (of CONNECT: is `host:port`) and is printable ASCII.

    Heads of one connection that differ only in the length of their body have the same `series`.
    """

    __slots__ = ("default_connection", "framing", "method", "minor", "series", "target")

    def __init__(self, method: str, target: str, minor: int, headers: list[tuple[str, str]]) -> None:
        self.layout = HeaderLayout.for_fields(headers)
        self.values = list(map(field_value, headers))
        self.method = method
        self.target = target
        self.minor = minor  # 0: HTTP/1.0; 1: HTTP/1.1 and later 1.x
        self.default_connection = self.layout.has_default_connection(self.values)
        self.series = HeadSeries()
        self.framing: Optional[Framing] = None  # of its body, once `request_framing` was called

    def __repr__(self) -> str:  # no values: they may be credentials
        return f"RequestHead({self.method} {self.target.partition('?')[0]}, {len(self.values)} fields)"


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
            return _parse_absolute(text)
    fields = match_fields(text, line.end()) or parse_field_lines(text, line.end(), BadRequestError)
    return RequestHead(line[1], line[2], 0 if line[3] == "0" else 1, fields)


def _parse_absolute(text: str) -> RequestHead:
    """Parse a head whose target is a whole URL; raises BadRequestError, also for any other request line."""
    line = _ABSOLUTE_LINE.match(text)
    if line is None or line[1] == "CONNECT":
        _raise_request_line_error(text)
    fields = match_fields(text, line.end()) or parse_field_lines(text, line.end(), BadRequestError)
    host, target, minor = line[3], line[4], 0 if line[5] == "0" else 1
    fields = [(name, host if name.lower() == "host" else value) for name, value in fields]
    if not minor and all(name.lower() != "host" for name, _ in fields):
        fields.insert(0, ("Host", host))  # of HTTP/1.0 alone it may be missing
    head = RequestHead(line[1], target if target[:1] == "/" else f"/{target}", minor, fields)
    head.series.scheme = line[2].lower()
    return head


def match_fields(text: str, start: int) -> list[tuple[str, str]]:
    """Return the fields if every line is well formed, else []; `start` is at the start line's CRLF."""
    found: list[tuple[str, str]] = _FIELD.findall(text, start)
    # Every line end except the start line's and the blank line's must have begun a match.
    plain = len(found) == text.count("\n", start) - 2 and text.endswith("\r\n\r\n")
    return found if plain else []


def parse_field_lines(text: str, start: int, error: type[TeamClaudeError]) -> list[tuple[str, str]]:
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
    if target[:8].lower().startswith(("http://", "https://")):
        raise BadRequestError(OTHER_URL)
    if not target.startswith("/"):
        raise BadRequestError("the request target does not start with '/'")
    if not target.isascii():
        raise BadRequestError("the request target contains a character that is not ASCII")
    raise BadRequestError("the request line is not 'METHOD /path HTTP/1.1'")
