"""Message framing (RFC 9112 6, 7, 9): which body follows a head, connection persistence, chunked coding.

Where a message ends has one answer or none: everything ambiguous is refused (duplicate lengths, a length
beside a transfer coding, an unsupported coding), because two programs that disagree about it allow request
smuggling. A body is never passed on in its own framing: a length is rewritten from the number parsed here and
chunks are encoded anew, so a truncated upstream body can't look complete to the client.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Optional, Union

from ...errors import BadRequestError, NotSupportedError, TeamClaudeError
from ...values import NamedTuple
from .head import RequestHead

if TYPE_CHECKING:
    from .response_head import ResponseHead

    AnyHead = Union[RequestHead, ResponseHead]

__all__ = [
    "HOP_BY_HOP",
    "LAST_CHUNK",
    "NO_BODY",
    "UNTIL_CLOSE",
    "BodyKind",
    "Buffer",
    "ChunkedDecoder",
    "Framing",
    "asks_for_websocket",
    "checked_framing",
    "encode_chunk",
    "expects_100",
    "hop_by_hop_fields",
    "keep_alive",
    "request_framing",
]

Buffer = Union[bytes, bytearray, memoryview]

MAX_CHUNK_LINE = 1024  # a chunk's size with its extensions, or one trailer field
MAX_TRAILER_BYTES = 16384
LAST_CHUNK = b"0\r\n\r\n"

# RFC 9110 7.6.1, and older names that are not forwarded either.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


class BodyKind(enum.Enum):
    """How the end of a body is found (RFC 9112 6.3).

    What runs for each request looks its members up once: until Python 3.11 one look-up of any Enum takes
    0.14 us, 12 of them 2 % of a small request.
    """

    NONE = "none"
    LENGTH = "length"
    CHUNKED = "chunked"
    UNTIL_CLOSE = "until close"


class Framing(NamedTuple):
    """How a body is delimited; `length` is in bytes and means something only with LENGTH."""

    kind: BodyKind
    length: int = 0


NO_BODY = Framing(BodyKind.NONE)
UNTIL_CLOSE = Framing(BodyKind.UNTIL_CLOSE)
_CHUNKED = Framing(BodyKind.CHUNKED)


def request_framing(head: RequestHead) -> Framing:
    """Return the framing of a request's body.

    Raises BadRequestError, or NotSupportedError for an unknown coding.
    """
    framing: Optional[Framing] = head.framing
    if framing is None:
        framing = checked_framing(head, NO_BODY, BadRequestError, NotSupportedError)
        head.framing = framing
    return framing


def _is_length(text: str) -> bool:
    # 19 digits hold every 63-bit size; int() itself would refuse thousands of them with a ValueError.
    return len(text) < 20 and text.isdigit() and text.isascii()


def checked_framing(
    head: AnyHead, without: Framing, error: type[TeamClaudeError], unknown: type[TeamClaudeError]
) -> Framing:
    """Return the framing of a body, `without` length and coding this one; raise for anything ambiguous.

    `unknown` is the error for a coding that is not supported.
    """
    codings = head.get_all("transfer-encoding")
    lengths = head.get_all("content-length")
    if codings:
        if lengths:
            raise error("the message has both Content-Length and Transfer-Encoding")
        if head.minor == 0:
            raise error("HTTP/1.0 has no Transfer-Encoding")
        _require_chunked(codings, error, unknown)
        return _CHUNKED
    if not lengths:
        return without
    if len(lengths) > 1:
        raise error("the message has more than one Content-Length")
    if not _is_length(lengths[0]):
        raise error("the Content-Length is not a number of bytes")
    return Framing(BodyKind.LENGTH, int(lengths[0]))


def _require_chunked(
    values: Sequence[str], error: type[TeamClaudeError], unknown: type[TeamClaudeError]
) -> None:
    codings = [coding.strip(" \t").lower() for coding in ",".join(values).split(",")]
    if codings == ["chunked"]:
        return
    if "" in codings or codings.count("chunked") > 1 or "chunked" in codings[:-1]:
        raise error("the Transfer-Encoding is malformed")
    raise unknown("no Transfer-Encoding but chunked is supported")


def keep_alive(head: AnyHead) -> bool:
    """Return whether the sender will use the connection again after this message.

    HTTP/1.0 counts as no, whatever it asks for: its keep-alive is not reliable through other proxies (RFC
    9112 C.2.2).
    """
    if head.minor == 0:
        return False
    return head.default_connection or "close" not in _connection_options(head)


def hop_by_hop_fields(head: AnyHead) -> frozenset[str]:
    """Return the names (lower case) of fields that are not forwarded: RFC 9110's and Connection's."""
    if head.default_connection:
        return HOP_BY_HOP
    named = _connection_options(head)
    return HOP_BY_HOP if named <= HOP_BY_HOP else HOP_BY_HOP | named


def asks_for_websocket(head: RequestHead) -> bool:
    """Return whether the client asks to switch to the WebSocket protocol.

    Any other Upgrade is ignored, which every server may do (RFC 9110 7.8): curl and Java offer h2c with their
    first request.  In HTTP/1.0 the field has no meaning.
    """
    if "upgrade" not in head.layout.positions or not head.minor:
        return False
    offers = ",".join(head.get_all("upgrade")).lower().split(",")
    return "websocket" in [offer.partition("/")[0].strip(" \t") for offer in offers]


def expects_100(head: RequestHead) -> bool:
    """Return whether the client sends its body only after 100 (Continue)."""
    return (head.get("expect") or "").lower() == "100-continue"


def _connection_options(head: AnyHead) -> frozenset[str]:
    values = ",".join(head.get_all("connection"))
    return frozenset(option.strip(" \t").lower() for option in values.split(","))


# --- the chunked coding ------------------------------------------------------------------------

_TEXT = rb"[^\x00-\x08\n-\x1f\x7f]*"
_NAME = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:[ \t]*;" + _TEXT + rb")?\r\n")
_SIZE_PREFIX = re.compile(rb"[0-9A-Fa-f]{0,15}|[0-9A-Fa-f]{1,15}(?:[ \t]*|[ \t]*;" + _TEXT + rb")\r?")
_TRAILER_LINE = re.compile(rb"(?:" + _NAME + rb":" + _TEXT + rb")?\r\n")
_TRAILER_PREFIX = re.compile(rb"(?:" + _NAME + rb"(?::" + _TEXT + rb")?)?\r?")

# Below this size a copied slice is cheaper, in time and memory, than a view.
_MIN_VIEW_BYTES = 4096


class ChunkedDecoder:
    """Decode a chunked body as it arrives; extensions and trailers are dropped.

    Raises `error` for anything RFC 9112 7.1 does not allow.  Holds back at most one unfinished line.  At the
    end of the connection the body is complete only if `finished`.
    """

    __slots__ = (
        "_chunk_left",
        "_crlf_due",
        "_error",
        "_partial_line",
        "_trailer_bytes",
        "finished",
        "leftover",
    )

    def __init__(self, error: type[TeamClaudeError]) -> None:
        self._error = error
        self._chunk_left = 0  # payload bytes still to come of the current chunk
        self._crlf_due = False  # a chunk's payload is complete, its CRLF has not been seen
        self._trailer_bytes = -1  # -1 until the last chunk was seen
        self._partial_line = b""
        self.finished = False
        self.leftover = b""  # what followed the body: the start of the next message

    def feed(self, data: Buffer) -> list[Buffer]:
        """Return the payload in `data`, in pieces; large ones are views of `data`, not copies.

        So use the pieces before the buffer that was fed is filled again.
        """
        if self._partial_line:
            data, self._partial_line = self._partial_line + data, b""
        out: list[Buffer] = []
        at, end = 0, len(data)
        while at < end and not self.finished:
            if self._chunk_left:
                at = self._take_payload(data, at, end, out)
            elif self._crlf_due:
                at = self._skip_crlf(data, at, end)
            elif self._trailer_bytes >= 0:
                at = self._read_trailer_line(data, at, end)
            else:
                at = self._read_size_line(data, at, end)
        if at < end:
            self.leftover += bytes(data[at:])
        return out

    def whole_chunks(self, data: bytes) -> list[bytes]:
        """Return the payloads of `data` if it is nothing but whole chunks in plain form, none the last.

        Such bytes may be passed on as they are.  Else return an empty list: then `feed` takes `data`.
        """
        if self._partial_line or self._chunk_left or self._crlf_due or self._trailer_bytes >= 0:
            return []
        payloads: list[bytes] = []
        at, end = 0, len(data)
        while at < end:
            line = _SIZE_LINE.match(data, at)
            if line is None:
                return []
            begin, size = line.end(), int(line[1], 16)
            if not size or begin != line.end(1) + 2 or data[begin + size : begin + size + 2] != b"\r\n":
                return []
            payloads.append(data[begin : begin + size])
            at = begin + size + 2
        return payloads

    def _take_payload(self, data: Buffer, at: int, end: int, out: list[Buffer]) -> int:
        stop = min(at + self._chunk_left, end)
        self._chunk_left -= stop - at
        self._crlf_due = not self._chunk_left
        if stop - at < _MIN_VIEW_BYTES:
            out.append(data[at:stop])
        elif stop - at == len(data):
            out.append(data)
        else:
            out.append(memoryview(data)[at:stop])
        return stop

    def _skip_crlf(self, data: Buffer, at: int, end: int) -> int:
        found = data[at : at + 2]
        if found == b"\r\n":
            self._crlf_due = False
            return at + 2
        if found != b"\r":
            raise self._error("a chunk is longer than its announced size")
        self._partial_line = b"\r"
        return end

    def _read_size_line(self, data: Buffer, at: int, end: int) -> int:
        line = _SIZE_LINE.match(data, at)
        if line is None:
            return self._hold_partial_line(data, at, end, _SIZE_PREFIX)
        if line.end() - at > MAX_CHUNK_LINE:
            raise self._error(f"a chunk's size line is longer than {MAX_CHUNK_LINE} bytes")
        self._chunk_left = int(line[1], 16)
        if not self._chunk_left:
            self._trailer_bytes = 0
        return line.end()

    def _read_trailer_line(self, data: Buffer, at: int, end: int) -> int:
        line = _TRAILER_LINE.match(data, at)
        if line is None:
            return self._hold_partial_line(data, at, end, _TRAILER_PREFIX)
        size = line.end() - at
        self._trailer_bytes += size
        if size > MAX_CHUNK_LINE or self._trailer_bytes > MAX_TRAILER_BYTES:
            raise self._error("the trailers are too large")
        self.finished = size == 2
        return line.end()

    def _hold_partial_line(self, data: Buffer, at: int, end: int, prefix: re.Pattern[bytes]) -> int:
        """Keep an unfinished line for the next call, if it can still become a good one."""
        held = bytes(data[at : at + MAX_CHUNK_LINE + 1])
        if len(held) > MAX_CHUNK_LINE or not prefix.fullmatch(held):
            raise self._error("the chunked coding is malformed")
        self._partial_line = held
        return end


def encode_chunk(*pieces: Buffer) -> bytes:
    """Return one chunk of these pieces; b"" for no payload, as an empty chunk would end the body."""
    size = sum(map(len, pieces))
    if not size:
        return b""
    return b"".join((b"%x\r\n" % size, *pieces, b"\r\n"))
