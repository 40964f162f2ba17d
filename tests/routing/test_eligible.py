"""Which blocks keep away what uses no quota: the table of eligible.py, over every policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import NEVER, Reason
from teamclaude.routing.user_rules.caps import Caps, Reserve, Reserves
from teamclaude.routing.user_rules.routes import Route
from teamclaude.routing.user_rules.spend import SpendLimits, utc_periods
from teamclaude.routing.user_rules.week_hours import parse_week_hours
from tests.routing.conftest import DAY, HOUR

EVERY_POLICY = True

MODEL = "claude-opus-4-8"
COSTLESS = {"needs_slot": False, "model": MODEL}
BATCH = {**COSTLESS, "is_uncounted": True}
FULL_KEY = AccountSpec("a", "a", kind="apikey", max_spend=SpendLimits(day=1.0))


def refused(pool: Any, status: int, *headers: tuple[str, str]) -> None:
    lease = pool.lease("s", pin="a", model=MODEL)
    pool.answer(lease, status, *headers, message="no")
    pool.settle(lease)


def full(pool: Any, axis: str = "5h") -> None:
    pool.quota("a", axis, 1.0, 2 * HOUR, "rejected")


def spent(pool: Any) -> None:
    pool.fleet.configure([FULL_KEY])
    pool.fleet.spending.use(pool.fleet.spending.limits, utc_periods)
    pool["a"].proven = True
    pool.serve("s", Usage(output_tokens=10_000_000), model=MODEL)


def sidelined(pool: Any) -> None:
    for session in ("s", "t"):
        lease = pool.lease(session, pin="a", model=MODEL, betas=session)
        pool.fleet.record_account_refusal(lease, "no credit", pool.now)
        pool.settle(lease)
    assert pool["a"].is_benched_for_refusals(pool.now)


def scoped(pool: Any) -> None:
    lease = pool.lease("s", pin="a", model=MODEL)
    pool.fleet.record_account_refusal(lease, "not this one", pool.now)
    pool.settle(lease)


def capped(pool: Any, **spec: Any) -> None:
    pool.fleet.configure([AccountSpec("a", "a", **spec)])
    pool["a"].proven = True
    pool.week(a=0.6)


# The rule as `explain` names it, and what brings it about.
CLOSED_TO_WORK: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "a full window": ("hard cap", full),
    "a full window of the model": ("model cap", lambda pool: full(pool, "7d_opus")),
    "a 429 of a window": ("account benched", lambda pool: refused(pool, 429, ("retry-after", "7200"))),
    "a 403": ("account benched", lambda pool: refused(pool, 403)),
    "refusals that others served": ("account benched", sidelined),
    "a refusal of this model": ("refuses this", scoped),
    "maxUsage": ("max usage", lambda pool: capped(pool, caps=Caps.of(0.5))),
    "reserve": ("reserve", lambda pool: capped(pool, reserves=reserved(pool))),
    "maxSpend": ("max spend", spent),
}
CLOSED: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "its owner": ("disabled", lambda pool: pool.fleet.configure([AccountSpec("a", "a", enabled=False)])),
    "a refused login": ("auth_failed", lambda pool: pool.fleet.mark_account_auth_failed("a", "revoked")),
    "a token that can't be renewed": ("account benched", lambda pool: no_token(pool)),
    "... beside a full window": ("hard cap", lambda pool: (full(pool), no_token(pool))),
    "... during a longer bench": (
        "account benched",
        lambda pool: (refused(pool, 429, ("retry-after", "7200")), no_token(pool)),
    ),
}


def reserved(pool: Any) -> Reserves:
    tomorrow = parse_week_hours("Mon-Sun 23-24")
    assert tomorrow is not None
    return Reserves((Reserve(tomorrow, Caps.of({"7d": 0.5})),))


def no_token(pool: Any) -> None:
    pool.fleet.bench_for_login("a", pool.now + 60.0, "no token", pool.now)


@pytest.fixture
def pool(make_pool: Any) -> Any:
    return make_pool("a")


@pytest.mark.parametrize("what", CLOSED_TO_WORK)
def test_what_uses_no_quota_goes_on_where_work_does_not(pool: Any, what: str) -> None:
    rule, close = CLOSED_TO_WORK[what]
    close(pool)
    for request in ({"model": MODEL}, BATCH):
        decision = pool.choose("new", **request)
        assert (decision.account, [e.rule for e in decision.excluded]) == (None, [rule])
    for named in ({}, {"pin": "a"}, {"owner": "a"}):
        for session in ("new", "s", None):
            assert pool.choose(session, **COSTLESS, **named).account == "a"
    assert pool.choose("s", **COSTLESS, continues_thread=True).account == "a"


@pytest.mark.parametrize("what", CLOSED)
def test_without_a_login_nothing_goes_there(pool: Any, what: str) -> None:
    pool.bind("s", "a")
    rule, close = CLOSED[what]
    close(pool)
    assert pool["a"].block(MODEL, pool.fleet.rules, pool.now).rule == rule
    for request in ({"model": MODEL}, COSTLESS, BATCH):
        for named in ({}, {"pin": "a"}, {"owner": "a"}):
            for session in ("new", "s"):
                assert pool.choose(session, **request, **named).account is None
    told = pool.choose("new", **COSTLESS)
    assert told.retry_at == (pool.now + 60.0 if rule in ("account benched", "hard cap") else None)


def test_new_credentials_end_what_keeps_it_away(pool: Any) -> None:
    refused(pool, 429, ("retry-after", "7200"))
    no_token(pool)
    pool.fleet.credentials_changed(["a"], pool.now)
    assert pool.choose("new", model=MODEL).account is None
    assert pool.choose("new", **COSTLESS).account == "a"


def test_an_account_that_is_open_comes_first(make_pool: Any) -> None:
    pool = make_pool("a", "b", "c")
    full(pool)
    pool.fleet.bench_for_login("c", pool.now + 60.0, "no token", pool.now)
    assert {pool.choose(f"s{n}", **COSTLESS).account for n in range(9)} == {"b"}
    pool.quota("b", "7d", 1.0, 5 * DAY, "rejected")
    decision = pool.choose("s", **COSTLESS)
    assert decision.account in ("a", "b")
    assert "c" in [e.account for e in decision.excluded]
    assert decision.account not in [e.account for e in decision.excluded]


def test_a_closed_subscription_comes_before_a_paid_key(make_pool: Any) -> None:
    key = AccountSpec("key", "key", kind="apikey", last_resort=True)
    pool = make_pool("a", key)
    full(pool)
    assert pool.choose("s", model=MODEL).account == "key"
    assert pool.choose("s", **BATCH).account == "key"
    assert pool.choose("s", **COSTLESS).account == "a"
    pool.fleet.mark_account_auth_failed("a", "revoked")
    assert pool.choose("s", **COSTLESS).account == "key"


def test_an_account_that_refused_the_request_is_not_asked_again(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    full(pool)
    pool.quota("b", "5h", 1.0, HOUR, "rejected")
    assert pool.choose("s", **COSTLESS, tried=("a",)).account == "b"
    decision = pool.choose("s", **COSTLESS, tried=("a", "b"))
    assert {e.rule for e in decision.excluded} == {"tried"}
    assert pool.choose("s", **COSTLESS, pin="a", tried=("a",)).account is None


def test_a_route_leaves_out_what_is_closed_too(make_pool: Any) -> None:
    pool = make_pool("a", "b")
    full(pool)
    route = Route("routes[0]", "routes[0] allows only b", ("b",))
    no_b = {**COSTLESS, "route": route, "allowed": ("b",)}
    assert pool.choose("s", **no_b).account == "b"
    pool.fleet.mark_account_auth_failed("b", "revoked")
    decision = pool.choose("s", **no_b)
    assert decision.account is None
    assert {e.account: e.rule for e in decision.excluded} == {"a": "route", "b": "auth_failed"}


def test_what_uses_no_quota_says_nothing_of_a_bench(pool: Any) -> None:
    refused(pool, 429)
    pool.fleet.confirm_account_429(pool.lease("t", pin="a"), pool.now)
    before = pool["a"].streak, pool["a"].proven, pool["a"].bench_until
    lease = pool.lease("s", **COSTLESS)
    pool.answer(lease, 200)
    pool.settle(lease, served=True)
    assert (pool["a"].streak, pool["a"].proven, pool["a"].bench_until) == before


def test_nothing_is_known_to_return_where_only_a_person_helps(pool: Any) -> None:
    pool.fleet.mark_account_auth_failed("a", "revoked")
    full(pool)
    decision = pool.choose("s", **COSTLESS)
    assert (decision.reason, decision.retry_at) == (Reason.NOTHING_USABLE, None)
    assert pool["a"].login_block(pool.now).until == NEVER
