"""Read the JSON of a running proxy, perhaps of another version: missing values are empty or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..text.cells import clean
from ..text.format import UNKNOWN, epoch_seconds, finite_number

__all__ = ["JsonObject", "count_at", "object_at", "objects_at", "snapshot_time", "text_at"]

JsonObject = Mapping[str, Any]


def snapshot_time(snapshot: JsonObject) -> Optional[float]:
    """Return when the snapshot was taken, epoch seconds."""
    capacity = object_at(snapshot, "capacity")
    for value in (snapshot.get("now"), snapshot.get("at"), capacity.get("at")):
        moment = epoch_seconds(value)
        if moment is not None:
            return moment
    return None


def objects_at(source: JsonObject, key: str) -> Sequence[JsonObject]:
    """Return the objects of the list under a key."""
    found = source.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def object_at(source: JsonObject, key: str) -> JsonObject:
    """Return the object under a key; empty if there is none."""
    found = source.get(key)
    return found if isinstance(found, Mapping) else {}


def text_at(source: JsonObject, key: str) -> str:
    """Return the text under a key, safe to print; empty if there is none."""
    value = source.get(key)
    return clean(value) if isinstance(value, str) else ""


def count_at(source: JsonObject, key: str) -> str:
    """Return the whole number under a key for display."""
    value = finite_number(source.get(key))
    return UNKNOWN if value is None else f"{value:.0f}"
