"""The policy `pace`: the cases that must hold, layer by layer, in virtual time."""

from __future__ import annotations

import pytest

from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.decision import Lease, Reason

DAY, HOUR = 86400.0, 3600.0
POLICY = "pace"


@pytest.fixture
def pool(make_pool):
    """Three accounts 5 days before their weekly reset: the line is at 0.286."""
    pool = make_pool("a", "b", "c")
    pool.week(a=0.30, b=0.05, c=0.20)
    return pool


def rules_that_excluded(decision):
    return {exclusion.account: exclusion.rule for exclusion in decision.excluded}


# --- placing ----------------------------------------------------------------------------------


def test_the_account_furthest_behind_its_line_wins(pool):
    decision = pool.choose("s")
    assert (decision.account, decision.reason) == ("b", Reason.NEW)
    assert decision.detail == "score +0.236"
    assert rules_that_excluded(decision) == {"a": "less behind", "c": "less behind"}


def test_near_its_5h_cap_the_next_one_wins(pool):
    pool.five_hours(b=0.95)
    decision = pool.choose("s")
    assert decision.account == "c"
    assert ("b", "5h rail", "5h at 95%") in decision.excluded


def test_with_everybody_near_the_5h_cap_the_rail_is_waived(pool):
    pool.five_hours(a=0.95, b=0.95, c=0.95)
    decision = pool.choose("s")
    assert decision.account == "b"
    assert decision.detail == "score +0.236, none passed: 5h rail"


def test_a_nearly_spent_week_about_to_reset_beats_an_untouched_one(make_pool):
    pool = make_pool("early", "late")
    pool.quota("early", "7d", 0.80, 6 * HOUR)
    pool.quota("late", "7d", 0.0, 5 * DAY)
    assert pool.choose("s").account == "early"


def test_without_data_the_idle_account_wins(make_pool):
    pool = make_pool("a", "b", "c")
    pool.busy("a", 3)
    pool.busy("c", 5)
    assert pool.choose("s").account == "b"


