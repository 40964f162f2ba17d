"""The user's rails hold under every policy, and give way rather than refuse."""

from __future__ import annotations

import pytest

from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.quota.rules import NO_LIMIT, Rules
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, Reason, Wait
from tests.routing.conftest import STAYING, only

HOUR, DAY = 3600.0, 86400.0
EVERY_POLICY = True


def rules_that_excluded(decision):
    return {exclusion.account: exclusion.rule for exclusion in decision.excluded}


# --- fiveHourSoftCeiling ------------------------------------------------------------------------


def test_new_work_avoids_an_account_above_the_soft_ceiling_while_another_is_below(make_pool):
    pool = make_pool("a", "b", "c", rules=Rules(five_hour_soft_ceiling=0.50))
    for _ in range(2):
        chosen = pool.choose("s").account
        pool.five_hours(**{chosen: 0.50})
        decision = pool.choose("s")
        assert decision.account != chosen
        assert (chosen, "5h rail", "5h at 50%") in decision.excluded


def test_below_the_soft_ceiling_or_unknown_is_no_reason(make_pool):
    pool = make_pool("a", "b", rules=Rules(five_hour_soft_ceiling=0.50))
    pool.five_hours(a=0.49)
    assert "5h rail" not in rules_that_excluded(pool.choose("s")).values()


def test_the_soft_ceiling_is_waived_where_every_account_is_above_it(make_pool):
    pool = make_pool("a", "b", rules=Rules(five_hour_soft_ceiling=0.50))
    pool.five_hours(a=0.60, b=0.60)
    decision = pool.choose("s")
    assert decision.account in ("a", "b")
    assert decision.detail.endswith("none passed: 5h rail")


def test_an_account_is_below_again_when_its_window_is_reset(make_pool):
    pool = make_pool("a", "b", rules=Rules(five_hour_soft_ceiling=0.50))
    pool.five_hours(HOUR, a=0.60)
    pool.wait(HOUR)
    assert "5h rail" not in rules_that_excluded(pool.choose("s")).values()


@only(*STAYING)
def test_a_warm_conversation_stays_above_the_ceiling_where_a_move_is_not_the_policys_idea(make_pool, policy):
    pool = make_pool("a", "b", rules=Rules(five_hour_soft_ceiling=0.50))
    pool.bind("s", "a")
    pool.five_hours(a=0.60, b=0.10)
    assert (pool.choose("s").account == "a") == (policy != "pace")


def test_counting_tokens_knows_no_rails(make_pool):
    pool = make_pool("a", "b", rules=Rules(five_hour_soft_ceiling=0.50, max_sessions_per_account=1))
    pool.five_hours(a=0.60)
    pool.bind("t", "b")
    decision = pool.choose("s", needs_slot=False)
    assert not {"5h rail", "max sessions"} & set(rules_that_excluded(decision).values())


# --- maxSessionsPerAccount ----------------------------------------------------------------------


def test_an_account_with_the_most_conversations_gets_no_new_one_while_another_has_fewer(make_pool):
    pool = make_pool("a", "b", rules=Rules(max_sessions_per_account=2))
    pool.bind("s1", "a")
    pool.bind("s2", "a")
    decision = pool.choose("s")
    assert (decision.account, rules_that_excluded(decision)) == ("b", {"a": "max sessions"})
    pool.wait(300)
    assert "max sessions" not in rules_that_excluded(pool.choose("s")).values()


def test_where_everybody_has_the_most_conversations_the_limit_gives_way(make_pool):
    pool = make_pool("a", "b", rules=Rules(max_sessions_per_account=1))
    pool.bind("s1", "a")
    pool.bind("s2", "b")
    decision = pool.choose("s")
    assert decision.account in ("a", "b")
    assert decision.detail.endswith("none passed: max sessions")


@pytest.mark.parametrize("rail", ["soft ceiling", "sessions"])
def test_a_sub_agent_does_not_start_beside_its_parent_beyond_a_rail(make_pool, rail):
    pool = make_pool("a", "b", rules=Rules(five_hour_soft_ceiling=0.50, max_sessions_per_account=2))
    pool.bind("s", "a")
    if rail == "sessions":
        pool.bind("t", "a")
    else:
        pool.five_hours(a=0.50)
    assert pool.choose("s", agent="x").account == "b"


def test_a_free_slot_counts_for_more_than_few_conversations(make_pool):
    pool = make_pool("a", "b", rules=Rules(max_sessions_per_account=2, max_inflight_per_account=1))
    pool.bind("s1", "a")
    pool.bind("s2", "a")
    pool.busy("b", 1)
    decision = pool.choose("s")
    assert "max sessions" not in rules_that_excluded(decision).values()
    assert "none passed: max sessions" in decision.detail


