"""Requests without a session: where their prompt cache is, and spread out where they have none."""

from __future__ import annotations

from collections import Counter

import pytest

from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.decision import Reason
from tests.routing.conftest import only

EVERY_POLICY = True


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b", "c")


CACHED = Usage(10, 5, 0, 20_000, 0)
# The others keep to one account, or go by times that stand still here.
SPREADING = ("price", "pace", "sticky", "drain", "least-used")
DIALOGUE = {"prefixes": ("tools+system+first", "tools+system")}


def test_requests_without_a_session_go_where_their_cache_is(pool):
    first = pool.serve(usage=CACHED, **DIALOGUE)
    pool.week(**{first: 0.9})
    assert [pool.serve(usage=CACHED, **DIALOGUE) for _ in range(4)] == [first] * 4
    decision = pool.choose(**DIALOGUE)
    assert (decision.reason, decision.detail) == (Reason.NO_SESSION, "its cache of 20000 tokens")
    assert pool.fleet.bindings == {}


@only("price", "pace", "round-robin", "least-used")
def test_a_conversation_does_not_follow_the_requests_without_one(pool):
    first = pool.serve()
    pool.week(**{first: 0.9})
    assert pool.choose("s").account != first
    assert pool.choose(prefixes=("other", "another")).account != first


def test_of_a_dialogue_that_shares_only_tools_and_system_the_cache_of_these_is_used(pool):
    first = pool.serve(usage=CACHED, **DIALOGUE)
    pool.week(**{first: 0.9})
    assert pool.choose(prefixes=("another dialogue", "tools+system")).account == first


@only("price", "pace", "round-robin", "least-used")
def test_a_cache_that_has_ended_attracts_no_request(pool):
    first = pool.serve(usage=CACHED, **DIALOGUE)
    pool.week(**{first: 0.9})
    pool.wait(301)
    assert pool.choose(**DIALOGUE).account != first


@only(*SPREADING)
def test_eight_requests_without_a_session_at_once_spread_over_two_idle_accounts(make_pool):
    pool = make_pool("a", "b")
    leases = [pool.lease(**DIALOGUE) for _ in range(8)]
    assert sorted(lease.account for lease in leases) == ["a"] * 4 + ["b"] * 4


@only(*SPREADING)
@pytest.mark.parametrize(("cached", "counts"), [(100, {4: 2}), (20_000, {5: 1, 3: 1})])
def test_a_small_cache_is_worth_no_queue_and_a_large_one_as_many_slots_as_there_are(
    make_pool, cached, counts
):
    pool = make_pool("a", "b")
    usage = Usage(10, 5, 0, cached, 0)
    pool.serve(usage=usage, **DIALOGUE)
    leases = Counter(pool.lease(**DIALOGUE).account for _ in range(8))
    assert Counter(leases.values()) == counts


@pytest.mark.parametrize("session", [None, ""])
def test_an_empty_session_id_is_no_conversation(pool, session):
    assert pool.ask(session).conversation is None
    assert pool.ask(session, agent="x").parent is None
    pool.serve(session)
    assert pool.fleet.bindings == {}


@pytest.mark.parametrize(
    "trouble",
    [
        lambda pool, name: setattr(pool[name], "bench_until", pool.now + 60),
        lambda pool, name: pool.fleet.configure([s for s in pool.specs if s.name != name]),
    ],
)
def test_a_cache_without_a_session_moves_when_its_account_is_benched_or_gone(pool, trouble):
    first = pool.serve(usage=CACHED, **DIALOGUE)
    trouble(pool, first)
    second = pool.serve(usage=CACHED, **DIALOGUE)
    assert second != first
    assert pool.serve(usage=CACHED, **DIALOGUE) == second


@only(*SPREADING)
def test_requests_without_a_session_spill_over_at_once(pool):
    first = pool.serve(usage=CACHED, **DIALOGUE)
    pool.busy(first, 5)
    assert pool.lease(**DIALOGUE).account != first


@only("price", "pace", "drain")
def test_a_cache_without_a_session_moves_when_its_account_is_near_its_cap(pool):
    first = pool.serve(usage=CACHED, **DIALOGUE)
    pool.five_hours(**{first: 0.95})
    assert pool.serve(usage=CACHED, **DIALOGUE) != first
