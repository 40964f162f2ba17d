from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from teamclaude.routing import wait_queue
from teamclaude.routing.policies.registry import POLICIES
from teamclaude.routing.state.account import AccountSpec, ScopedRefusal
from teamclaude.routing.state.decision import Lease, RoutingRequest
from teamclaude.routing.user_rules.routes import RequestFacts
from teamclaude.routing.wait_queue import NO_WAIT, Waiter, WaitLimits, WaitQueue
from tests.routing.conftest import EVERY, STAYING, only

EVERY_POLICY = True
KEEPING = tuple(name for name in EVERY if not POLICIES[name]().moves_warm)

HOUR = 3600.0


def stand(queue, request, now, limits):
    waiter = Waiter(request, limits, now)
    queue.enter(waiter, now)
    if waiter.lease is None:
        queue.add(waiter)
    return waiter


def test_waiters_are_served_in_the_order_they_came(make_pool):
    pool = make_pool("a", proven=False)  # one request at a time until it has answered
    queue = WaitQueue(pool.fleet)
    first = stand(queue, RoutingRequest("s0"), pool.now, WaitLimits(HOUR))
    second = stand(queue, RoutingRequest("s1"), pool.now, WaitLimits(HOUR))
    third = stand(queue, RoutingRequest("s2"), pool.now, WaitLimits(HOUR))
    assert isinstance(first.lease, Lease)
    assert second.lease is None
    pool.fleet.settle_lease(first.lease, pool.now)
    assert queue.serve(pool.now) == [second]
    assert list(queue.waiters) == [third]


def test_without_a_budget_nothing_is_waited_for(make_pool):
    pool = make_pool("a", proven=False)
    queue = WaitQueue(pool.fleet)
    stand(queue, RoutingRequest("s0"), pool.now, NO_WAIT)
    late = stand(queue, RoutingRequest("s1"), pool.now, NO_WAIT)
    assert queue.is_hopeless(late, pool.now)


def test_a_wait_longer_than_the_budget_is_hopeless(make_pool):
    pool = make_pool("a")
    pool.quota("a", "5h", 1.0, 2 * HOUR, "rejected")
    queue = WaitQueue(pool.fleet)
    assert queue.is_hopeless(stand(queue, RoutingRequest("s"), pool.now, WaitLimits(HOUR)), pool.now)
    assert not queue.is_hopeless(stand(queue, RoutingRequest("s"), pool.now, WaitLimits(3 * HOUR)), pool.now)


def test_who_waits_when_the_last_account_is_removed_waits_for_another(make_pool):
    pool = make_pool("a", "b")
    for name in ("a", "b"):
        pool.quota(name, "5h", 1.0, 2 * HOUR, "rejected")
    queue = WaitQueue(pool.fleet)
    waiter = stand(queue, RoutingRequest("s"), pool.now, WaitLimits(3 * HOUR))
    slot = stand(queue, RoutingRequest("s2"), pool.now, WaitLimits(3 * HOUR, slots_only=True))
    pool.fleet.configure([])
    queue.serve(pool.now)
    assert not queue.is_hopeless(waiter, pool.now)
    assert queue.is_hopeless(slot, pool.now)
    new = Waiter(RoutingRequest("t"), WaitLimits(3 * HOUR), pool.now)
    queue.enter(new, pool.now)
    assert queue.is_hopeless(new, pool.now)
    pool.wait(3 * HOUR)
    assert queue.is_hopeless(waiter, pool.now)
    pool.wait(-HOUR)
    pool.fleet.configure([AccountSpec("c", "c")])
    assert queue.serve(pool.now) == [waiter]


def test_what_no_account_can_serve_is_found_out_once_for_equal_constraints(make_pool):
    pool = make_pool("a")
    pool.quota("a", "5h", 1.0, 2 * HOUR, "rejected")
    queue = WaitQueue(pool.fleet)
    for n in range(5):
        stand(queue, RoutingRequest(f"s{n}"), pool.now, WaitLimits(3 * HOUR))
    asked = []
    admit = pool.fleet.admit
    pool.fleet.admit = lambda request, now, waited=0.0: (asked.append(request), admit(request, now, waited))[
        1
    ]
    assert queue.serve(pool.now) == []
    assert len(asked) == 1
    pool.wait(2 * HOUR + 1)
    pool["a"].proven = True
    assert len(queue.serve(pool.now)) == 5


