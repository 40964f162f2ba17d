"""Sparklines: the newest at the right, zero and unknown told apart, never wider than asked."""

from __future__ import annotations

from teamclaude.deck.text.sparkline import sparkline


def test_the_largest_value_is_a_full_block() -> None:
    assert sparkline([0, 1, 2, 4, 8], 5) == "▁▂▃▅█"
    assert sparkline([0.0, 0.5, 1.0], 3, 1.0) == "▁▅█"
    assert sparkline([0.0, 0.5, 3.0], 3, 1.0)[-1] == "█"


def test_a_little_is_not_nothing() -> None:
    assert sparkline([0, 1, 10_000], 3) == "▁▂█"


def test_unknown_is_blank() -> None:
    assert sparkline([None, 1.0, None, 2.0], 4) == " ▅ █"
    assert sparkline([None, None], 2) == "  "


def test_neighbours_share_a_cell_and_the_larger_one_shows() -> None:
    assert sparkline([0] * 58 + [0, 9], 12)[-1] == "█"
    assert len(sparkline(range(60), 12)) == 12
    assert len(sparkline([1, 2], 12)) == 2


def test_nothing_to_draw() -> None:
    assert sparkline([], 10) == sparkline([1], 0) == ""
    assert sparkline([0, 0], 2) == "▁▁"
