"""The user's routes and pins by project, under every policy: strict, for new, warm and waiting work."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.routing.expected_account import expected_account
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import NEVER, Lease, Reason, RoutingRequest, Wait
from teamclaude.routing.user_rules.routes import RequestFacts, RouteMatch, RouteSpec
from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue

EVERY_POLICY = True
KEY = AccountSpec("key", "key", kind="apikey", last_resort=True)
OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-5"
ONLY_A = RouteSpec("routes[0]", RouteMatch(model="claude-opus-*"), ("a",))


def route(*accounts: str, block: str = "", in_order: bool = False, **match: Any) -> RouteSpec:
    return RouteSpec("routes[0]", RouteMatch(**match), accounts, block, in_order)


def ask(pool: Any, session: str | None = "s", model: str = OPUS, **more: Any) -> RoutingRequest:
    return RoutingRequest(session, model=model, **more).routed_by(pool.fleet.user_rules.routes)


def admit(pool: Any, request: RoutingRequest, waited: float = 0.0) -> Lease | Wait:
    found: Lease | Wait = pool.fleet.admit(request, pool.now, waited)
    return found


def serve(pool: Any, request: RoutingRequest) -> str:
    lease = admit(pool, request)
    assert isinstance(lease, Lease), lease
    pool.answer(lease)
    pool.settle(lease, served=True)
    return lease.account


@pytest.fixture
def pool(make_pool):
    return make_pool("a", "b", "c")


def use(pool: Any, *routes: RouteSpec, **pins: str) -> None:
    pool.fleet.user_rules.use(routes, {f"/{place}": name for place, name in pins.items()})


# --- only these accounts -----------------------------------------------------------------------


def test_only_the_accounts_of_the_route_serve_what_it_matches(pool):
    use(pool, route("b", model="claude-opus-*"))
    assert {serve(pool, ask(pool, f"s{n}")) for n in range(9)} == {"b"}
    assert ask(pool, "t", SONNET).allowed == ()


def test_each_account_that_the_route_leaves_out_is_told(pool):
    use(pool, route("b", "c", model="claude-opus-*"))
    decision = pool.fleet.choose(ask(pool), pool.now)
    assert [(e.account, e.rule, e.detail) for e in decision.excluded if e.rule == "route"] == [
        ("a", "route", "routes[0] allows only b, c")
    ]
    assert decision.detail.endswith("routes[0] allows only b, c")


def test_a_warm_conversation_leaves_an_account_that_a_new_route_forbids(pool):
    pool.bind("s", "a", model=OPUS)
    use(pool, route("b", model="claude-opus-*"))
    decision = pool.fleet.choose(ask(pool), pool.now)
    assert (decision.account, decision.reason, decision.previous) == ("b", Reason.ROUTE, "a")
    assert serve(pool, ask(pool)) == "b"
    assert pool.fleet.choose(ask(pool), pool.now).account == "b"


def test_it_does_not_leak_where_the_account_is_benched_it_waits_for_it(pool):
    use(pool, route("a", model="claude-opus-*"))
    pool["a"].bench_until = pool.now + 600
    waiting = admit(pool, ask(pool))
    assert isinstance(waiting, Wait)
    assert waiting.until == pool.now + 600
    assert {e.account: e.rule for e in waiting.decision.excluded} == {
        "a": "account benched",
        "b": "route",
        "c": "route",
    }


def test_a_route_is_stricter_than_the_pin_of_a_client(pool):
    use(pool, ONLY_A)
    decision = pool.fleet.choose(ask(pool, pin="b"), pool.now)
    assert (decision.account, decision.retry_at) == (None, None)
    assert [(e.account, e.detail) for e in decision.excluded] == [("b", "routes[0] allows only a")]


@pytest.mark.parametrize("named", ["pin", "owner"])
def test_it_is_as_strict_where_no_slot_is_taken(pool, named):
    use(pool, ONLY_A)
    request = ask(pool, None, needs_slot=False, **{named: "b"})
    assert pool.fleet.choose(request, pool.now).account is None


def test_an_operators_pin_gives_way_to_a_route(pool):
    use(pool, ONLY_A)
    pool.fleet.pin("b")
    pool.fleet.pin("c", "s")
    assert pool.fleet.choose(ask(pool), pool.now).account == "a"
    assert pool.fleet.choose(ask(pool, model=SONNET), pool.now).account == "c"


def test_a_request_that_the_only_account_refused_goes_to_no_other(pool):
    use(pool, ONLY_A)
    assert pool.fleet.choose(ask(pool, tried=("a",)), pool.now).account is None


def test_a_sub_agent_does_not_follow_its_parent_where_a_route_forbids_it(pool):
    use(pool, route("b", agent="true"))
    pool.bind("s", "a", model=OPUS)
    assert pool.fleet.choose(ask(pool, agent="x"), pool.now).account == "b"
    assert ask(pool).allowed == ()


def test_a_request_without_a_session_stays_within_its_route_beside_its_prompt_cache(pool):
    first = RoutingRequest(None, model=OPUS, prefixes=("p",), pin="a")
    pool.serve(None, model=OPUS, prefixes=("p",), pin="a")
    use(pool, route("c", model="claude-opus-*"))
    request = first._replace(pin=None).routed_by(pool.fleet.user_rules.routes)
    assert pool.fleet.choose(request, pool.now).account == "c"


def test_the_accounts_may_be_used_in_their_order(pool):
    use(pool, route("c", "a", in_order=True, model="claude-opus-*"))
    assert {serve(pool, ask(pool, f"s{n}")) for n in range(9)} == {"c"}
    pool["c"].bench_until = pool.now + 600
    assert {serve(pool, ask(pool, f"t{n}")) for n in range(9)} == {"a"}


def test_without_an_order_their_own_priorities_count(make_pool):
    pool = make_pool("a", AccountSpec("b", "b", priority=-1), "c")
    use(pool, route("a", "b"))
    assert {serve(pool, ask(pool, f"s{n}")) for n in range(9)} == {"b"}


# --- paid keys ---------------------------------------------------------------------------------------


def test_a_paid_key_that_a_route_names_alone_serves_at_once(make_pool):
    pool = make_pool("a", KEY)
    use(pool, route("key", model="claude-opus-*"))
    assert serve(pool, ask(pool)) == "key"
    assert serve(pool, ask(pool, "t", SONNET)) == "a"


def test_beside_a_subscription_of_the_route_it_stays_the_last_resort(make_pool):
    pool = make_pool("a", "b", KEY)
    use(pool, route("a", "key"))
    assert serve(pool, ask(pool)) == "a"
    pool["a"].bench_until = pool.now + 30
    assert isinstance(admit(pool, ask(pool, "t")), Wait)
    assert serve(pool, ask(pool, "t", allow_paid=True)) == "key"


def test_nothing_is_expected_of_a_paid_key_that_the_route_leaves_out(make_pool):
    pool = make_pool("a", KEY)
    use(pool, route("a"))
    pool["a"].bench_until = pool.now + 3000
    waiter = Waiter(ask(pool), WaitLimits(1800.0, 290.0), pool.now)
    queue = WaitQueue(pool.fleet)
    queue.enter(waiter, pool.now)
    assert queue.is_hopeless(waiter, pool.now)
    assert expected_account(pool.fleet, waiter, pool.now).account == "a"


# --- blocks ----------------------------------------------------------------------------------------


def test_a_block_is_no_wait_for_anything(make_pool):
    pool = make_pool("a", KEY)
    use(pool, route(block="no Opus here", model="claude-opus-*"))
    waiter = Waiter(ask(pool), WaitLimits(1800.0, 290.0), pool.now)
    queue = WaitQueue(pool.fleet)
    queue.enter(waiter, pool.now)
    assert waiter.wait is not None
    decision = waiter.wait.decision
    assert (decision.account, decision.reason, decision.detail) == (None, Reason.BLOCKED, "no Opus here")
    assert (waiter.wait.until, queue.is_hopeless(waiter, pool.now)) == (NEVER, True)


def test_a_route_whose_accounts_are_all_unknown_refuses_what_it_matches(pool):
    use(pool, route("dave", model="claude-opus-*"))
    decision = pool.fleet.choose(ask(pool), pool.now)
    assert (decision.reason, decision.detail) == (Reason.BLOCKED, "no account of routes[0] is configured")


def test_it_names_the_account_as_soon_as_there_is_one(pool):
    use(pool, route("dave", model="claude-opus-*"))
    pool.fleet.configure([*pool.specs, AccountSpec("uuid-1/org", "dave")])
    pool["uuid-1/org"].proven = True
    assert pool.fleet.choose(ask(pool), pool.now).account == "uuid-1/org"


# --- shared waits ------------------------------------------------------------------------------------


def test_those_who_may_go_elsewhere_do_not_wait_with_those_who_may_not(pool):
    use(pool, ONLY_A)
    for name in "abc":
        pool["" + name].bench_until = pool.now + 600
    queue = WaitQueue(pool.fleet)
    waiters = [
        Waiter(ask(pool, "s", OPUS), WaitLimits(1800.0), pool.now),
        Waiter(RoutingRequest("t", model=OPUS), WaitLimits(1800.0), pool.now),
    ]
    for waiter in waiters:
        queue.enter(waiter, pool.now)
        queue.add(waiter)
    pool["b"].bench_until = 0.0
    assert queue.serve(pool.now) == [waiters[1]]
    assert waiters[1].lease is not None
    assert waiters[1].lease.account == "b"


# --- pins by project -----------------------------------------------------------------------------------


def in_project(place: str) -> dict[str, Any]:
    return {"facts": RequestFacts(project=place)}


def test_work_in_a_directory_goes_to_its_account_and_the_nearest_pin_counts(pool):
    use(pool, work="a", **{"work/site": "b"})
    for place, account in (("/work/x", "a"), ("/work", "a"), ("/work/site/src", "b")):
        decision = pool.fleet.choose(ask(pool, place, **in_project(place)), pool.now)
        assert (decision.account, decision.reason) == (account, Reason.PINNED)
    assert pool.fleet.choose(ask(pool, "x", **in_project("/worker")), pool.now).reason != Reason.PINNED


def test_its_detail_tells_the_name_of_the_pinned_directory_and_no_path(pool):
    use(pool, work="a")
    assert pool.fleet.choose(ask(pool, **in_project("/work/acme/site")), pool.now).detail == "project work"


def test_a_project_that_is_known_late_moves_the_conversation_once(pool):
    pool.bind("s", "b", model=OPUS)
    use(pool, work="a")
    moved = [serve(pool, ask(pool, **in_project("/work"))) for _ in range(3)]
    assert moved == ["a", "a", "a"]
    assert pool.fleet.bindings["s"].moves == 1


def test_a_pin_by_project_gives_way_while_its_account_cannot_serve(pool):
    use(pool, work="a")
    pool["a"].bench_until = pool.now + 600
    assert serve(pool, ask(pool, **in_project("/work"))) != "a"
    pool.wait(601)
    assert serve(pool, ask(pool, **in_project("/work"))) == "a"


def test_the_pin_of_a_session_counts_before_and_that_of_everything_after(pool):
    use(pool, work="a")
    pool.fleet.pin("b")
    assert pool.fleet.choose(ask(pool, **in_project("/work")), pool.now).account == "a"
    pool.fleet.pin("c", "s")
    assert pool.fleet.choose(ask(pool, **in_project("/work")), pool.now).account == "c"


def test_a_pin_that_was_set_while_running_counts_before_the_configured_one(pool):
    use(pool, work="a")
    pins = pool.fleet.user_rules.project_pins
    pins.pin("/work/", "b")
    assert pool.fleet.choose(ask(pool, **in_project("/work")), pool.now).account == "b"
    pins.pin("/work", None)
    assert pool.fleet.choose(ask(pool, **in_project("/work")), pool.now).account == "a"


def test_a_pin_by_project_follows_its_account_to_a_new_key_and_ends_with_it(pool):
    pins = pool.fleet.user_rules.project_pins
    pins.pin("/work", "a")
    pool.fleet.configure([AccountSpec("uuid-1", "a"), *pool.specs[1:]])
    assert pins.find("/work") == "uuid-1"
    pool.fleet.configure(pool.specs[1:])
    assert pins.find("/work") is None


def test_a_pinned_account_that_a_route_leaves_out_stays_left_out_while_it_refuses_others(pool):
    use(pool, ONLY_A)
    pool["b"].bench_until, pool["b"].refusals_in_row = pool.now + 60, 1
    decision = pool.fleet.choose(ask(pool, pin="b"), pool.now)
    assert [(e.account, e.rule) for e in decision.excluded] == [("b", "route")]
