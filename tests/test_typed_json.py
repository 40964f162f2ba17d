"""Typed values as JSON: keys, forms of numbers, flat values, defaults, and places of wrong values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

import pytest

from teamclaude.errors import SnapshotError
from teamclaude.typed_json import Flat, Fraction, Moment, RoundedDown, RoundedUp, Whole, from_json, to_json


class Use(NamedTuple):
    """Stands flat in its owner."""

    tokens: Optional[int] = None
    cost: float = 0.0


@dataclass(frozen=True)
class Row:
    """One of everything."""

    last_seen: Optional[Moment] = None
    burn_5h: Whole = 0.0
    left: RoundedUp = 0.0
    held: RoundedDown = 0.0
    gap: Fraction = 0.0
    use: Flat[Use] = Use()  # noqa: RUF009 -- a named tuple does not change
    names: tuple[str, ...] = ()
    parts: Mapping[str, Use] = field(default_factory=dict)
    live: bool = False


FULL = Row(1.5, 2.6, 2.1, 2.9, 0.123456, Use(7, 0.5), ("a", "b"), {"x": Use(1)}, True)


def test_keys_are_in_camel_case_and_each_type_has_its_form() -> None:
    assert to_json(FULL) == {
        "lastSeen": 1500,
        "burn5h": 3,
        "left": 3,
        "held": 2,
        "gap": 0.1235,
        "tokens": 7,
        "cost": 0.5,
        "names": ["a", "b"],
        "parts": {"x": {"tokens": 1, "cost": 0.0}},
        "live": True,
    }


def test_what_was_written_is_read() -> None:
    found = from_json(Row, to_json(FULL))
    assert (found.last_seen, found.use, found.names, found.parts) == (
        1.5,
        Use(7, 0.5),
        ("a", "b"),
        FULL.parts,
    )


@pytest.mark.parametrize("value", [{}, {"live": None, "names": None, "tokens": None}, {"unknown": {"x": 1}}])
def test_missing_null_and_unknown_keys_give_defaults(value: dict[str, Any]) -> None:
    assert from_json(Row, value) == Row()


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"parts": {"x": {"tokens": "7"}}}, "parts.x.tokens is not a number"),
        ({"names": ["a", 5]}, "names[1] is not a text"),
        ({"tokens": 7.5}, "tokens is not a whole number"),
        ({"lastSeen": 1e16}, "lastSeen is not a time"),
        ({"live": "yes"}, "live is not true or false"),
        ({"parts": []}, "parts is not an object"),
        ({"parts": {"\n" * 99: 5}}, "\\n is not an object"),
    ],
)
def test_a_wrong_type_is_told_with_its_place_on_one_short_line(value: Any, words: str) -> None:
    with pytest.raises(SnapshotError) as raised:
        from_json(Row, value)
    assert str(raised.value).endswith(words)
    assert len(str(raised.value)) < 160
