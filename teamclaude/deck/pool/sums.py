"""Sums of values of which some are not known.  Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional, TypeVar

__all__ = ["known_ones", "known_sum"]

T = TypeVar("T")
N = TypeVar("N", int, float)


def known_ones(values: Iterable[Optional[T]]) -> list[T]:
    """Return those that are known."""
    return [value for value in values if value is not None]


def known_sum(values: Iterable[Optional[N]]) -> Optional[N]:
    """Return the sum of those that are known; None if none is."""
    found = known_ones(values)
    return sum(found) if found else None
