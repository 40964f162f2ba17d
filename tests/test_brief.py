from __future__ import annotations

import pytest

from teamclaude.brief import MOST_LINES, MOST_NAMES, brief_lines, brief_list


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b", "c"], "a, b, c"),
        (["a", "b", "c", "d"], "a, b, c and 1 more"),
        ([str(n) for n in range(1000)], "0, 1, 2 and 997 more"),
    ],
)
def test_a_few_names_and_how_many_more_there_are(names: list[str], text: str) -> None:
    assert brief_list(names, 3) == brief_list(iter(names), 3) == text


def test_names_may_be_joined_by_another_word() -> None:
    assert brief_list("ab", joint=" and ") == "a and b"
    assert brief_list("x" * MOST_NAMES).count("x") == MOST_NAMES


def test_each_kind_has_its_own_few_lines_in_the_order_in_which_the_kinds_came() -> None:
    lines = [f"a {n}" for n in range(MOST_LINES)] + [f"b {n}" for n in range(MOST_LINES + 2)] + ["c"]
    assert brief_lines(lines, lambda line: f"{line[0]}: x") == [
        *lines[: 2 * MOST_LINES],
        "b: and 2 more like that",
        "c",
    ]
