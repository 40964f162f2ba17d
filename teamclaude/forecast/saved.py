"""Numbers that an earlier run has saved: whatever a file says, what comes out can be reckoned with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Optional

__all__ = ["saved_numbers", "saved_object"]

MOST = 2.0**88  # a square of tokens; its own square is far from overflowing


def saved_object(value: object, name: str) -> Mapping[str, Any]:
    """Return the object of that name in an object; an empty one when there is none."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def saved_numbers(value: object, count: int) -> Optional[list[float]]:
    """Return a list of so many numbers of at most MOST; None when it is anything else."""
    if not isinstance(value, list) or len(value) != count:
        return None
    if any(isinstance(each, bool) or not isinstance(each, (int, float)) for each in value):
        return None
    try:
        numbers = [float(each) for each in value]
    except OverflowError:
        return None
    return numbers if all(abs(number) <= MOST for number in numbers) else None  # NaN fails, too