@pytest.mark.parametrize(
    "other",
    [
        {"model": "claude-opus-4-8"},
        {"betas": "new-beta"},
        {"tried": ("a",)},
        {"pin": "b"},
        {"owner": "b"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_hopeless_request_says_nothing_of_one_with_other_constraints(make_pool, other):
    pool = make_pool("a", "b")
    special = RoutingRequest("s0", **{"model": "claude-sonnet-4-5", **other})
    plain = RoutingRequest("s1", model="claude-sonnet-4-5")
    if special.scope != plain.scope:
        pool["a"].scoped_refusals[special.scope] = ScopedRefusal(
            pool.now + 2 * HOUR, "the plan lacks it", pool.now
        )
    for name in ("a", "b"):
        pool[name].proven, pool[name].bench_until = True, pool.now + HOUR
    queue = WaitQueue(pool.fleet)
    first, second = (stand(queue, request, pool.now, WaitLimits(3 * HOUR)) for request in (special, plain))
    pool["a"].bench_until = pool.now
    assert queue.serve(pool.now) == [second]
    assert second.lease.account == "a"
    assert first.lease is None
    assert first.wait.is_same_for_all


@only(*STAYING)
def test_a_waiter_for_its_own_account_is_not_tried_when_another_one_answers(make_pool):
    pool = make_pool("a", "b")
    queue = WaitQueue(pool.fleet)
    leases = {}
    for name in ("a", "b"):
        pool[name].proven = True
        leases[name] = [pool.fleet.admit(RoutingRequest(f"{name}{n}", pin=name), pool.now) for n in range(5)]
    at_a, at_b = (stand(queue, RoutingRequest(f"{name}0"), pool.now, WaitLimits(HOUR)) for name in ("a", "b"))
    new = stand(queue, RoutingRequest("new"), pool.now, WaitLimits(HOUR))
    assert (at_a.wait.account, at_b.wait.account) == ("a", "b")
    assert new.wait.is_for_slot
    asked = []
    admit = pool.fleet.admit
    pool.fleet.admit = lambda request, now, waited=0.0: (
        asked.append(request.session),
        admit(request, now, waited),
    )[1]

    assert queue.serve(pool.now, "b") == []
    assert asked == ["b0", "new"]
    pool.fleet.settle_lease(leases["b"].pop(), pool.now)
    assert queue.serve(pool.now, "b") == [at_b]
    pool.fleet.settle_lease(leases["b"].pop(), pool.now)
    assert queue.serve(pool.now, "b") == [new]
    assert "a0" not in asked

    pool.wait(5.0)  # now it would take any account
    pool.fleet.settle_lease(leases["b"].pop(), pool.now)
    assert queue.serve(pool.now, "b") == [at_a]
    assert at_a.lease.account == "b"


@only("price")
@pytest.mark.parametrize("life", [7200.0, 0.0])
def test_a_conversation_that_was_sent_away_and_comes_back_keeps_its_place(make_pool, life):
    pool = make_pool("a")
    pool.fleet.gate_queue.places.life_sec = life
    queue = WaitQueue(pool.fleet)
    pool.five_hours(a=1.1)
    back_at = pool["a"].windows.get("5h", pool.now).resets_at
    sent_away = Waiter(RoutingRequest("first"), WaitLimits(60.0), pool.now)
    queue.enter(sent_away, pool.now)
    assert queue.is_hopeless(sent_away, pool.now)
    pool.wait(600.0)
    second = stand(queue, RoutingRequest("second"), pool.now, WaitLimits(5 * HOUR))
    pool.wait(600.0)
    again = stand(queue, RoutingRequest("first"), pool.now, WaitLimits(5 * HOUR))
    pool.wait(back_at - pool.now)
    served = queue.serve(pool.now)
    assert served[0] is (again if life else second)


# --- waiters that only a slot where their cache is can serve (rule 5) ---------------------------------


def attempts(pool):
    """Return the list to which the sessions of all attempts are added from now on."""
    tried = []
    admit = pool.fleet.admit

    def counting(request, now, waited=0.0):
        tried.append(request.session)
        return admit(request, now, waited)

    pool.fleet.admit = counting
    return tried


def stand_in_line(queue, request, now, limits, pool):
    """Queue a request that only lacks a slot as `Router.acquire_now` does it."""
    waiter = Waiter(request, limits, now)
    waiter.wait = pool.fleet.admit(request, now)
    queue.add(waiter, now, waiter.wait)
    return waiter


def crowd_at(pool, queue, name, enter=stand, **more):
    """Fill the slots of an account, and let five more requests wait there; return the leases and waiters."""
    pool[name].proven = True
    leases = [pool.fleet.admit(RoutingRequest(f"{name}{n}", pin=name), pool.now) for n in range(5)]
    return leases, [
        enter(queue, RoutingRequest(f"{name}{n}", **more), pool.now, WaitLimits(HOUR)) for n in range(5)
    ]


@only(*KEEPING)
def test_a_released_slot_costs_one_attempt_however_many_wait_for_it(make_pool):
    pool = make_pool("a", "b")
    queue = WaitQueue(pool.fleet)
    (leases, at_a), (_, at_b) = crowd_at(pool, queue, "a"), crowd_at(pool, queue, "b")
    tried = attempts(pool)
    pool.fleet.settle_lease(leases[0], pool.now)
    assert queue.serve(pool.now, "a") == [at_a[0]]
    assert tried == ["a0"]
    assert queue.serve(pool.now, "a") == []
    assert tried == ["a0"], "without a slot there is none"
    assert list(queue.waiters) == [*at_a[1:], *at_b]
    for lease in leases[1:3]:
        pool.fleet.settle_lease(lease, pool.now)
    assert queue.serve(pool.now, "a") == at_a[1:3]


@only(*KEEPING)
def test_freed_slots_go_to_those_whose_turn_it_is_whatever_each_of_them_asks(make_pool):
    pool = make_pool("a", "b")
    queue = WaitQueue(pool.fleet)
    pool["a"].proven = True
    leases = [pool.fleet.admit(RoutingRequest(f"a{n}", pin="a"), pool.now) for n in range(5)]
    asks: list[dict[str, Any]] = [
        {},
        {"continues_thread": True, "hold_sec": HOUR},
        {},
        {"cache_life": 60.0},
        {"model": "m"},
    ]
    waiters = [
        stand(queue, RoutingRequest(f"a{n}", **ask), pool.now, WaitLimits(HOUR)) for n, ask in enumerate(asks)
    ]
    for count in (2, 1, 2):
        for lease in leases[:count]:
            pool.fleet.settle_lease(lease, pool.now)
        del leases[:count]
        assert queue.serve(pool.now, "a") == waiters[:count]
        del waiters[:count]
    assert not queue.waiters


@only(*KEEPING)
def test_a_known_project_costs_no_attempts_where_none_is_pinned(make_pool):
    pool = make_pool("a", "b")
    queue = WaitQueue(pool.fleet)
    leases, waiters = crowd_at(pool, queue, "a", facts=RequestFacts(project="/work/x"))
    tried = attempts(pool)
    pool.fleet.settle_lease(leases[0], pool.now)
    assert queue.serve(pool.now, "a") == [waiters[0]]
    assert queue.serve(pool.now, "a") == []
    assert tried == ["a0"]


@only(*KEEPING)
def test_those_in_line_and_others_are_served_in_the_order_they_came(make_pool):
    pool = make_pool("a", "b")
    queue = WaitQueue(pool.fleet)
    line_up: Any = partial(stand_in_line, pool=pool)
    queue.serve(pool.now, "b")  # from now on is known who waits for what
    leases, at_a = crowd_at(pool, queue, "a", line_up)
    queue.leave(at_a.pop(1), pool.now)
    for number, enter in enumerate((stand, line_up, stand, line_up)):
        at_a.append(enter(queue, RoutingRequest(f"a{number}", hold_sec=HOUR), pool.now, WaitLimits(HOUR)))
    for waiter in at_a:
        pool.fleet.settle_lease(leases.pop(0), pool.now)
        assert queue.serve(pool.now, "a") == [waiter]
        leases.append(waiter.lease)
    assert not queue.waiters


@only(*KEEPING)
def test_who_stands_in_line_costs_no_attempt_once_the_queue_was_walked(make_pool):
    pool = make_pool("a", "b")
    queue = WaitQueue(pool.fleet)
    leases, waiters = crowd_at(pool, queue, "a", partial(stand_in_line, pool=pool))
    assert queue.serve(pool.now, "b") == []
    waiters += [
        stand_in_line(queue, RoutingRequest(f"a{n}"), pool.now, WaitLimits(HOUR), pool) for n in (1, 2)
    ]
    tried = attempts(pool)
    for served in waiters[:5], waiters[5:]:
        for lease in leases:
            pool.fleet.settle_lease(lease, pool.now)
        assert queue.serve(pool.now, "a") == served
        leases = [waiter.lease for waiter in served]
    assert tried == []


@only(*KEEPING)
def test_who_has_stood_in_line_for_long_is_tried_when_another_account_changes(make_pool):
    pool = make_pool("a", "b")
    queue = WaitQueue(pool.fleet)
    queue.serve(pool.now, "b")
    _, waiters = crowd_at(pool, queue, "a", partial(stand_in_line, pool=pool))
    tried = attempts(pool)
    assert (queue.serve(pool.now, "b"), tried) == ([], [])
    pool.wait(pool.fleet.rules.slot_wait)
    queue.serve(pool.now, "b")
    assert tried == [waiter.conversation for waiter in waiters]


@only(*KEEPING)
@pytest.mark.parametrize("in_line", [False, True])
@pytest.mark.parametrize(
    "what", ["other constraints", "moved", "nobody knows what changed", "time", "a project is pinned"]
)
def test_what_may_be_served_otherwise_is_tried_itself(make_pool, what, in_line):
    pool = make_pool("a", "b")
    pool["b"].proven = True
    queue = WaitQueue(pool.fleet)
    if what == "a project is pinned":
        pool.fleet.user_rules.pin("/work/x", "b")
    _, waiters = crowd_at(pool, queue, "a", partial(stand_in_line, pool=pool) if in_line else stand)
    changed = None if what == "nobody knows what changed" else "a"
    if what == "other constraints":
        queue.leave(waiters[4], pool.now)
        stand(queue, RoutingRequest("a4", betas="new-beta"), pool.now, WaitLimits(HOUR))
    elif what == "moved":
        pool.fleet.admit(RoutingRequest("a4", pin="b"), pool.now)
    elif what == "time":
        pool.wait(5.0)
    tried = attempts(pool)
    queue.serve(pool.now, changed)
    assert tried[-1] == "a4"


@only(*KEEPING)  # under the others nobody is quiet
@pytest.mark.parametrize("seed", range(2))
def test_nothing_is_decided_in_another_way_than_by_trying_all(make_pool, monkeypatch, seed):
    as_it_is = trace_of(make_pool, seed)
    assert as_it_is == trace_of(make_pool, seed, in_line=True)
    monkeypatch.setattr(wait_queue, "quiet_of", lambda *known: None)
    assert as_it_is == trace_of(make_pool, seed)
    assert sum(line.startswith("served") for line in as_it_is) > 60


def trace_of(make_pool, seed, in_line=False):
    """Return what happens to a crowd on three accounts: who waits, who is served when, and where.

    `in_line`: each is queued as `Router.acquire_now` does it, and so stands in line if it only lacks a slot.
    """
    draw, pool = random.Random(seed), make_pool("a", "b", "c")
    queue, leases, lines = WaitQueue(pool.fleet), [], []

    def note(served):
        for waiter in served:
            leases.append(waiter.lease)
            where, why = waiter.lease.account, waiter.lease.decision.reason
            lines.append(f"served {waiter.request.session} at {where}: {why}")

    for _ in range(300):
        pool.wait(draw.choice([0.0, 0.01, 0.1, 0.3]) * (30.0 if draw.random() < 0.01 else 1.0))
        model = draw.choice(["claude-opus-4-8", "claude-opus-4-8", "claude-haiku-4-5"])
        if len(leases) < 12 or (draw.random() < 0.5 and len(queue.waiters) < 25):
            waiter = Waiter(RoutingRequest(f"s{draw.randrange(24)}", model=model), WaitLimits(HOUR), pool.now)
            refused = None
            if in_line:
                note(queue.serve_due(pool.now))
                found = pool.fleet.admit(waiter.request, pool.now)
                if isinstance(found, Lease):
                    waiter.lease = found
                else:
                    waiter.wait = refused = found
            else:
                note(queue.enter(waiter, pool.now))
            note([waiter] if waiter.lease else [])
            if waiter.lease is None:
                queue.add(waiter, pool.now, refused)
                lines.append(f"{waiter.request.session} waits: {waiter.wait and waiter.wait.decision.reason}")
            continue
        lease = leases.pop(draw.randrange(len(leases)))
        if draw.random() < 0.1:
            used = draw.choice([0.2, 0.3, 0.9, 1.0])
            pool.quota(lease.account, draw.choice(["5h", "7d"]), used, 4.0)
        if draw.random() < 0.03:
            pool[lease.account].bench_until = pool.now + 3.0
        pool.settle(lease, served=True)
        note(queue.serve(pool.now, lease.account if draw.random() < 0.8 else None))
        assert queue.next_due() == min((w.due_at() for w in queue.waiters), default=float("inf"))
    return lines
