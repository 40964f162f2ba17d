"""JSON of small texts, without the preparations of `json.loads`."""

from __future__ import annotations

import json
from typing import Any, Union

__all__ = ["decode_json"]

_scan_once = getattr(json.JSONDecoder(), "scan_once")  # noqa: B009 - not in typeshed


def decode_json(text: Union[str, bytes, bytearray]) -> Any:
    """As `json.loads`; raises ValueError, also for a text that is nested too deep.

    Mostly it is UTF-8 with no space around it: told so, the scanner takes 1.5 us for a small answer, where
    `json.loads` takes 5.
    """
    try:
        characters = text if isinstance(text, str) else text.decode()
        value, end = _scan_once(characters, 0)
        if end == len(characters):
            return value
    except (ValueError, StopIteration, RecursionError):
        pass
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deep") from None
