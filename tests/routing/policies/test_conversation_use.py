"""What conversations use until they end, as policy `price` learns it."""

from __future__ import annotations

import json
from math import exp, inf

import pytest

from teamclaude.routing.policies.conversation_use import (
    LATEST_ENDED,
    LEAST_ENDED,
    MAX_RUNNING,
    ConversationTotals,
    ConversationUse,
)
from teamclaude.routing.policies.family_estimates import ACTIVE_SEC
from teamclaude.routing.quota.lenient_json import MAX_AMOUNT, LenientObject

RATE = 100.0


def totals_of(*totals: int) -> ConversationTotals:
    """Return what is known once conversations that used these have ended."""
    known = ConversationTotals()
    for number, total in enumerate(totals):
        known.record(f"ended {number}", total, 0.0)
    known.record("active", 1, ACTIVE_SEC)
    return known


# --- for how long a window lasts ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("use", "tokens", "count", "lasts"),
    [
        (ConversationUse(100.0), 6000.0, 1, 60.0),  # nothing is known of their ends
        (ConversationUse(100.0), 6000.0, 3, 20.0),
        (ConversationUse(100.0), 0.0, 3, 0.0),
        (ConversationUse(100.0, 5000.0), 6000.0, 1, inf),  # it ends before
        (ConversationUse(100.0, 5000.0), 10_000.0, 2, inf),
        (ConversationUse(100.0, 5000.0), 0.0, 2, 0.0),
        (ConversationUse(100.0, 1e12), 6000.0, 1, pytest.approx(60.0)),
        (ConversationUse(100.0, 5000.0, 1.0), 12_000.0, 1, pytest.approx(160.94, abs=0.01)),  # may be longer
        (ConversationUse(100.0, 5000.0, 1.0), 13_000.0, 1, inf),
        (ConversationUse(100.0, 5000.0, 1.0), 12_000.0 * 4, 4, inf),  # not all four are
    ],
)
def test_a_window_lasts_while_those_in_it_go_on(
    use: ConversationUse, tokens: float, count: int, lasts: float
) -> None:
    assert use.lasting(tokens, count) == lasts


def test_in_that_time_they_burn_what_there_is() -> None:
    use = ConversationUse(100.0, 5000.0)
    seconds = use.lasting(4000.0, 1)
    assert use.total * (1 - exp(-use.rate * seconds / use.total)) == pytest.approx(4000.0)


# --- what is usual ------------------------------------------------------------------------------


def test_it_is_the_mean_of_those_that_have_ended_and_how_far_they_differ() -> None:
    assert totals_of(*[4000] * LEAST_ENDED).usual(RATE) == ConversationUse(RATE, 4000.0, 0.0)
    assert totals_of(2000, 6000, 2000, 6000).usual(RATE) == ConversationUse(RATE)
    assert totals_of(*[2000, 6000] * LEAST_ENDED).usual(RATE) == ConversationUse(RATE, 4000.0, 0.5)


@pytest.mark.parametrize("totals", [(), (4000,) * (LEAST_ENDED - 1), (0,) * LEAST_ENDED])
def test_before_some_have_ended_a_conversation_goes_on(totals: tuple[int, ...]) -> None:
    assert totals_of(*totals).usual(RATE) == ConversationUse(RATE)


def test_one_that_is_active_does_not_count_yet_nor_one_that_has_come_back() -> None:
    known = totals_of(*[4000] * LEAST_ENDED)
    known.record("active", 1_000_000, ACTIVE_SEC)
    assert known.usual(RATE).total == 4000.0
    known.record("ended 0", 100, ACTIVE_SEC + 1.0)
    assert known.usual(RATE) == ConversationUse(RATE), "one less has ended"
    known.record("another", 0, 2 * ACTIVE_SEC + 1.0)
    assert known.usual(RATE).total == (4000 * LEAST_ENDED + 100 + 1_000_001) / (LEAST_ENDED + 1)


def test_the_latest_count() -> None:
    known = totals_of(*[1_000_000] * 50, *[4000] * LATEST_ENDED)
    assert known.usual(RATE) == ConversationUse(RATE, 4000.0, 0.0)


def test_the_time_between_two_responses_counts_unless_it_was_idle() -> None:
    known = ConversationTotals()
    times = (0.0, 30.0, 30.0, 30.0 + ACTIVE_SEC, 30.0 + 2 * ACTIVE_SEC - 1.0, 0.0)  # the clock moves back
    assert [known.record("s", 1, now) for now in times] == [0.0, 30.0, 0.0, 0.0, ACTIVE_SEC - 1.0, 0.0]


def test_a_clock_that_moved_back_does_not_let_it_grow_for_ever() -> None:
    known = ConversationTotals()
    known.record("first", 1, 1e9)
    for number in range(MAX_RUNNING + 10):
        known.record(f"{number}", 1, 0.0)
    assert len(known.to_json()) <= MAX_RUNNING + LATEST_ENDED
    assert "first" not in known._running


# --- a restart ----------------------------------------------------------------------------------


def test_a_restart_loses_nothing() -> None:
    known = totals_of(2000, 6000, 2000, 6000, 2000, 6000)
    saved = json.loads(json.dumps(known.to_json()))
    new = ConversationTotals()
    new.restore(LenientObject(saved, "conversations", []))
    assert new.to_json() == known.to_json()
    for each in (known, new):
        each.record("active", 10_000, ACTIVE_SEC + 1.0)
        each.record("later", 1, 3 * ACTIVE_SEC)
    assert new.usual(RATE) == known.usual(RATE)


def test_what_is_no_good_of_it_is_left_out() -> None:
    lost: list[str] = []
    new = ConversationTotals()
    data = {f"{number}": 1 for number in range(2 * LATEST_ENDED)}
    new.restore(LenientObject(data, "conversations", lost))
    assert len(new.to_json()) == LATEST_ENDED
    new.restore(LenientObject({"a": -1, "b": "x", "c": 7}, "conversations", lost))
    assert new.to_json()["c"] == 7
    assert len(lost) == 2
    assert not {"a", "b"} & set(new.to_json())


def test_a_damaged_number_is_not_reckoned_with() -> None:
    lost: list[str] = []
    new = ConversationTotals()
    powers = {f"{number}": 10**number for number in range(8, 300)}
    new.restore(LenientObject(powers, "conversations", lost))
    assert new.usual(RATE) == ConversationUse(RATE), "the latest are all too large"
    assert len(lost) == LATEST_ENDED
    largest = {f"{number}": round(MAX_AMOUNT) for number in range(LEAST_ENDED)}
    new.restore(LenientObject(largest, "conversations", []))
    assert new.usual(RATE) == ConversationUse(RATE, MAX_AMOUNT, 0.0)
