"""Read saved JSON leniently: a value of the wrong type or out of range reads as absent and is reported.

The `as_...` functions convert plain JSON data or raise ValueError.  `LenientObject.as_time` reads times,
`as_count` counts, `as_amount` and `as_fraction` other numbers: without a bound 1e308 would be read, and make
arithmetic raise long afterwards.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Callable, Optional, TypeVar

from .usage import Usage
from .windows import MAX_UTILIZATION

__all__ = [
    "LATEST_TIME",
    "MAX_AMOUNT",
    "LenientObject",
    "as_amount",
    "as_count",
    "as_counts",
    "as_flag",
    "as_fraction",
    "as_number",
    "as_text",
    "as_usage",
]

T = TypeVar("T")

LATEST_TIME = 4_102_444_800.0  # the year 2100, where nothing says more
MAX_AMOUNT = 2.0**44  # decades of tokens; a sum of 50 of them can still be shown (typed_json.py)


class LenientObject:
    """One saved object; `where` names it in `lost`, the list of messages about what could not be read.

    `latest` is the latest time that it can name (epoch seconds).
    """

    def __init__(self, data: Any, where: str, lost: list[str], latest: float = LATEST_TIME) -> None:
        self.path = where
        self._latest = latest
        self._data: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
        self._problems = lost
        if data is not None and not isinstance(data, Mapping):
            lost.append(f"{where}: not an object")

    def names(self) -> list[str]:
        """Return the object's keys, in the file's order."""
        return list(self._data)

    def find(self, name: str, read: Callable[[Any], T]) -> Optional[T]:
        """Return the value of `name`, or None when it is absent, null or unreadable."""
        value = self._data.get(name)
        return None if value is None else self._read(name, value, read)

    def get(self, name: str, read: Callable[[Any], T], default: T) -> T:
        """Return the value of `name`, or `default` when it is absent, null or unreadable."""
        found = self.find(name, read)
        return default if found is None else found

    def each(self, name: str, read: Callable[[Any], T]) -> list[T]:
        """Return the readable values of the list saved under `name`."""
        found = [self._read(f"{name}[{place}]", value, read) for place, value in self._list(name)]
        return [value for value in found if value is not None]

    def inner(self, name: str) -> LenientObject:
        """Return the object saved under `name`; an empty one when there is none."""
        return LenientObject(self._data.get(name), f"{self.path}: {name}", self._problems, self._latest)

    def rows(self, name: str) -> list[LenientObject]:
        """Return the objects in the list saved under `name`."""
        return [
            LenientObject(value, f"{self.path}: {name}[{place}]", self._problems, self._latest)
            for place, value in self._list(name)
        ]

    def as_time(self, value: Any) -> float:
        """Return epoch seconds; raise ValueError for what no clock has shown, or will in a month."""
        number = as_number(value)
        if number < 0:
            raise ValueError("not a time")
        if number > self._latest:
            raise ValueError("too far away")
        return number

    def report_lost(self, message: str) -> None:
        """Report what of this object could not be read."""
        self._problems.append(f"{self.path}: {message}")

    def _list(self, name: str) -> list[tuple[int, Any]]:
        return list(enumerate(self.get(name, _as_list, [])))

    def _read(self, name: str, value: Any, read: Callable[[Any], T]) -> Optional[T]:
        try:
            return read(value)
        except ValueError as error:
            self.report_lost(f"{name}: {error}")
            return None


def as_number(value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError("not a number")
    try:
        number = float(value)
    except OverflowError:
        raise ValueError("too large") from None
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def as_amount(value: Any) -> float:
    """Return a number of seconds, tokens or dollars: not negative, and MAX_AMOUNT at most."""
    number = as_number(value)
    if number < 0:
        raise ValueError("not an amount: it is negative")
    if number > MAX_AMOUNT:
        raise ValueError("too large")
    return number


def as_count(value: Any) -> int:
    """Return a whole number that is not negative, and MAX_AMOUNT at most."""
    number = as_amount(value)
    if number != int(number):
        raise ValueError("not a count")
    return int(value)


def as_fraction(value: Any) -> float:
    """Return the used share of a window: MAX_UTILIZATION at most."""
    number = as_amount(value)
    if number > MAX_UTILIZATION:
        raise ValueError("too large")
    return number


def as_flag(value: Any) -> bool:
    """Return true or false; 0 and 1 are neither."""
    if not isinstance(value, bool):
        raise ValueError("not true or false")
    return value


def as_text(value: Any) -> str:
    """Return a text, which may be empty."""
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def as_usage(value: Any) -> Usage:
    """Return token counts from a list in the order of Usage; an older, shorter one is filled with 0."""
    counts = [as_count(number) for number in _as_list(value)]
    if len(counts) > len(Usage._fields):
        raise ValueError("too many counts")
    return Usage(*counts)


def as_counts(value: Any) -> dict[str, int]:
    """Return counts by name."""
    if not isinstance(value, Mapping):
        raise ValueError("not an object")
    return {as_text(name): as_count(number) for name, number in value.items()}


def _as_list(value: Any) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError("not a list")
    return list(value)
