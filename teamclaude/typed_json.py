"""Typed values as JSON objects and back: frozen dataclasses and named tuples whose fields all have defaults.

Rules that hold in this file:

1. The key of a field is its name in camelCase.  Its type says how it is written: a `Moment` as milliseconds,
   a `Whole` as a whole number, a `Flat` value with its keys among those of its owner.
2. Reading ignores unknown keys; a key that is missing or null gives the default of the field.
3. Reading checks every value: one of the wrong type raises SnapshotError, which names its place.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Optional, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import SnapshotError
from .settings import camel_case
from .values import NamedTuple

__all__ = [
    "Dollars",
    "Flat",
    "Fraction",
    "Moment",
    "RoundedDown",
    "RoundedUp",
    "Tenths",
    "Whole",
    "from_json",
    "to_json",
]

LARGEST = 1e15  # of a time or a count: beyond it none means anything

_Place = tuple[Any, ...]  # of a value: the place of its owner and its own key; empty: the whole


def _number(value: Any, place: _Place) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise _wrong(place, "a number")
    return value


def _whole_number(value: Any, place: _Place) -> int:
    if abs(_number(value, place)) > LARGEST or value != int(value):
        raise _wrong(place, "a whole number")
    return int(value)


def _moment(value: Any, place: _Place) -> float:
    if abs(_number(value, place)) > LARGEST:
        raise _wrong(place, "a time")
    return float(value) / 1000


def _exactly(wanted: type, words: str) -> Callable[[Any, _Place], Any]:
    def read(value: Any, place: _Place) -> Any:
        if not isinstance(value, wanted):
            raise _wrong(place, words)
        return value

    return read


_PLAIN: dict[Any, Callable[[Any, _Place], Any]] = {
    str: _exactly(str, "a text"),
    bool: _exactly(bool, "true or false"),
    int: _whole_number,
    float: _number,
}
# How each is written, and how it is read.
Moment = Annotated[float, (lambda moment: round(moment * 1000), _moment)]
Whole = Annotated[float, (round, _number)]
RoundedUp = Annotated[float, (math.ceil, _number)]
RoundedDown = Annotated[float, (int, _number)]
Tenths = Annotated[float, (lambda value: round(value, 1), _number)]
Fraction = Annotated[float, (lambda value: round(value, 4), _number)]
Dollars = Annotated[float, (lambda value: round(value, 6), _number)]

_FLAT = "flat"
T = TypeVar("T")
Flat = Annotated[T, _FLAT]
"""A value whose keys stand among those of its owner."""


def to_json(value: Any) -> dict[str, Any]:
    """Return the JSON object of a value of this file."""
    shown: dict[str, Any] = {}
    for name, key, kind in _fields(type(value)):
        held = getattr(value, name)
        if kind.is_flat:
            shown.update(to_json(held))
        else:
            shown[key] = held if held is None or kind.write is None else kind.write(held)
    return shown


def from_json(wanted: type[T], value: Any) -> T:
    """Return the value of this type that a JSON object holds; raises SnapshotError."""
    found: T = _read_object(wanted, value, ())
    return found


class _Kind(NamedTuple):
    """How values of one type are written (None: as they are) and read."""

    write: Optional[Callable[[Any], Any]]
    read: Callable[[Any, _Place], Any]
    is_flat: bool = False


_KEYS = {"proxy_rss_mb": "proxyRssMB"}  # that are not their field's name in camelCase
_known: dict[type, tuple[tuple[str, str, _Kind], ...]] = {}


def _fields(owner: type) -> tuple[tuple[str, str, _Kind], ...]:
    """Return the name, the key and the kind of each field."""
    found = _known.get(owner)
    if found is None:
        hints = get_type_hints(owner, include_extras=True).items()
        found = tuple((name, _KEYS.get(name) or camel_case(name), _kind(hint)) for name, hint in hints)
        _known[owner] = found
    return found


def _kind(hint: Any) -> _Kind:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _Kind(None, _PLAIN[hint])
    if origin is None:
        return _Kind(to_json, lambda value, place: _read_object(hint, value, place))
    if origin is Annotated:
        if arguments[1] is _FLAT:
            return _kind(arguments[0])._replace(is_flat=True)
        return _Kind(*arguments[1])
    write, read, _ = _kind(arguments[-1] if origin is Mapping else arguments[0])
    if origin is Union:  # Optional: null is read as a missing key
        return _Kind(write, read)
    if origin is tuple:
        return _Kind(
            list if write is None else lambda rows: [write(row) for row in rows],
            lambda value, place: tuple([read(v, (place, n)) for n, v in enumerate(_list(value, place))]),
        )
    return _Kind(
        dict if write is None else lambda rows: {key: write(row) for key, row in rows.items()},
        lambda value, place: {key: read(v, (place, key)) for key, v in _object(value, place).items()},
    )


_object, _list = _exactly(dict, "an object"), _exactly(list, "a list")


def _read_object(wanted: type, value: Any, place: _Place) -> Any:
    _object(value, place)
    found = {}
    for name, key, kind in _fields(wanted):
        if kind.is_flat:
            found[name] = kind.read(value, place)
        elif value.get(key) is not None:
            found[name] = kind.read(value[key], (place, key))
    return wanted(**found)


def _wrong(place: _Place, expected: str) -> SnapshotError:
    words: list[str] = []
    while place:
        place, key = place
        words.append(f"[{key}]" if isinstance(key, int) else f".{key[:40]}")
    shown = ascii("".join(reversed(words)).lstrip(".") or "it")[1:-1]
    return SnapshotError(f"the proxy's answer can't be read: {shown} is not {expected}")
