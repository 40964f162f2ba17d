"""Names in few cells: short, and different for different names at every width."""

from __future__ import annotations

import pytest

from teamclaude.deck.text.cells import width
from teamclaude.deck.text.names import distinct_names, short_names

TEAM = [f"engineering-team-{number:02}" for number in range(12)]
TWINS = ["ann@one.example.com", "ann@two.example.com", "bob@one.example.com"]
WIDE = ["チームアルファ一号", "チームアルファ二号", "チームアルファ三号"]
NESTED = ["team", "team-a", "team-a-long-name-one", "team-a-long-name-two", "team-b-long-name-one"]


@pytest.mark.parametrize("names", [TEAM, TWINS, WIDE, NESTED, ["alice", "bob"], []])
@pytest.mark.parametrize("cells", [5, 6, 8, 9, 11, 12, 17, 24, 40])
def test_names_are_distinct_and_fit_at_every_width(names: list[str], cells: int) -> None:
    shown = distinct_names(names, cells)
    assert list(shown) == names
    assert len(set(shown.values())) == len(names)
    assert all(0 < width(text) <= cells for text in shown.values())


def test_what_differs_is_shown() -> None:
    assert distinct_names(TEAM, 9)["engineering-team-07"] == "engine…07"
    assert distinct_names(["alice@a.example", "bob@b.example"], 9) == {
        "alice@a.example": "alice",
        "bob@b.example": "bob",
    }


def test_names_that_can_not_be_told_apart_are_numbered() -> None:
    alike = ["a" * 30 + "b" * 30 + end for end in ("x" * 30, "y" * 30)] + ["a" * 30 + "c" * 90]
    shown = distinct_names(alike, 6)
    assert len(set(shown.values())) == 3


def test_emails_lose_their_domain_where_that_is_enough() -> None:
    assert short_names(TWINS) == {**{name: name for name in TWINS[:2]}, TWINS[2]: "bob"}
