"""teamclaude/deck/pool/sums.py."""

from __future__ import annotations

from teamclaude.deck.pool.sums import known_ones, known_sum


def test_what_is_not_known_is_left_out_and_nothing_known_is_none() -> None:
    assert known_ones([0, None, 3]) == [0, 3]
    assert known_sum([0, None, 3]) == 3
    assert known_sum([0]) == 0
    assert known_sum([None, None]) is None