def test_of_two_equal_accounts_the_one_without_warm_conversations_wins(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s1", "a")
    pool.bind("s2", "a")
    decision = pool.choose("s")
    assert decision.account == "b"
    assert decision.excluded == (("a", "tie", "0 in flight, 2 warm"),)


def test_clearly_behind_wins_despite_two_warm_conversations(pool):
    pool.bind("s1", "b")
    pool.bind("s2", "b")
    assert pool.choose("s").account == "b"


def test_an_unproven_account_with_a_probe_out_is_skipped_even_if_most_behind(pool):
    pool["b"].proven = False
    pool.busy("b", 1)
    decision = pool.choose("s")
    assert decision.account == "c"
    assert ("b", "no slot", "1 in flight") in decision.excluded


def test_a_proven_account_with_two_in_flight_is_picked(pool):
    pool.busy("b", 2)
    assert pool.choose("s").account == "b"


def test_in_the_5h_warn_band_one_in_flight_is_enough(pool):
    pool.busy("b", 1)
    pool.five_hours(b=0.80)
    assert pool.choose("s").account == "c"


def test_an_account_with_the_most_sessions_is_skipped(pool):
    for n in range(7):
        pool.bind(f"s{n}", "b")
    decision = pool.choose("s")
    assert decision.account == "c"
    assert ("b", "max sessions", "7 warm") in decision.excluded


def test_everything_at_its_cap_still_has_an_answer(pool):
    for name in "abc":
        pool.busy(name, 5)
    pool.five_hours(a=0.95, b=0.95, c=0.95)
    decision = pool.choose("s")
    assert decision.account == "b"
    assert decision.detail.endswith("none passed: 5h rail, no slot")
    waiting = pool.admit("s")
    assert (waiting.account, waiting.is_for_slot) == ("b", True)


def test_the_tie_band_is_inclusive(make_pool):
    pool = make_pool("a", "b")
    pool.week(a=0.20, b=0.10)
    pool.bind("s1", "b")
    assert pool.choose("s").account == "a"  # exactly 0.10 less behind: equally good
    pool.week(a=0.2001, b=0.10)
    assert pool.choose("s").account == "b"


def test_ties_go_to_fewest_in_flight_then_fewest_warm_then_longest_unpicked_then_name(make_pool):
    pool = make_pool("a", "b", "c")
    assert pool.choose("s").account == "a"
    pool["a"].last_picked = pool.now
    pool["b"].last_picked = pool.now - 1
    pool["c"].last_picked = pool.now - 2
    assert pool.choose("s").account == "c"
    pool.bind("s1", "c")
    assert pool.choose("s").account == "b"
    pool.busy("a", 1)
    pool.busy("b", 1)
    assert pool.choose("s").account == "c"


def test_six_new_sessions_on_three_equal_accounts_end_two_each(make_pool):
    pool = make_pool("a", "b", "c")
    for n in range(6):
        pool.lease(f"s{n}")
    assert [pool[name].inflight for name in "abc"] == [2, 2, 2]


def test_a_burst_sends_one_request_to_each_unproven_account(make_pool):
    pool = make_pool("a", "b", "c", proven=False)
    got = [pool.admit(f"s{n}") for n in range(9)]
    assert sum(isinstance(each, Lease) for each in got) == 3
    assert [pool[name].inflight for name in "abc"] == [1, 1, 1]
    pool.answer(got[0], 200)
    assert isinstance(pool.admit("next"), Lease)
    assert pool[got[0].account].inflight == 2


# --- keep or move -----------------------------------------------------------------------------


def test_a_warm_conversation_far_over_its_line_moves_to_one_clearly_behind(make_pool):
    pool = make_pool("a", "b")
    pool.week(a=0.50, b=0.05)
    pool.bind("s", "a")
    decision = pool.choose("s")
    assert (decision.account, decision.reason, decision.previous) == ("b", Reason.OVER_PACE, "a")
    assert rules_that_excluded(decision) == {"a": "less behind"}


def test_a_warm_conversation_a_little_over_its_line_stays(make_pool):
    pool = make_pool("a", "b")
    pool.week(a=0.32, b=0.05)
    pool.bind("s", "a")
    decision = pool.choose("s")
    assert (decision.account, decision.reason, decision.excluded) == ("a", Reason.KEPT, ())


def test_nothing_moves_to_a_place_that_is_not_clearly_better(make_pool):
    pool = make_pool("a", "b")
    pool.week(a=0.40, b=0.34)  # gaps -0.114 and -0.054
    pool.bind("s", "a")
    assert pool.choose("s").reason == Reason.KEPT
    pool.week(a=0.80, b=0.34)  # much better, but over its own line
    assert pool.choose("s").reason == Reason.KEPT
    pool.week(a=0.386, b=0.286)  # behind nothing, better by no more than the threshold
    assert pool.choose("s").reason == Reason.KEPT
    pool.week(a=0.40, b=0.28)
    assert pool.choose("s").reason == Reason.OVER_PACE


@pytest.mark.parametrize(
    ("home", "other", "reason"),
    [
        (0.75, 0.0, Reason.KEPT),  # over its line by the threshold, not by more
        (0.875, 0.625, Reason.KEPT),  # the other one is over its line too
        (0.875, 0.5, Reason.OVER_PACE),  # exactly on its line is good enough
        (0.77, 0.51, Reason.KEPT),  # just over its line
    ],
)
def test_the_edges_of_a_move_for_pacing(make_pool, home, other, reason):
    pool = make_pool("a", "b", rules=Rules(far_over_line_threshold=0.25))
    pool.week(3.5 * DAY, a=home, b=other)  # the line is at exactly 0.5
    pool.bind("s", "a")
    assert pool.choose("s").reason == reason


def test_with_everybody_over_the_line_nothing_moves_in_100_turns(make_pool):
    pool = make_pool("a", "b", "c")
    pool.week(a=0.60, b=0.80, c=0.95)
    for session, name in (("s1", "a"), ("s2", "b"), ("s3", "c")):
        pool.bind(session, name)
    for turn in range(100):
        pool.wait(60)
        pool.week(a=0.60 + turn * 0.001, b=0.80 - turn * 0.001)
        for session in ("s1", "s2", "s3"):
            pool.serve(session)
    assert [pool.fleet.bindings[s].moves for s in ("s1", "s2", "s3")] == [0, 0, 0]


def test_a_conversation_moved_for_pacing_is_not_moved_for_pacing_again_while_warm(make_pool):
    pool = make_pool("a", "b")
    pool.week(a=0.50, b=0.05)
    pool.bind("s", "a")
    assert pool.serve("s") == "b"
    pool.week(a=0.05, b=0.50)
    moves = []
    for _ in range(6):
        pool.wait(60)
        moves.append(pool.serve("s"))
    assert moves == ["b", "b", "b", "b", "a", "a"]


def test_past_the_rail_a_warm_conversation_moves_only_to_an_account_within_it(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "a")
    pool.five_hours(a=0.91)
    decision = pool.choose("s")
    assert (decision.account, decision.reason) == ("b", Reason.RAIL)
    pool.five_hours(b=0.91)
    pool.week(a=0.50, b=0.05)
    assert (pool.choose("s").account, pool.choose("s").reason) == ("a", Reason.KEPT)


def test_a_cold_start_learns_from_headers_without_moving_a_warm_conversation(make_pool, unified):
    pool = make_pool("a", "b", "c", proven=False)
    lease = pool.lease("s")
    pool.answer(lease, 200, *unified(**{"7d-utilization": 0.3, "7d-reset": pool.now + 5 * DAY}))
    pool.settle(lease, served=True)
    assert {pool.serve("s") for _ in range(5)} == {lease.account}


# --- lapsed -----------------------------------------------------------------------------------


def test_a_lapsed_conversation_prefers_its_old_account_on_a_tie(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "b")
    pool.bind("other", "b")
    pool.wait(301)
    pool.serve("other")
    decision = pool.choose("s")  # b has a warm conversation, a has none
    assert (decision.account, decision.reason, decision.previous) == ("b", Reason.LAPSED, "b")


def test_a_lapsed_conversation_goes_where_it_is_clearly_better(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "b")
    pool.week(a=0.05, b=0.20)
    assert pool.choose("s").account == "b"  # warm
    pool.wait(301)
    assert (pool.choose("s").account, pool.choose("s").reason) == ("a", Reason.LAPSED)


def test_an_hour_long_cache_keeps_a_conversation_warm_for_an_hour(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "b", cache_life=3600.0)
    pool.wait(3599)
    assert pool.choose("s").reason == Reason.KEPT
    pool.wait(1)
    assert pool.choose("s").reason == Reason.LAPSED


# --- slots ------------------------------------------------------------------------------------


def test_a_warm_conversation_waits_for_a_slot_of_its_account_then_takes_another(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "a")
    pool.busy("a", 5)
    waiting = pool.admit("s")
    assert (waiting.account, waiting.until) == ("a", pool.now + 5)
    pool.wait(4)
    assert pool.admit("s", waited=4.0).until == pool.now + 1
    pool.wait(1)
    lease = pool.lease("s", waited=5.0)
    assert (lease.account, lease.decision.reason, lease.decision.previous) == ("b", Reason.NO_SLOT, "a")


def test_where_no_account_has_a_slot_the_conversation_waits_at_home(make_pool):
    pool = make_pool("a", "b")
    pool.bind("s", "a")
    busy = pool.busy("a", 5)
    pool.busy("b", 5)
    assert pool.admit("s", waited=5.0).account == "a"
    pool.settle(busy[0])
    assert pool.lease("s", waited=6.0).decision.reason == Reason.KEPT


def test_the_warn_band_relaxes_only_after_the_slot_time(make_pool):
    pool = make_pool("a", rules=Rules(slot_wait_sec=5))
    pool.five_hours(a=0.80)
    pool.bind("s", "a")
    pool.busy("a", 1)
    assert pool.admit("s", waited=4.9).is_for_slot
    assert pool.lease("s", waited=5.0).account == "a"


def test_a_line_at_a_full_account_looks_again_when_a_bench_elsewhere_ends(make_pool):
    pool = make_pool("a", "b")
    pool.busy("a", 5)
    pool["b"].bench_until = pool.now + 60
    assert pool.admit("s").until == pool.now + 5
    assert pool.admit("s", waited=5.0).until == pool.now + 60
    pool.wait(60)
    assert pool.lease("s", waited=65.0).account == "b"
