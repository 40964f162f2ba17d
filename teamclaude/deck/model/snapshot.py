"""Reading the JSON of a running proxy, maybe of another version: what is missing is empty or unknown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Optional

from ..text.cells import clean
from ..text.format import UNKNOWN, epoch_seconds, finite_number

__all__ = ["JsonObject", "count_at", "object_at", "objects_at", "snapshot_time", "text_at"]

JsonObject = Mapping[str, Any]


def snapshot_time(snapshot: JsonObject) -> Optional[float]:
    """When the snapshot was taken, epoch seconds: countdowns are measured from it."""
    capacity = object_at(snapshot, "capacity")
    for value in (snapshot.get("now"), snapshot.get("at"), capacity.get("at")):
        moment = epoch_seconds(value)
        if moment is not None:
            return moment
    return None


def objects_at(source: JsonObject, key: str) -> Sequence[JsonObject]:
    """The objects of a list."""
    found = source.get(key)
    return [row for row in found if isinstance(row, Mapping)] if isinstance(found, list) else []


def object_at(source: JsonObject, key: str) -> JsonObject:
    """The object under a key."""
    found = source.get(key)
    return found if isinstance(found, Mapping) else {}


def text_at(source: JsonObject, key: str) -> str:
    """The text under a key, made safe to print."""
    value = source.get(key)
    return clean(value) if isinstance(value, str) else ""


def count_at(source: JsonObject, key: str) -> str:
    """A whole number, for display."""
    value = finite_number(source.get(key))
    return UNKNOWN if value is None else f"{value:.0f}"
