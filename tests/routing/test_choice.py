from __future__ import annotations

import json

import pytest

from teamclaude.routing.persistence import dump_state
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Reason
from tests.routing.conftest import EVERY, STAYING, only

HOUR, DAY = 3600.0, 86400.0
KEY = AccountSpec("key", "key", kind="apikey", last_resort=True)
EVERY_POLICY = True


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b", "c", rules=Rules(five_hour_soft_ceiling=0.90))


@pytest.fixture
def paid(make_pool):
    """Two subscriptions and a paid key."""
    return make_pool("a", "b", KEY)


def rules_that_excluded(decision):
    return {exclusion.account: exclusion.rule for exclusion in decision.excluded}


# --- who is considered ------------------------------------------------------------------------


def test_every_account_that_is_not_taken_has_a_reason(make_pool):
    pool = make_pool(*"abcdef", AccountSpec("spare", "spare", priority=9), KEY)
    pool["a"].spec = AccountSpec("a", "a", enabled=False)
    pool["b"].auth_failed = "revoked"
    pool["c"].bench_until = pool.now + 60
    pool.quota("d", "5h", 1.01, HOUR)
    pool.quota("e", "7d_oi", 1.01, HOUR)
    decision = pool.choose("s", model="claude-fable-5")
    assert decision.account == "f"
    assert rules_that_excluded(decision) == {
        "a": "disabled",
        "b": "auth_failed",
        "c": "account benched",
        "d": "hard cap",
        "e": "model cap",
        "spare": "priority",
        "key": "API key waits",
    }


def test_no_account_at_all_is_no_recovery_in_sight(make_pool):
    decision = make_pool().choose("s")
    assert (decision.account, decision.reason, decision.retry_at) == (None, Reason.NOTHING_USABLE, None)
    assert make_pool().admit("s").until == float("inf")


def test_when_nothing_is_usable_the_soonest_return_is_told(pool):
    pool["a"].bench_until = pool.now + 600
    pool.quota("b", "5h", 1.01, 60)
    pool["c"].auth_failed = "revoked"
    decision = pool.choose("s")
    assert (decision.account, decision.retry_at) == (None, pool.now + 60)
    assert rules_that_excluded(decision) == {"a": "account benched", "b": "hard cap", "c": "auth_failed"}
    waiting = pool.admit("s")
    assert (waiting.until, waiting.is_for_slot) == (pool.now + 60, False)


def test_full_for_one_model_is_usable_for_another(pool):
    for name in "abc":
        pool.quota(name, "7d_oi", 1.01, HOUR)
    assert pool.choose("s", model="claude-fable-5").account is None
    assert pool.choose("s", model="claude-opus-4-8").account == "a"


@pytest.mark.parametrize("preferred", ["a", "b", "c"])
def test_the_smallest_priority_serves_while_it_can(make_pool, preferred):
    pool = make_pool(*(AccountSpec(n, n, priority=0 if n == preferred else 1) for n in "abc"))
    pool.quota(preferred, "7d", 0.9, 5 * DAY)  # far over its line, and still first
    assert pool.choose("s").account == preferred
    pool[preferred].bench_until = pool.now + 60
    assert pool.choose("s").account != preferred


@only(*STAYING)
def test_a_warm_conversation_stays_when_a_better_tier_comes_back(make_pool):
    pool = make_pool(AccountSpec("a", "a", priority=0), AccountSpec("b", "b", priority=1))
    pool["a"].bench_until = pool.now + 60
    assert pool.serve("s") == "b"
    pool.wait(60)
    assert pool.serve("s") == "b"
    assert pool.serve("new") == "a"


# --- a conversation that lost its account -----------------------------------------------------


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (lambda pool: setattr(pool["a"], "bench_until", pool.now + 60), Reason.BENCHED),
        (lambda pool: pool.quota("a", "5h", 1.01, HOUR), Reason.HARD_CAP),
        (lambda pool: pool.quota("a", "7d_oi", 1.01, HOUR), Reason.MODEL_CAP),
        (lambda pool: setattr(pool["a"], "auth_failed", "revoked"), Reason.UNUSABLE),
        (
            lambda pool: pool.fleet.configure([AccountSpec("a", "a", enabled=False), *pool.specs[1:]]),
            Reason.UNUSABLE,
        ),
        (lambda pool: pool.fleet.configure(pool.specs[1:]), Reason.REMOVED),
    ],
)
def test_a_warm_conversation_moves_when_its_account_is_lost_and_says_why(pool, trouble, reason):
    pool.bind("s", "a")
    trouble(pool)
    decision = pool.choose("s", model="claude-fable-5")
    assert (decision.account, decision.reason, decision.previous) == ("b", reason, "a")


def test_a_refused_request_goes_on_to_the_accounts_it_has_not_tried(pool):
    pool.bind("s", "a")
    decision = pool.choose("s", tried=("a",))
    assert (decision.account, decision.reason) == ("b", Reason.FAILOVER)
    assert rules_that_excluded(decision)["a"] == "tried"
    assert pool.choose("s", tried=("a", "b")).account == "c"


