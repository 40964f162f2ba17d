"""Whatever closes or opens an account counts for the next request."""

from __future__ import annotations

import pytest

from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease

EVERY_POLICY = True

RESETS_SEC = 600.0
SHUT = {"account benched", "hard cap", "model cap", "auth_failed", "disabled"}


@pytest.fixture(name="pool")
def looked_at(make_pool):
    """Two accounts that were looked at, and a lease of each; changed through the fleet alone."""
    pool = make_pool("a", "b")
    pool.leases = {name: pool.lease(f"on-{name}", pin=name) for name in ("a", "b")}
    assert usable(pool) == {"a", "b"}
    return pool


def usable(pool):
    """Who would be taken, by whom nobody was bound to; through the fleet alone."""
    decision = pool.choose("new", model="claude-opus-4-8")
    if decision.account is None:
        return set()
    return set(pool.fleet.accounts) - {e.account for e in decision.excluded if e.rule in SHUT}


def reading(pool, used, axis="5h"):
    status = "rejected" if used > 1 else "allowed"
    return QuotaReading({axis: Window(used, pool.now + RESETS_SEC, status, pool.now)})


def answered(pool, status, used=0.1, axis="5h"):
    pool.fleet.record_response(pool.leases["a"], status, reading(pool, used, axis), pool.now)


CLOSING = {
    "a 429": lambda pool: answered(pool, 429, 1.1),
    "a full window": lambda pool: answered(pool, 200, 1.01),
    "a full window of the model": lambda pool: answered(pool, 429, 1.1, "7d_opus"),
    "a 403": lambda pool: answered(pool, 403),
    "a suspicion that was right": lambda pool: pool.fleet.confirm_account_429(pool.leases["a"], pool.now),
    "a refused login": lambda pool: pool.fleet.mark_auth_failed(pool.leases["a"], "revoked"),
    "a login that rests": lambda pool: pool.fleet.bench_for_login("a", pool.now + 9.0, "no token", pool.now),
    "its owner": lambda pool: pool.fleet.configure([AccountSpec("a", "a", enabled=False), pool.specs[1]]),
    "its removal": lambda pool: pool.fleet.configure(pool.specs[1:]),
}


@pytest.mark.parametrize("what", CLOSING)
def test_an_account_that_closes_is_not_taken(pool, what):
    CLOSING[what](pool)
    assert usable(pool) == {"b"}


def test_a_reset_or_new_credentials_open_it_again(pool):
    answered(pool, 429, 1.1)
    assert usable(pool) == {"b"}
    pool.wait(RESETS_SEC + 1.0)
    assert usable(pool) == {"a", "b"}
    pool.fleet.mark_account_auth_failed("a", "revoked")
    assert usable(pool) == {"b"}
    pool.fleet.credentials_changed(["a"], pool.now)
    assert usable(pool) == {"a", "b"}


def test_other_rules_close_what_they_call_full(pool):
    answered(pool, 200, 0.9)
    assert usable(pool) == {"a", "b"}
    pool.fleet.set_policy(type(pool.fleet.rules)(switch_threshold=0.8), pool.fleet.policy)
    assert usable(pool) == {"b"}


def test_a_window_that_was_over_is_not_when_the_clock_is_set_back(pool):
    answered(pool, 200, 1.01)
    pool.wait(RESETS_SEC + 1.0)
    assert usable(pool) == {"a", "b"}
    pool.wait(-300.0)
    assert usable(pool) == {"b"}


def test_an_account_open_to_some_models_is_taken_for_those(pool):
    answered(pool, 429, 1.1, "7d_opus")
    assert usable(pool) == {"b"}
    decision = pool.choose("other", model="claude-haiku-4-5")
    assert decision.account is not None
    assert SHUT.isdisjoint(e.rule for e in decision.excluded)


def test_the_exclusions_of_a_decision_do_not_change_later(pool):
    decision = pool.choose("new")
    before = list(decision.excluded)
    answered(pool, 429, 1.1)
    assert isinstance(pool.admit("more"), Lease)
    assert list(decision.excluded) == before != []
