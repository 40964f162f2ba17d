"""Every model that a request's body names, for routes: what the API will read, however it is written.

Rules that hold in this file:

1. `scan_body` is fast, and its answer is a guess where a client writes its body to mislead: a key twice, of
   which another reader takes the other one, or a key with escapes in it.  A route must not be got around so.
2. A message names its model once, on its top level.  Of a batch all levels are searched, since its requests
   are far down: a tool's input with a `model` counts, too.
3. What can't be told is None, never a guess: a body that is compressed or malformed, or too long a walk.
"""

from __future__ import annotations

import re
from typing import Any, Optional

from .body_scan import Body, JsonWalker, body_of, decode_json

__all__ = ["model_of_message", "models_of_batch"]

MAX_MODELS = 64  # different ones of a batch
MAX_STEPS = 1_000_000  # of one walk, about 1 us each; 3 MB of a conversation with many escapes have 100,000
_SEARCH_BYTES = 1 << 20  # searched in one go: about 1 ms
_MAX_KEY_BYTES = 32  # each of its letters as \uXXXX
_MAX_MODEL_BYTES = 2048

_MODEL_KEY = re.compile(
    rb'"(?:m|\\u006[dD])(?:o|\\u006[fF])(?:d|\\u0064)(?:e|\\u0065)(?:l|\\u006[cC])"(?=[ \t\r\n:])'
)
_SPACE = re.compile(rb"[ \t\r\n]*")
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)


def model_of_message(body: bytes | bytearray | memoryview, scanned: Optional[str]) -> Optional[str]:
    """Return the one model that a message names; `scanned` is what `scan_body` has found.

    In most messages nothing else is called `model`: a search then confirms it, 1 ms for 10 MB.
    """
    data = body_of(body)
    keys = _keys(data, most=2)
    if len(keys) == 1 and scanned is not None:
        return scanned
    return _TopLevel(data).model() if keys else None


def models_of_batch(body: bytes | bytearray | memoryview) -> Optional[tuple[str, ...]]:
    """Return the models that the requests of a batch name, or a completion; None for none, or too many."""
    data = body_of(body)
    found: dict[str, None] = {}
    for at in _keys(data):
        model = _text_at(data, at)
        if model is not None:
            found[model] = None
        if len(found) > MAX_MODELS:
            return None
    return tuple(found) or None


def _keys(data: Body, most: Optional[int] = None) -> list[int]:
    """Return where the keys called `model` end, on whatever level; other threads run between the parts."""
    found: list[int] = []
    for begin in range(0, max(1, len(data)), _SEARCH_BYTES):
        stop = begin + _SEARCH_BYTES
        end = stop + _MAX_KEY_BYTES + 1
        if data.find(b"\\u006", begin, end) >= 0 or data.find(b'"model"', begin, end) >= 0:
            found.extend(key.end() for key in _MODEL_KEY.finditer(data, begin, end) if key.start() < stop)
        if most is not None and len(found) >= most:
            break
    return found


def _text_at(data: Body, at: int) -> Optional[str]:
    """Return the text that is the value of the key that ends at `at`; None for another value."""
    at = _past_space(data, at)
    if data[at : at + 1] != b":":
        return None
    at = _past_space(data, at + 1)
    text = _TEXT.match(data, at, at + _MAX_MODEL_BYTES)
    try:
        value: Any = decode_json(text[0]) if text is not None else None
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _past_space(data: Body, at: int) -> int:
    match = _SPACE.match(data, at)
    return match.end() if match is not None else at


class _TopLevel(JsonWalker):
    """Walk over the members of the whole body and note those called `model`."""

    def __init__(self, body: Body) -> None:
        super().__init__(body, {})
        self._budget = MAX_STEPS
        self._models: list[Optional[str]] = []

    def model(self) -> Optional[str]:
        """Return the model if it is named once, as text, in a body that is one JSON object."""
        opening = _SPACE.match(self._body)
        at = opening.end() if opening is not None else 0
        if self._body[at : at + 1] != b"{":
            return None
        complete = self._walk_members(at + 1, self._end)[1]
        return self._models[0] if complete and len(self._models) == 1 else None

    def _key(self, at: int) -> tuple[bytes, int]:
        key, value_at = super()._key(at)
        named = _MODEL_KEY.match(self._body, self._past_space(at))
        if named is not None:
            self._models.append(_text_at(self._body, named.end()))
        return key, value_at