def test_a_request_that_tried_every_account_names_the_reason_of_each(pool):
    pool["a"].bench_until = pool.now + 600
    pool.quota("b", "5h", 1.01, 60)
    decision = pool.choose("s", tried=("a", "b", "c"))
    assert rules_that_excluded(decision) == {"a": "account benched", "b": "hard cap", "c": "tried"}
    assert decision.retry_at == pool.now + 60
    pool.wait(600)
    decision = pool.choose("s", tried=("a", "b", "c"))
    assert (set(rules_that_excluded(decision).values()), decision.retry_at) == ({"tried"}, None)


def test_a_conversation_forgotten_after_long_idleness_is_new(pool):
    pool.bind("s", "c")
    pool.wait(1799)
    assert pool.choose("s").reason == Reason.LAPSED
    pool.wait(1)
    decision = pool.choose("s")
    assert (decision.reason, decision.previous) == (Reason.NEW, None)
    assert pool.lease("s").decision.reason == Reason.NEW


# --- sub-agents -------------------------------------------------------------------------------


def test_a_sub_agent_starts_beside_its_parent(pool):
    pool.bind("s", "c")
    decision = pool.choose("s", agent="x")
    assert (decision.account, decision.reason, decision.detail) == ("c", Reason.NEW, "beside its parent")
    assert rules_that_excluded(decision) == {"a": "not its parent's", "b": "not its parent's"}


def test_a_nested_sub_agent_starts_beside_the_agent_that_started_it(pool):
    pool.bind("s", "a")
    pool.bind("s", "c", agent="x")
    assert pool.choose("s", agent="y", parent_agent="x").account == "c"


@only(*STAYING)
def test_a_sub_agent_has_a_binding_of_its_own(pool):
    pool.bind("s", "c")
    pool.bind("s", "b", agent="x")
    assert (pool.serve("s"), pool.serve("s", agent="x")) == ("c", "b")
    assert sorted(pool.fleet.bindings) == ["s", "s/x"]


@only(*STAYING)
@pytest.mark.parametrize(
    "trouble",
    [
        lambda pool: pool.busy("c", 5),
        lambda pool: pool.five_hours(c=0.95),
        lambda pool: setattr(pool["c"], "bench_until", pool.now + 60),
    ],
)
def test_a_sub_agent_goes_elsewhere_when_its_parents_account_is_full_near_its_cap_or_benched(pool, trouble):
    pool.bind("s", "c")
    trouble(pool)
    decision = pool.choose("s", agent="x")
    assert (decision.account in "ab", decision.detail != "beside its parent") == (True, True)


# --- pins ---------------------------------------------------------------------------------------


@only(*STAYING)
def test_a_pin_really_moves_traffic(pool):
    pool.bind("s", "a")
    pool.fleet.pin("c", "s")
    decision = pool.choose("s")
    assert (decision.account, decision.reason, decision.previous) == ("c", Reason.PINNED, "a")
    assert (pool.serve("s"), pool.serve("s", agent="x")) == ("c", "c")
    pool.fleet.pin(None, "s")
    assert pool.choose("s").reason == Reason.KEPT


def test_a_pin_of_everything_moves_everything_that_has_no_pin_of_its_own(pool):
    pool.bind("s", "a")
    pool.fleet.pin("b")
    pool.fleet.pin("c", "mine")
    assert [pool.serve(session) for session in ("s", "new", None, "mine")] == ["b", "b", "b", "c"]


def test_an_operators_pin_gives_way_while_its_account_cannot_serve(pool):
    pool.fleet.pin("b")
    pool.fleet.pin("c", "s")
    pool["c"].bench_until = pool.now + 60
    assert pool.choose("s").account == "b"
    pool["b"].bench_until = pool.now + 60
    assert (pool.choose("s").account, pool.choose("s").reason) == ("a", Reason.NEW)
    assert pool.choose("s", tried=("a",)).account is None
    pool.wait(60)
    assert pool.choose("s").account == "c"
    assert pool.choose("s", tried=("c",)).account == "b"


def test_a_clients_own_pin_is_strict(pool):
    pool.fleet.pin("b")
    assert pool.choose("s", pin="c").account == "c"
    pool.quota("c", "5h", 1.01, HOUR)
    decision = pool.choose("s", pin="c")
    assert (decision.account, decision.retry_at) == (None, pool.now + HOUR)
    assert decision.excluded == (("c", "hard cap", "5h 101% used"),)
    assert pool.choose("s", pin="a", tried=("a",)).retry_at is None


def test_a_strict_pin_to_an_account_that_is_gone_takes_no_other(pool):
    decision = pool.choose("s", pin="gone")
    assert (decision.account, decision.retry_at) == (None, None)
    assert decision.detail == "the pinned account is not configured"


