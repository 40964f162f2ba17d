"""Reading the JSON of a running proxy, maybe of another version: what is missing is empty or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from .cells import clean
from .figures import UNKNOWN, epoch_seconds, finite_number

__all__ = ["Snapshot", "count", "now", "part", "rows", "text"]

Snapshot = Mapping[str, Any]


def now(snapshot: Snapshot) -> Optional[float]:
    """When the snapshot was taken, epoch seconds: countdowns are measured from it."""
    capacity = part(snapshot, "capacity")
    for value in (snapshot.get("now"), snapshot.get("at"), capacity.get("at")):
        moment = epoch_seconds(value)
        if moment is not None:
            return moment
    return None


def rows(source: Snapshot, key: str) -> Sequence[Snapshot]:
    """The objects of a list."""
    found = source.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def part(source: Snapshot, key: str) -> Snapshot:
    """The object under a key."""
    found = source.get(key)
    return found if isinstance(found, Mapping) else {}


def text(source: Snapshot, key: str) -> str:
    """The text under a key, made safe to print."""
    value = source.get(key)
    return clean(value) if isinstance(value, str) else ""


def count(source: Snapshot, key: str) -> str:
    """A whole number, for display."""
    value = finite_number(source.get(key))
    return UNKNOWN if value is None else f"{value:.0f}"
