from __future__ import annotations

import pytest

from teamclaude.routing.quota.lenient_json import (
    LenientObject,
    as_amount,
    as_count,
    as_counts,
    as_flag,
    as_fraction,
    as_number,
    as_text,
    as_usage,
)
from teamclaude.routing.quota.usage import Usage


@pytest.mark.parametrize(
    ("read", "value", "expected"),
    [
        (as_number, 5, 5.0),
        (as_number, -0.5, -0.5),
        (as_count, 5, 5),
        (as_count, 5.0, 5),
        (as_flag, False, False),
        (as_text, "", ""),
        (as_usage, [1, 2], Usage(1, 2)),
        (as_usage, [], Usage()),
        (as_counts, {"a": 1}, {"a": 1}),
    ],
)
def test_values_of_the_right_kind_are_read(read, value, expected):
    assert read(value) == expected


@pytest.mark.parametrize(
    ("read", "value"),
    [
        (as_number, "5"),
        (as_number, True),
        (as_number, float("nan")),
        (as_number, float("inf")),
        (as_number, 10**400),
        (as_number, [5]),
        (as_count, -1),
        (as_count, 1.5),
        (as_count, 2**44 + 1),
        (as_count, 1e300),
        (as_amount, -0.5),
        (as_amount, 1e300),
        (as_fraction, 10.5),
        (as_fraction, -0.1),
        (as_count, True),
        (as_flag, 1),
        (as_flag, "true"),
        (as_text, 5),
        (as_text, ["a"]),
        (as_usage, 5),
        (as_usage, "12"),
        (as_usage, [1, "2"]),
        (as_usage, [1] * 7),
        (as_counts, [["a", 1]]),
        (as_counts, {"a": -1}),
    ],
)
def test_values_of_another_kind_are_refused(read, value):
    with pytest.raises(ValueError, match=r"^(not|too) "):
        read(value)


def test_what_is_absent_or_null_is_nothing_to_note():
    lost: list[str] = []
    saved = LenientObject({"a": None}, "x", lost)
    assert (saved.get("a", as_count, 7), saved.find("b", as_text)) == (7, None)
    assert (saved.each("c", as_count), saved.rows("d"), saved.inner("e").names()) == ([], [], [])
    assert lost == []


def test_what_is_unreadable_reads_as_absent_and_is_noted_with_its_place():
    lost: list[str] = []
    saved = LenientObject({"a": "x", "b": [1, "2", 3], "c": 5, "d": [{}, 7], "e": {"f": {}}}, "state", lost)
    assert saved.get("a", as_count, 7) == 7
    assert saved.each("b", as_count) == [1, 3]
    assert saved.each("c", as_count) == []
    assert [row.names() for row in saved.rows("d")] == [[], []]
    assert saved.inner("e").find("f", as_text) is None
    assert lost == [
        "state: a: not a number",
        "state: b[1]: not a number",
        "state: c: not a list",
        "state: d[1]: not an object",
        "state: e: f: not a text",
    ]


@pytest.mark.parametrize("data", [5, "x", [1], True])
def test_something_that_is_no_object_is_an_empty_one(data):
    lost: list[str] = []
    assert LenientObject(data, "state", lost).names() == []
    assert lost == ["state: not an object"]