@only("threshold")
def test_with_a_session_limit_conversations_do_not_go_round_between_the_accounts(make_pool):
    pool = make_pool("a", "b", rules=Rules(max_sessions_per_account=2))
    for _ in range(4):
        for number in range(4):
            pool.serve(f"s{number}")
    assert [binding.moves for binding in pool.fleet.bindings.values()] == [0] * 4
    assert [pool[name].warm.count(pool.now) for name in "ab"] == [2, 2]


# --- requests in flight ---------------------------------------------------------------------------


def test_above_the_warn_ceiling_an_account_takes_one_request_at_a_time(make_pool):
    pool = make_pool("a", rules=Rules(five_hour_warn_ceiling=0.60))
    pool.five_hours(a=0.60)
    lease = pool.lease("s")
    waiting = pool.admit("t")
    assert isinstance(waiting, Wait)
    assert (waiting.account, waiting.until) == ("a", pool.now + 5.0)
    pool.settle(lease)
    assert isinstance(pool.admit("t"), Lease)


def test_a_request_past_the_slot_time_is_not_stalled_by_the_warn_ceiling(make_pool):
    pool = make_pool("a", rules=Rules(five_hour_warn_ceiling=0.60))
    pool.five_hours(a=0.60)
    pool.lease("s")
    assert isinstance(pool.admit("t", waited=4.9), Wait)
    assert isinstance(pool.admit("t", waited=5.0), Lease)


def test_below_the_warn_ceiling_the_account_takes_all_it_may(make_pool):
    pool = make_pool("a", rules=Rules(five_hour_warn_ceiling=0.60, max_inflight_per_account=3))
    pool.five_hours(a=0.59)
    for number in range(3):
        pool.lease(f"s{number}")
    assert isinstance(pool.admit("t", waited=9.0), Wait)


def test_an_unproven_account_takes_one_request_whatever_has_been_waited(make_pool):
    pool = make_pool("a", proven=False)
    pool.lease("s")
    assert isinstance(pool.admit("t", waited=9.0), Wait)


def test_a_request_past_the_slot_time_takes_a_free_slot_beyond_the_rails(make_pool):
    pool = make_pool("a", "b", rules=Rules(five_hour_soft_ceiling=0.50, max_inflight_per_account=1))
    pool.five_hours(b=0.60)
    pool.busy("a", 1)
    assert pool.admit("s").account == "a"
    assert pool.lease("s", waited=5.0).account == "b"


# --- absent is not the same as the default --------------------------------------------------------


@pytest.mark.parametrize("threshold", [0.98, 0.80, 1.0])
def test_a_switch_threshold_that_is_set_holds(make_pool, threshold):
    pool = make_pool("a", "b", rules=Rules(switch_threshold=threshold))
    pool.five_hours(a=threshold)
    decision = pool.choose("s")
    assert (decision.account, rules_that_excluded(decision)) == ("b", {"a": "hard cap"})


def test_a_switch_threshold_that_is_not_set_is_the_policys_own(make_pool, policy):
    pool = make_pool("a")
    assert pool.fleet.rules.full == (1.005 if policy == "price" else 0.98)
    pool.quota("a", "7d", 1.0, DAY)
    assert (pool.choose("s").account is None) == (policy != "price")


def test_an_api_keys_exact_limit_is_full_at_its_end_whatever_the_threshold(make_pool, policy):
    pool = make_pool(AccountSpec("key", "key", kind="apikey"), rules=Rules())
    pool.quota("key", "requests", 1.0, 60)
    assert pool.choose("s").reason == Reason.NOTHING_USABLE
    pool.quota("key", "requests", 0.5, 60)
    assert pool.choose("s").account == "key"


def test_rails_that_are_not_set_are_the_policys_own(make_pool, policy):
    rules = make_pool("a").fleet.rules
    soft = 0.90 if policy in ("price", "pace", "drain") else NO_LIMIT
    most = 7 if policy in ("price", "pace") else NO_LIMIT
    assert (rules.soft_ceiling, rules.most_sessions, rules.five_hour_warn_ceiling) == (soft, most, 0.75)


def test_rails_that_are_set_are_the_same_under_every_policy(policy):
    given = Rules(switch_threshold=0.5, five_hour_soft_ceiling=0.4, max_sessions_per_account=3)
    adapted = POLICIES[policy]().adapt_rules(given)
    assert (adapted.full, adapted.soft_ceiling, adapted.most_sessions) == (0.5, 0.4, 3)
