"""A walk of the wait queue finds once what its waiters have in common, and decides as if it did not."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.lab.run import PolicyRun
from teamclaude.lab.scenario import ScenarioSettings, synthetic_scenario
from teamclaude.lab.traffic import synthetic_sessions
from teamclaude.routing import candidates, wait_queue
from teamclaude.routing.eligible import find_eligible
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.price import PricePolicy
from teamclaude.routing.shared_choice import SharedChoices
from teamclaude.routing.state.conversations import Binding
from teamclaude.routing.state.decision import Lease, Reason, RoutingRequest
from teamclaude.routing.state.expiring_set import ExpiringSet
from teamclaude.routing.state.waiter_groups import PLACE
from teamclaude.routing.wait_queue import Waiter, WaitLimits, WaitQueue
from tests.routing.conftest import Pool

POLICY = "price"
HOUR = 3600.0


@pytest.fixture(name="gated")
def gated_pool(make_pool: Any) -> Pool:
    """Two accounts whose 5h windows end too soon under one conversation more."""
    pool: Pool = make_pool("a", "b")
    policy = pool.fleet.policy
    assert isinstance(policy, PricePolicy)
    policy.estimates.seconds, policy.estimates.tokens = 2 * HOUR, 2 * HOUR * 100.0
    for name in ("a", "b"):
        pool[name].cap_7d.size, pool[name].cap_5h.size = 8e6, 1e6
        pool.quota(name, "5h", 0.9, 3 * HOUR)
        pool.quota(name, "7d", 0.1, 72 * HOUR)
        active = policy.estimates._active.setdefault(name, ExpiringSet())
        active.set_expiry(f"busy {name}", pool.now + 2 * HOUR)
    return pool


def stand(queue: WaitQueue, session: str, now: float, budget: float = HOUR, **more: Any) -> Waiter:
    waiter = Waiter(RoutingRequest(session, **more), WaitLimits(budget), now)
    queue.enter(waiter, now)
    if waiter.lease is None:
        queue.add(waiter)
    return waiter


def attempts(pool: Pool) -> list[str]:
    """Return the list to which the sessions of all attempts are added from now on."""
    tried: list[str] = []
    admit, is_held = pool.fleet.admit, pool.fleet.is_held

    def admitting(request: RoutingRequest, now: float, waited: float = 0.0) -> Any:
        tried.append(request.session or "")
        return admit(request, now, waited)

    def asking(request: RoutingRequest, now: float, waited: float) -> bool:
        held = is_held(request, now, waited)
        if held:  # else it is admitted
            tried.append(request.session or "")
        return held

    pool.fleet.admit, pool.fleet.is_held = admitting, asking  # type: ignore[method-assign]
    return tried


def crowd(pool: Pool, queue: WaitQueue, count: int) -> list[Waiter]:
    """Let conversations arrive one second after the other; each is held at the gate."""
    waiters = []
    for number in range(count):
        waiters.append(stand(queue, f"s{number}", pool.now))
        pool.wait(1.0)
    assert {w.wait.decision.reason for w in waiters if w.wait} == {Reason.GATE}
    pool.wait(5.0)
    queue.serve(pool.now)
    return waiters


def test_a_response_costs_one_attempt_however_many_wait_at_the_gate(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    waiters = crowd(gated, queue, 200)
    tried = attempts(gated)
    gated.wait(1.0)
    assert queue.serve(gated.now) == []
    assert tried == ["s0"]
    assert {w.wait.until for w in waiters if w.wait} == {gated.now + 15.0}
    assert {w.last_attempt_at for w in waiters} == {gated.now}
    assert len(gated.fleet.gate_queue) == 200


def ahead_of(queue: WaitQueue, waiter: Waiter, now: float) -> str:
    queue.tell(waiter, now)
    assert waiter.wait is not None
    assert waiter.wait.until == waiter.wait.decision.retry_at == waiter.until
    return waiter.wait.decision.detail[-7:]


def test_the_decision_of_each_tells_what_is_ahead_of_it_when_it_is_read(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    waiters = crowd(gated, queue, 5)
    assert [ahead_of(queue, w, gated.now) for w in waiters] == [f"{n} ahead" for n in range(5)]
    queue.leave(waiters[1], gated.now)
    tried = attempts(gated)
    for _ in range(5):
        gated.wait(9.0)
        queue.serve(gated.now)
    assert tried == ["s0"] * 5
    assert ahead_of(queue, waiters[4], gated.now) == "4 ahead"  # less than a minute ago
    gated.wait(9.0)
    queue.serve(gated.now)
    assert ahead_of(queue, waiters[4], gated.now) == "3 ahead"
    queue.tell(waiters[4], gated.now + HOUR)  # it would be let in
    assert ahead_of(queue, waiters[4], gated.now) == "3 ahead"


def test_one_that_leaves_a_crowd_keeps_its_place_and_is_ahead_of_nobody(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    waiters = crowd(gated, queue, 4)
    queue.serve(gated.now)
    gate, began = gated.fleet.gate_queue, waiters[2].since
    queue.leave(waiters[2], gated.now)
    assert [w.conversation for w in queue.waiters] == ["s0", "s1", "s3"]
    for _ in range(4):
        gated.wait(10.0)
        queue.serve(gated.now)
    assert gate.count_longer("s3", waiters[3].place, gated.now) == 2
    assert gate.places.since("s2", gated.now + HOUR, gated.now + HOUR) == began


def test_a_clock_that_moves_back_has_each_of_a_crowd_looked_at(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    waiters = crowd(gated, queue, 4)
    queue.serve(gated.now)
    waited = [gated.now - w.since for w in waiters]
    gated.wait(-1000.0)
    queue.serve(gated.now)
    assert [gated.now - w.since for w in waiters] == pytest.approx(waited)
    assert {w.until for w in waiters} == {gated.now + 15.0}


def test_the_first_that_is_due_or_hopeless_is_found_in_a_crowd(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    crowd(gated, queue, 4)
    stand(queue, "hurried", gated.now, budget=26.0)
    began = gated.now
    for _ in range(2):
        gated.wait(5.0)
        queue.serve(gated.now)
        assert queue.next_due() == gated.now + 15.0
        assert queue.hopeless(gated.now) == []
    gated.wait(5.0)
    queue.serve(gated.now)
    assert queue.next_due() == began + 26.0
    assert [w.conversation for w in queue.hopeless(gated.now)] == ["hurried"]
    assert queue.next_due() == min(w.due_at() for w in queue.waiters)


def test_once_the_window_is_reset_they_enter(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    waiters = crowd(gated, queue, 4)
    gated.wait(0.8 * HOUR)
    for name in ("a", "b"):
        gated.quota(name, "5h", 0.0, 5 * HOUR)
        gated[name].cap_7d.size, gated[name].cap_5h.size = 8e8, 1e8
    assert queue.serve(gated.now) == waiters


def test_what_nothing_could_serve_meanwhile_is_tried_again(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    waiters = crowd(gated, queue, 3)
    for name in ("a", "b"):
        gated[name].bench_until = gated.now + 5.0
    queue.serve(gated.now)
    gated.wait(6.0)
    queue.serve(gated.now)
    assert {w.wait.decision.reason for w in waiters if w.wait} == {Reason.GATE}


def test_what_nothing_can_serve_is_not_at_the_gate_any_more(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    crowd(gated, queue, 3)
    for name in ("a", "b"):
        gated[name].bench_until = gated.now + HOUR
    queue.serve(gated.now)
    gated.wait(61.0)
    queue.serve(gated.now)
    assert not gated.fleet.gate_queue


def test_those_that_are_due_go_before_a_new_one(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    crowd(gated, queue, 3)
    gated.wait(15.0)
    tried = attempts(gated)
    stand(queue, "new", gated.now)
    assert tried == ["s0", "new"]


def test_one_that_has_not_waited_for_a_slot_yet_stands_for_no_other(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    back = stand(queue, "back", gated.now)
    gated.wait(1.0)
    crowd(gated, queue, 3)
    queue.leave(back, gated.now)
    gated.wait(10.0)
    stand(queue, "back", gated.now)  # it has its place, as the first
    gated.wait(1.0)
    tried = attempts(gated)
    queue.serve(gated.now)
    assert tried == ["back", "s0"]


@pytest.mark.parametrize("what", ["constraints", "parent"])
def test_others_with_something_in_common_are_held_by_one_of_theirs(gated: Pool, what: str) -> None:
    queue = WaitQueue(gated.fleet)
    crowd(gated, queue, 3)
    if what == "parent":
        gated.bind("t0", "a")
        waiters = [stand(queue, "t0", gated.now + n, agent=f"x{n}") for n in range(3)]
    else:
        waiters = [stand(queue, f"t{n}", gated.now + n, tried=("b",)) for n in range(3)]
    gated.wait(8.0)
    queue.serve(gated.now)
    assert waiters[0].request.session == "t0"
    for expected in ("t0", waiters[1].request.session):
        tried = attempts(gated)
        queue.serve(gated.now)
        assert tried == ["s0", expected]
        queue.leave(waiters[0], gated.now)


OTHERS = ["bound", "adopted", "known", "pinned", "model", "budget", "constraints", "parent"]


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_of_another_kind_is_tried_itself(gated: Pool, what: str) -> None:
    queue = WaitQueue(gated.fleet)
    crowd(gated, queue, 3)
    policy = gated.fleet.policy
    assert isinstance(policy, PricePolicy)
    if what == "known":
        policy.estimates._active["a"].set_expiry("special", gated.now + HOUR)
    request: dict[str, dict[str, Any]] = {
        "model": {"model": "claude-opus-4-8"},
        "budget": {"budget": 9.0},
        "constraints": {"tried": ("b",)},
        "parent": {"agent": "x"},
    }
    if what == "parent":
        gated.bind("special", "a")
    stand(queue, "special", gated.now, **request.get(what, {}))
    if what == "model":
        gated.quota("b", "7d_opus", 0.5, 3 * HOUR)  # models are told apart
    gated.wait(5.0)
    queue.serve(gated.now)
    if what == "bound":
        lease = gated.lease("special", pin="a")
        gated.settle(lease, served=True)
        gated.fleet.bindings["special"].account = "gone"
    elif what == "adopted":
        of, at = "special", gated.now - HOUR
        gated.fleet.restore_binding(Binding(of, of, None, None, "a", at, at, at, cache_life=2 * HOUR))
    elif what == "pinned":
        gated.fleet.pin("a", "special")
    gated.wait(5.0)
    tried = attempts(gated)
    queue.serve(gated.now)
    assert "special" in tried


def test_a_lease_ends_what_is_known() -> None:
    shared = SharedChoices()
    shared.record_held("kind", 2)
    shared.held_alike.add("alike")
    assert [shared.is_held("kind", ahead) for ahead in (1, 2, 3)] == [False, True, True]
    shared.record_held("kind", 3)
    assert shared.is_held("kind", 2)
    shared.clear()
    assert not shared.is_held("kind", 3)
    assert not shared.held_alike


def test_accounts_are_judged_once_for_all_that_ask_the_same(gated: Pool, monkeypatch: Any) -> None:
    queue = WaitQueue(gated.fleet)
    crowd(gated, queue, 3)
    for number in range(20):  # they are known: each is tried
        gated.bind(f"t{number}", "a")
        gated.fleet.bindings[f"t{number}"].last_used -= 0.5 * HOUR - 1.0
        stand(queue, f"t{number}", gated.now)
    gated.wait(5.0)
    judged: list[float] = []
    monkeypatch.setattr(
        candidates, "find_eligible", lambda *args: (judged.append(args[3]), find_eligible(*args))[1]
    )
    tried = attempts(gated)
    queue.serve(gated.now)
    assert len(tried) > 20
    assert len(judged) == 1
    gated.quota("b", "7d_opus", 0.5, HOUR)  # models are told apart
    for waiter in queue.waiters:
        waiter.request = waiter.request._replace(model=("opus", "haiku")[waiter.since > gated.now - 6.0])
    queue.serve(gated.now)
    assert len(judged) == 3


@pytest.mark.parametrize("policy", [POLICY, "horizon"])
def test_what_is_asked_without_words_is_what_would_be_decided(monkeypatch: Any, policy: str) -> None:
    is_held, asked = Fleet.is_held, []

    def comparing(fleet: Fleet, request: RoutingRequest, now: float, waited: float) -> bool:
        held = is_held(fleet, request, now, waited)
        assert held == (fleet.choose(request, now, waited).reason == Reason.GATE)
        asked.append((held, request.conversation in fleet.bindings))
        return held

    monkeypatch.setattr(Fleet, "is_held", comparing)
    crowded_run(6, 20.0, policy, cache_life=300.0, hold_sec=600.0)
    assert len(set(asked)) == 4


def test_who_is_due_and_who_is_hopeless_is_found_without_looking_at_all(monkeypatch: Any) -> None:
    next_due, hopeless = WaitQueue.next_due, WaitQueue.hopeless
    crowds: list[int] = []

    def checked_due(queue: WaitQueue) -> float:
        crowds.append(len(queue.waiters) - len(queue._apart))
        due = next_due(queue)
        assert due == min((w.due_at() for w in queue.waiters), default=float("inf"))
        return due

    def checked_hopeless(queue: WaitQueue, now: float) -> list[Waiter]:
        found = hopeless(queue, now)
        assert found == sorted((w for w in queue.waiters if queue.is_hopeless(w, now)), key=PLACE)
        return found

    monkeypatch.setattr(WaitQueue, "next_due", checked_due)
    monkeypatch.setattr(WaitQueue, "hopeless", checked_hopeless)
    crowded_run(6, 22.0, cache_life=300.0, hold_sec=600.0)
    assert max(crowds) > 3


# --- nothing is decided in another way ------------------------------------------------------------------


class _Forgetful(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _Nothing(set[Any]):
    def add(self, value: Any) -> None:
        pass


class _SharesNothing(SharedChoices):
    def __init__(self) -> None:
        super().__init__()
        self.held_alike = _Nothing()
        self.blocks, self.candidates, self._held = _Forgetful(), _Forgetful(), _Forgetful()
        self._by_model = True


def crowded_run(seed: int, hours: float, policy: str = POLICY, **more: Any) -> tuple[list[Any], int]:
    """Play the first hours of a crowd; return what was decided for each request, and the attempts."""
    settings = ScenarioSettings(sizes=(1.0, 1.0), load=1.3, weeks=1, users=1, agents=8, **more)
    run = PolicyRun(synthetic_scenario(settings, synthetic_sessions(12, 7), seed), policy)
    tried = attempts(run)  # type: ignore[arg-type]
    decided: list[Any] = []
    send, refuse = run.simulation._send, run.simulation._refuse_client

    def sent(pending: Any, lease: Lease) -> None:
        decided.append((pending.session.conversation, lease.at, lease.decision))
        send(pending, lease)

    def refused(pending: Any, retry_after: Any) -> None:
        decided.append((pending.session.conversation, run.simulation.events.now, retry_after))
        refuse(pending, retry_after)

    run.simulation._send, run.simulation._refuse_client = sent, refused  # type: ignore[method-assign]
    run.advance(hours * HOUR)
    return [*decided, run.score()], len(tried)


@pytest.mark.parametrize(
    ("seed", "hours", "more"), [(8, 22.0, {}), (6, 22.0, {"cache_life": 300.0, "hold_sec": 600.0})]
)
def test_a_run_is_the_same_with_and_without_sharing(
    monkeypatch: Any, seed: int, hours: float, more: dict[str, Any]
) -> None:
    shared, tried = crowded_run(seed, hours, **more)
    monkeypatch.setattr(wait_queue, "SharedChoices", _SharesNothing)
    monkeypatch.setattr(WaitQueue, "_is_still_held", lambda *_: False)  # each is decided in words
    alone, tried_alone = crowded_run(seed, hours, **more)
    assert shared == alone
    assert tried_alone > 1.4 * tried > 1000
