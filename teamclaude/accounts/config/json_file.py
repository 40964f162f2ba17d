"""Parse and write the config file's JSON strictly: nothing is lost or guessed."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Sequence
from typing import Any, Optional

from ...errors import ConfigError
from .value_types import safe_repr

__all__ = ["decode", "decode_text", "encode", "fingerprint", "json_object"]

# PowerShell 5 writes UTF-16 with a byte order mark; editors on Windows write UTF-8 with one.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decode_text(data: bytes, errors: str = "strict") -> str:
    """Return the text of a JSON file: UTF-8, or UTF-16 with a byte order mark or without.

    NULs at the end are dropped: after a power cut some file systems leave them there.  `errors` is the one of
    bytes.decode; "strict" raises UnicodeDecodeError.
    """
    for mark, encoding in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, errors).rstrip("\0")
    # JSON begins with ASCII characters (RFC 4627, 3): in UTF-16 one of the first two bytes is 0.
    zeros = [byte == 0 for byte in data[:2]]
    encoding = "utf-16-be" if zeros == [True, False] else "utf-16-le" if zeros == [False, True] else "utf-8"
    return data.decode(encoding, errors).rstrip("\0")


def decode(data: bytes, source: str) -> dict[str, Any]:
    """Parse a JSON object.  Raise ConfigError with line and column; it never quotes the file."""
    try:
        text = decode_text(data)
        raw = json.loads(
            text, object_pairs_hook=_unique_keys, parse_constant=_reject_constant, parse_float=_finite_float
        )
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{source}: line {line}: is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        if not text.strip():
            raise ConfigError(f"{source}: is empty; remove it to start anew") from None
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{source}: {place}: {error.msg[:1].lower()}{error.msg[1:]}") from None
    except RecursionError:
        raise ConfigError(f"{source}: is nested too deeply") from None
    except ValueError as error:  # from the hooks; Python also refuses numbers of thousands of digits
        problem = str(error) if isinstance(error, _InvalidJsonError) else "holds a number that is too long"
        raise ConfigError(f"{source}: {problem}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{source}: expected a JSON object, got {safe_repr(raw)}")
    return raw


def json_object(data: bytes) -> Optional[dict[str, Any]]:
    """Return the JSON object in `data`, or None if it is anything else."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def encode(raw: dict[str, Any]) -> bytes:
    """Return JSON with two-space indents, non-ASCII characters as they are and a final newline."""
    try:
        return _dump(raw, ascii_only=False).encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 encoding: escape it
        return _dump(raw, ascii_only=True).encode()


def fingerprint(raw: dict[str, Any]) -> str:
    """Return a text that differs whenever `encode` does, in a tenth of its time."""
    return json.dumps(raw)


def _dump(raw: dict[str, Any], ascii_only: bool) -> str:
    return json.dumps(raw, indent=2, ensure_ascii=ascii_only, allow_nan=False) + "\n"


class _InvalidJsonError(ValueError):
    """Raised for JSON that Python's parser accepts but does not preserve."""


def _unique_keys(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _InvalidJsonError(f"the key {safe_repr(twice)} stands twice in one object; remove one of them")
    return found


def _reject_constant(word: str) -> Any:
    raise _InvalidJsonError(f"{word} is not a JSON number")


def _finite_float(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise _InvalidJsonError(f"the number {text[:20]} is too large")
    return number
