"""When a token is due, and how long to back off: pure functions of time."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.tokens.token_pair import (
    RefreshNeed,
    TokenPair,
    Usability,
    backoff_sec,
    refresh_margin_sec,
    refresh_need,
)

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("left", "need"),
    [
        (8 * 3600, RefreshNeed.NONE),
        (300, RefreshNeed.NONE),
        (299.9, RefreshNeed.ADVISORY),
        (0.1, RefreshNeed.ADVISORY),
        (0, RefreshNeed.MANDATORY),
        (-9, RefreshNeed.MANDATORY),
    ],
)
def test_due_five_minutes_before_the_end(left: float, need: RefreshNeed) -> None:
    assert refresh_need(TokenPair("a", "r", NOW + left), NOW) is need


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
def test_the_margin_is_a_tenth_of_the_lifetime_and_at_most_five_minutes(life: Any, margin: float) -> None:
    issued = None if life is None else NOW - life
    pair = TokenPair("a", "r", NOW, issued_at=issued)
    assert refresh_margin_sec(pair) == pytest.approx(margin)
    assert refresh_need(pair, NOW - margin) is RefreshNeed.NONE
    assert refresh_need(pair, NOW - 0.99 * margin) is RefreshNeed.ADVISORY


def test_a_token_without_a_known_end_is_good_and_no_token_is_not() -> None:
    assert refresh_need(TokenPair("a"), NOW) is RefreshNeed.NONE
    assert refresh_need(TokenPair(None, "r", NOW + 900), NOW) is RefreshNeed.MANDATORY


def test_pauses_double_from_five_seconds_to_five_minutes() -> None:
    assert [backoff_sec(n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 500)] == [5, 10, 20, 40, 80, 160, 300, 300, 300]


def test_the_server_may_ask_for_longer_but_not_for_ever() -> None:
    assert backoff_sec(1, 3.0) == 5.0
    assert backoff_sec(3, 200.0) == 200.0
    assert backoff_sec(1, 86400.0) == 3600.0


def test_usability_is_a_truth_value() -> None:
    assert Usability(True)
    assert not Usability(False, "why", NOW)


def test_the_login_ends_with_its_refresh_token_else_with_its_access_token() -> None:
    assert TokenPair("a", "r", NOW, NOW + 9).last_use_ends_at == NOW + 9
    assert TokenPair("a", None, NOW, NOW + 9).last_use_ends_at == NOW
