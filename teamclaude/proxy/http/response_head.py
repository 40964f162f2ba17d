"""Heads of responses, which are parsed by the rules of `head`.

An API sends few forms of heads, each thousands of times: what their form alone decides is computed once, and
a frequent form has a pattern of its own, which parses a head of 22 fields in 3.6 us in place of 17.5, one of
6 in 1.3 us in place of 8.8: 4 to 8 % of a small request.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Optional

from ...errors import UpstreamProtocolError
from .framing import (
    HOP_BY_HOP,
    NO_BODY,
    UNTIL_CLOSE,
    BodyKind,
    Framing,
    checked_framing,
    hop_by_hop_fields,
    keep_alive,
)
from .head import MAX_HEAD_BYTES, Head, HeaderLayout, field_value, match_fields, parse_field_lines

__all__ = ["OWN_FIELDS", "ResponseForm", "ResponseHead", "parse_response_head", "response_framing"]

# What we add to every response: the account that made it, and the request's id.
OWN_FIELDS = ("x-teamclaude-account", "x-teamclaude-request")
# RFC 9112 4: the reason may be empty; the space before it may be missing.
# RFC 9110 15: codes outside 100..599 are invalid and are treated as a failure of the server.
_STATUS_LINE = re.compile(r"HTTP/1\.([0-9]) ([1-5][0-9]{2})(?: ([\t -~\x80-\xff]*))?(?=\r\n)")
# The fields that say how the body and the connection go on.
_STEERING = ("connection", "content-encoding", "content-type", "transfer-encoding")
# 19 digits hold every 63-bit size.
_NUMBER = "0|[1-9][0-9]{0,18}"
_CANONICAL_LENGTH = re.compile(_NUMBER)
# The rest of the line after a known name; an empty value after a space does not match.
_VALUE = r": ?(?![ \t])([^\x00-\x08\n-\x1f\x7f]*)(?<![ \t])"
# A pattern takes 1 ms to compile.
_FREQUENT = 32
_MAX_PATTERN_FIELDS = 64
_MAX_PATTERNS = 6
_MAX_FORMS = 64  # for a peer that keeps sending new ones

_NOT_RELAYED = HOP_BY_HOP.union(OWN_FIELDS)
_LENGTH = BodyKind.LENGTH
_made = tuple.__new__  # as values.py says


class ResponseForm:
    """What heads with the same start line, field names and values of `_STEERING` have in common.

    Threads may build one twice; the last one stays, and none is changed but for its count.
    """

    __slots__ = (
        "_line",
        "_steering",
        "_times_seen",
        "coding",
        "default_connection",
        "dropped_lines",
        "has_body",
        "hop_by_hop",
        "is_event_stream",
        "is_plain_json",
        "keeps_open",
        "layout",
        "length_at",
        "media",
        "minor",
        "passes",
        "reason",
        "status",
    )

    def __init__(self, line: re.Match[str], layout: HeaderLayout, values: Sequence[str]) -> None:
        version, status, reason = line.groups()
        self.minor = 0 if version == "0" else 1
        self.status = int(status)
        self.reason = reason or ""
        self.passes = version == "1" and reason is not None  # a client may get this line
        self.has_body = self.status >= 200 and self.status not in (204, 304)
        self.layout = layout
        self.length_at = layout.length_at
        self.default_connection = layout.has_default_connection(values)
        self._line, self._times_seen = line[0], 0
        self._steering = {at for name in _STEERING for at in layout.positions.get(name, ())}
        head = ResponseHead(self, values)
        self.media, self.coding = head.get("content-type"), head.get("content-encoding")
        media = (self.media or "").partition(";")[0].strip().lower()
        self.is_event_stream = media == "text/event-stream"
        self.is_plain_json = media == "application/json" and self.coding is None
        self.keeps_open = keep_alive(head)
        self.hop_by_hop = hop_by_hop_fields(head)
        # The lines that a client does not get, if these values are of the form; None: others may go, too.
        dropped = [at for at, name in enumerate(layout.names) if name.lower() in _NOT_RELAYED]
        self.dropped_lines: Optional[tuple[str, ...]] = None
        if self.hop_by_hop is HOP_BY_HOP and self._steering.issuperset(dropped):
            self.dropped_lines = tuple(f"\r\n{layout.names[at]}: {values[at]}\r\n" for at in dropped)

    @staticmethod
    def of(line: re.Match[str], layout: HeaderLayout, values: Sequence[str]) -> ResponseForm:
        """Return the form of a head with this start line."""
        steering = [values[at] for name in _STEERING for at in layout.positions.get(name, ())]
        key = line[0], layout, *steering
        form = _forms.get(key)
        if form is None:
            form = ResponseForm(line, layout, values)
            if len(_forms) >= _MAX_FORMS:
                _forms.clear()
            _forms[key] = form
        return form

    def count_use(self) -> bool:
        """Count one more head; return whether the form is worth a pattern of its own."""
        self._times_seen += 1
        return self._times_seen >= _FREQUENT and self.passes and len(self.layout.names) <= _MAX_PATTERN_FIELDS

    def pattern(self, values: Sequence[str]) -> re.Pattern[str]:
        """Return a pattern of whole heads of this form; `values` are those of one, groups those of each."""
        lines = [re.escape(self._line)]
        for at, (name, value) in enumerate(zip(self.layout.names, values)):
            if at in self._steering:
                rest = f": ({re.escape(value)})"  # as in `dropped_lines`
            else:
                rest = f": ?({_NUMBER})" if at == self.length_at else _VALUE
            lines.append(re.escape(name) + rest)
        return re.compile(r"\r\n".join([*lines, r"\r\n"]))


_forms: dict[tuple[object, ...], ResponseForm] = {}
_patterns: tuple[tuple[re.Pattern[str], ResponseForm], ...] = ()  # replaced as a whole


class ResponseHead(Head):
    """A response's head; `status` is 100 to 599.

    `text` has the received lines if a client may get them: of HTTP/1.1, and none was cleaned; else "".
    `length` is that of the only Content-Length, written as we would; -1: there is none, or another coding.
    `dropped_lines` are those of the form if `text` has just these; else None.
    """

    __slots__ = ("dropped_lines", "form", "length", "status", "text")

    def __init__(
        self,
        form: ResponseForm,
        values: Sequence[str],
        text: str = "",
        length: int = -1,
        dropped_lines: Optional[tuple[str, ...]] = None,
    ) -> None:
        self.form = form
        self.layout = form.layout
        self.values = values
        self.status = form.status
        self.text = text
        self.length = length
        self.dropped_lines = dropped_lines

    @property
    def minor(self) -> int:
        """0: HTTP/1.0; 1: HTTP/1.1 and later 1.x."""
        return self.form.minor

    @property
    def reason(self) -> str:
        """The reason phrase; may be empty."""
        return self.form.reason

    @property
    def default_connection(self) -> bool:
        """Whether there are no Connection options, or only `keep-alive`."""
        return self.form.default_connection

    def __repr__(self) -> str:
        return f"ResponseHead({self.status}, {len(self.values)} fields)"


def parse_response_head(block: bytes | bytearray) -> ResponseHead:
    """Parse everything up to and including the blank line; raises UpstreamProtocolError."""
    if len(block) > MAX_HEAD_BYTES:
        raise UpstreamProtocolError(f"the upstream's response head is larger than {MAX_HEAD_BYTES} bytes")
    text = block.decode("latin-1")
    for pattern, form in _patterns:
        found = pattern.fullmatch(text)
        if found is not None:
            values: Sequence[str] = found.groups()
            at = form.length_at
            length = int(values[at]) if at >= 0 else -1
            return ResponseHead(form, values, text, length, form.dropped_lines)
    line = _STATUS_LINE.match(text)
    if line is None:
        raise UpstreamProtocolError("the upstream's status line is not HTTP/1.x")
    plain = match_fields(text, line.end())
    fields = plain or parse_field_lines(text, line.end(), UpstreamProtocolError)
    values = list(map(field_value, fields))
    form = ResponseForm.of(line, HeaderLayout.for_fields(fields), values)
    at = form.length_at
    length = int(values[at]) if at >= 0 and _CANONICAL_LENGTH.fullmatch(values[at]) else -1
    if plain and form.count_use():
        _cache_pattern(form, values)
    return ResponseHead(form, values, text if plain and form.passes else "", length)


def _cache_pattern(form: ResponseForm, values: Sequence[str]) -> None:
    global _patterns
    others = (each for each in _patterns if each[1] is not form)
    _patterns = ((form.pattern(values), form), *others)[:_MAX_PATTERNS]


def response_framing(head: ResponseHead, request_method: str) -> Framing:
    """Return the framing of the response to a request with this method; raises UpstreamProtocolError."""
    has_body = head.form.has_body and request_method != "HEAD"
    if head.length >= 0 and has_body:
        return _made(Framing, (_LENGTH, head.length))
    if head.status == 101:
        raise UpstreamProtocolError("the upstream switched protocols without being asked to")
    if not has_body:
        return NO_BODY
    return checked_framing(head, UNTIL_CLOSE, UpstreamProtocolError, UpstreamProtocolError)
