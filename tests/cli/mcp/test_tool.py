"""Arguments of tools, by their schemas."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.cli.mcp.tool import (
    checked_arguments,
    integer,
    iso_time,
    list_of,
    nullable,
    object_of,
    text,
)
from teamclaude.errors import UsageError

SCHEMA = object_of(
    {
        "count": integer("how many", minimum=1, maximum=9, default=3),
        "kind": text(enum=["a", "b"]),
        "name": text(maxLength=4),
    },
    optional=True,
)


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, (3, None, None)),
        ({"count": None, "kind": None}, (3, None, None)),
        ({"count": 9, "kind": "b", "name": "four"}, (9, "b", "four")),
        ({"count": 5.0, "name": ""}, (5, None, "")),
    ],
)
def test_good_arguments(given: dict[str, Any], found: tuple[Any, ...]) -> None:
    assert tuple(checked_arguments(SCHEMA, given).values()) == found


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"count": 0}, "count is a whole number from 1 to 9"),
        ({"count": 10}, "from 1 to 9"),
        ({"count": "5"}, "whole number"),
        ({"count": True}, "whole number"),
        ({"count": 1.5}, "whole number"),
        ({"count": float("inf")}, "whole number"),
        ({"count": [1]}, "whole number"),
        ({"kind": "c"}, "kind is one of: a, b"),
        ({"kind": 1}, "kind is a text"),
        ({"name": "fiver"}, "at most 4 characters"),
        ({"counts": 1}, 'no argument is called "counts"; there are: count, kind, name'),
    ],
)
def test_wrong_arguments_say_what_is_right(given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        checked_arguments(SCHEMA, given)
    assert words in str(caught.value)


def test_schemas() -> None:
    assert nullable(integer("n")) == {"type": ["integer", "null"], "description": "n"}
    assert list_of(text()) == {"type": "array", "items": {"type": "string"}}
    assert object_of({"a": text()})["required"] == ["a"]
    assert "required" not in SCHEMA
    assert SCHEMA["additionalProperties"] is False


@pytest.mark.parametrize(
    ("moment", "shown"),
    [(None, None), (0.0, "1970-01-01T00:00:00Z"), (1_795_780_800.9, "2026-11-27T12:00:00Z"), (1e15, None)],
)
def test_times(moment: Optional[float], shown: Optional[str]) -> None:
    assert iso_time(moment) == shown
