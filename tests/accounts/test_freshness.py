"""When a token is due, how long a busy server is left alone: plain functions of time."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.freshness import Need, Standing, margin_of, need_of, pause_after
from teamclaude.accounts.pair import TokenPair

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("left", "need"),
    [
        (8 * 3600, Need.NONE),
        (300, Need.NONE),
        (299.9, Need.ADVISORY),
        (0.1, Need.ADVISORY),
        (0, Need.MANDATORY),
        (-9, Need.MANDATORY),
    ],
)
def test_due_five_minutes_before_the_end(left: float, need: Need) -> None:
    assert need_of(TokenPair("a", "r", NOW + left), NOW) is need


@pytest.mark.parametrize(
    ("life", "margin"),
    [
        (None, 300),
        (8 * 3600, 300),
        (3600, 300),
        (3000, 300),
        (2400, 240),
        (600, 60),
        (240, 24),
        (10, 1),
        (0, 300),
        (-60, 300),
    ],
)
def test_the_margin_is_a_tenth_of_the_life_and_at_most_five_minutes(life: Any, margin: float) -> None:
    issued = None if life is None else NOW - life
    pair = TokenPair("a", "r", NOW, issued_at=issued)
    assert margin_of(pair) == pytest.approx(margin)
    assert need_of(pair, NOW - margin) is Need.NONE
    assert need_of(pair, NOW - 0.99 * margin) is Need.ADVISORY


def test_a_token_without_a_known_end_is_good_and_no_token_is_not() -> None:
    assert need_of(TokenPair("a"), NOW) is Need.NONE
    assert need_of(TokenPair(None, "r", NOW + 900), NOW) is Need.MANDATORY


def test_pauses_double_from_five_seconds_to_five_minutes() -> None:
    assert [pause_after(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 500)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_server_may_ask_for_longer_but_not_for_ever() -> None:
    assert pause_after(1, 3.0) == 5.0
    assert pause_after(3, 200.0) == 200.0
    assert pause_after(1, 86400.0) == 3600.0


def test_a_standing_is_as_true_as_it_is_usable() -> None:
    assert Standing(True)
    assert not Standing(False, "why", NOW)


def test_the_login_ends_with_its_refresh_token_else_with_its_access_token() -> None:
    assert TokenPair("a", "r", NOW, NOW + 9).ends_at == NOW + 9
    assert TokenPair("a", None, NOW, NOW + 9).ends_at == NOW