def test_a_pinned_request_waits_for_a_slot_of_that_account(pool):
    pool.busy("c", 5)
    assert pool.admit("s", waited=99.0, pin="c").account == "c"


# --- the paid last resort -------------------------------------------------------------------------


def test_a_paid_key_waits_while_a_subscription_is_usable_or_soon_back(paid):
    assert rules_that_excluded(paid.choose("s"))["key"] == "API key waits"
    paid["a"].bench_until = paid["b"].bench_until = paid.now + 60
    decision = paid.choose("s")
    assert (decision.account, decision.retry_at) == (None, paid.now + 60)
    assert rules_that_excluded(decision)["key"] == "API key waits"


def test_a_paid_key_serves_when_the_caller_allows_it(paid):
    paid["a"].bench_until = paid["b"].bench_until = paid.now + 60
    assert paid.choose("s", allow_paid=True).account == "key"
    assert paid.choose("s", allow_paid=False).account is None


@pytest.mark.parametrize(
    "trouble",
    [
        lambda pool, name: pool.quota(name, "5h", 1.01, HOUR),
        lambda pool, name: setattr(pool[name], "auth_failed", "revoked"),
        lambda pool, name: pool.quota(name, "7d_opus", 1.01, HOUR),
    ],
)
def test_a_paid_key_serves_at_once_when_every_subscription_is_capped_or_locked_out(paid, trouble):
    trouble(paid, "a")
    assert paid.choose("s", model="claude-opus-4-8").account == "b"
    trouble(paid, "b")
    assert paid.choose("s", model="claude-opus-4-8").account == "key"


def test_a_bench_that_outlasts_its_window_by_a_second_does_not_hide_the_cap(paid, unified):
    for name in "ab":
        lease = paid.lease("s", pin=name)
        spent = unified(**{"5h-status": "rejected", "5h-reset": paid.now + HOUR})
        paid.answer(lease, 429, ("retry-after", str(HOUR + 1)), *spent)
        paid.settle(lease)
    assert paid.choose("s").account == "key"


def test_a_suspicion_is_no_reason_to_pay(paid):
    paid.quota("a", "5h", 1.01, HOUR)
    assert paid.choose("s", tried=("b",)).account is None


def test_a_conversation_on_the_paid_key_returns_with_its_next_request(paid):
    for name in "ab":
        paid.quota(name, "5h", 1.01, HOUR)
    assert (paid.serve("s"), paid.serve("s")) == ("key", "key")
    paid.wait(HOUR)
    paid.bind("s", "key")
    decision = paid.choose("s")
    assert (decision.account, decision.reason, decision.previous) == ("a", Reason.KEY_YIELDS, "key")


def test_a_conversation_on_the_paid_key_stays_while_no_free_account_can_serve(paid):
    paid["a"].bench_until = paid["b"].bench_until = paid.now + 60
    assert paid.serve("s", allow_paid=True) == "key"
    assert (paid.choose("s").account, paid.choose("s").reason) == ("key", Reason.KEPT)


def test_a_conversation_on_a_full_paid_key_stays_in_its_line(paid):
    paid.bind("s", "key")
    paid.busy("key", 5)
    paid["a"].bench_until = paid["b"].bench_until = paid.now + 60
    waiting = paid.admit("s", waited=9.0)
    assert (waiting.account, waiting.until) == ("key", paid.now + 60)


@only(*(name for name in EVERY if name != "threshold"))
def test_a_key_that_is_no_last_resort_is_an_ordinary_member(make_pool):
    pool = make_pool("a", AccountSpec("key", "key", kind="apikey", last_resort=False))
    pool.busy("a", 1)
    assert pool.choose("s").account == "key"


def test_the_return_of_a_paid_key_counts_only_where_it_may_be_used(paid):
    paid["a"].bench_until = paid["b"].bench_until = paid.now + 600
    paid["key"].bench_until = paid.now + 60
    assert paid.choose("s").retry_at == paid.now + 600
    assert paid.choose("s", allow_paid=True).retry_at == paid.now + 60
    for name in "ab":
        paid.quota(name, "5h", 1.01, HOUR)
    assert paid.choose("s").retry_at == paid.now + 60


# --- off the inference path -------------------------------------------------------------------------


@only(*STAYING)
def test_counting_tokens_follows_the_conversation_but_takes_no_slot(pool):
    pool.bind("s", "c")
    pool.busy("c", 5)
    leases = [pool.lease("s", needs_slot=False) for _ in range(27)]
    assert {lease.account for lease in leases} == {"c"}
    assert pool["c"].inflight == 5
    assert pool.fleet.bindings["s"].inflight == 0


def test_choosing_changes_nothing(pool):
    pool.bind("s", "c")
    pool.wait(400)
    before = json.dumps(dump_state(pool.fleet, pool.now), default=list)
    for session in ("s", "new", None):
        pool.choose(session, waited=9.0)
    assert json.dumps(dump_state(pool.fleet, pool.now), default=list) == before
