"""What was found in the body of a response: the API's JSON with its token counts, or an error.

`read_document` reads a body that came whole; any other is read as it passes, by the usage tap.
"""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Optional

from ...routing.quota.usage import NO_USAGE, Usage
from ...values import NamedTuple
from ..http.response_head import ResponseForm
from .body_scan import decode_json
from .json_text import MAX_TEXT_CHARS, one_line

__all__ = ["NOTHING", "Findings", "read_document", "read_error", "read_message", "updated_usage"]

_MAX_TOKENS = 1 << 40
_MAX_ID_CHARS = 128
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_counts_of = itemgetter(*_COUNTS)
_NUMBERS = {int}


class Findings(NamedTuple):
    """What a response has said of itself."""

    usage: Usage = NO_USAGE
    model: Optional[str] = None  # that responded
    id: Optional[str] = None  # of what its JSON describes
    error: str = ""  # type and message of an error event or document
    unmeasured: bool = False  # of a model's response: zeros in `usage` mean that the counts are unknown
    gave_up: bool = False  # it came in a form that can't be read
    unfinished: bool = False  # a stream without message_stop
    unseen_tokens: int = 0  # that `usage` lacks, estimated: it was cut, or can't be read


NOTHING = Findings()


def read_document(form: ResponseForm, body: bytes) -> Optional[Findings]:
    """Return what a whole JSON document says; None for any other body."""
    if not form.is_plain_json:
        return None
    try:
        document = decode_json(body)
    except ValueError:
        return None
    if type(document) is not dict or not document:
        return None
    if document.get("type") == "error":
        return Findings(error=": ".join(read_error(document)))
    usage, model, id = read_message(document)
    said = usage, model, id, "", usage == NO_USAGE, False, False, 0
    return tuple.__new__(Findings, said)  # as values.py says


def read_message(message: dict[str, Any], usage: Usage = NO_USAGE) -> tuple[Usage, str | None, str | None]:
    """Return the token counts, which follow `usage`, the model and the id; None for what it does not say."""
    model, id, counts = message.get("model"), message.get("id"), message.get("usage")
    if not isinstance(model, str) or not model.isprintable():
        model = ""
    if not isinstance(id, str) or len(id) > _MAX_ID_CHARS:
        id = None
    if type(counts) is dict:
        usage = updated_usage(usage, counts)
    return usage, model[:MAX_TEXT_CHARS] or None, id


def read_error(body: dict[str, Any]) -> tuple[str, str]:
    """Return type and message of the error in an error document, each on one line."""
    error = body.get("error")
    if not isinstance(error, dict):
        error = {}
    return one_line(error.get("type")) or "api_error", one_line(error.get("message"))


def updated_usage(usage: Usage, wire: dict[str, Any]) -> Usage:
    """Return the counts with every number replaced that `wire` names: its numbers are cumulative."""
    sent, received, read, writes_5m, writes_1h, _ = usage
    written = writes_5m + writes_1h
    try:
        counts = _counts_of(wire)
    except KeyError:
        counts = ()
    # All four at once, nearly always: 2 % of the bytecodes of a small request.
    if counts and set(map(type, counts)) == _NUMBERS and min(counts) >= 0 and max(counts) < _MAX_TOKENS:
        sent, received, read, new_written = counts
    else:
        old = sent, received, read, written
        sent, received, read, new_written = [_count(wire, *each) for each in zip(_COUNTS, old)]
    if new_written != written:
        # A sum without its parts: of the kind that was written so far, else of the API's default.
        only_1h = writes_1h and not writes_5m
        writes_5m, writes_1h = (0, new_written) if only_1h else (new_written, 0)
    parts = wire.get("cache_creation")
    if isinstance(parts, dict):
        writes_5m = _count(parts, "ephemeral_5m_input_tokens", writes_5m)
        writes_1h = _count(parts, "ephemeral_1h_input_tokens", writes_1h)
    return tuple.__new__(Usage, (sent, received, read, writes_5m, writes_1h, 0))  # as values.py says


def _count(source: dict[str, Any], key: str, old: int) -> int:
    new = source.get(key)
    return new if type(new) is int and 0 <= new < _MAX_TOKENS else old
