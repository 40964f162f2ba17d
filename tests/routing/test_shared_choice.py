"""A walk of the wait queue finds once what its waiters have in common, and decides as if it did not."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.lab.run import PolicyRun
from teamclaude.lab.scenario import ScenarioSettings, synthetic_scenario
from teamclaude.lab.traffic import synthetic_sessions
from teamclaude.routing import candidates, wait_queue
from teamclaude.routing.eligible import find_eligible
from teamclaude.routing.policies.price import PricePolicy
from teamclaude.routing.shared_choice import SharedChoices
from teamclaude.routing.state.decision import Lease, Reason, RoutingRequest
from teamclaude.routing.state.expiring_set import ExpiringSet
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


def stand(queue: WaitQueue, session: str, now: float, **more: Any) -> Waiter:
    waiter = Waiter(RoutingRequest(session, **more), WaitLimits(HOUR), now)
    queue.enter(waiter, now)
    if waiter.lease is None:
        queue.waiters.append(waiter)
    return waiter


def attempts(pool: Pool) -> list[str]:
    """Return the list to which the sessions of all attempts are added from now on."""
    tried: list[str] = []
    admit = pool.fleet.admit

    def counting(request: RoutingRequest, now: float, waited: float = 0.0) -> Any:
        tried.append(request.session or "")
        return admit(request, now, waited)

    pool.fleet.admit = counting  # type: ignore[method-assign]
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


def test_the_decision_of_each_tells_what_is_ahead_of_it(gated: Pool) -> None:
    queue = WaitQueue(gated.fleet)
    waiters = crowd(gated, queue, 5)
    assert [w.wait.decision.detail[-7:] for w in waiters if w.wait] == [f"{n} ahead" for n in range(5)]
    queue.waiters.remove(waiters[1])  # its client left
    gated.fleet.gate_queue.record("s1", False, 0.0, gated.now)
    tried = attempts(gated)
    for _ in range(7):
        gated.wait(9.0)
        queue.serve(gated.now)
    assert tried == [*["s0"] * 6, "s0", "s2", "s3", "s4"]  # a minute later
    assert waiters[4].wait is not None
    assert waiters[4].wait.decision.detail.endswith(", 3 ahead")


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


@pytest.mark.parametrize("what", ["bound", "known", "pinned", "model", "budget"])
def test_what_is_of_another_kind_is_tried_itself(gated: Pool, what: str) -> None:
    queue = WaitQueue(gated.fleet)
    crowd(gated, queue, 3)
    special = stand(queue, "special", gated.now, model="claude-opus-4-8" if what == "model" else None)
    if what == "model":
        gated.quota("b", "7d_opus", 0.5, 3 * HOUR)  # models are told apart
    gated.wait(5.0)
    queue.serve(gated.now)
    if what == "bound":
        lease = gated.lease("special", pin="a")
        gated.settle(lease, served=True)
        gated.fleet.bindings["special"].account = "gone"
    elif what == "known":
        special._is_unknown = False
        policy = gated.fleet.policy
        assert isinstance(policy, PricePolicy)
        policy.estimates._active["a"].set_expiry("special", gated.now + HOUR)
    elif what == "pinned":
        gated.fleet.pin("a", "special")
    elif what == "budget":
        special.limits = WaitLimits(4.0)
    tried = attempts(gated)
    queue.serve(gated.now)
    assert "special" in tried


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


# --- nothing is decided in another way ------------------------------------------------------------------


class _Forgetful(dict[Any, Any]):
    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class _SharesNothing(SharedChoices):
    def __init__(self) -> None:
        super().__init__()
        self.blocks, self.candidates, self._held = _Forgetful(), _Forgetful(), _Forgetful()
        self._by_model = True


def crowded_run(seed: int, hours: float, **more: Any) -> tuple[list[Any], int]:
    """Play the first hours of a crowd; return what was decided for each request, and the attempts."""
    settings = ScenarioSettings(sizes=(1.0, 1.0), load=1.3, weeks=1, users=1, agents=8, **more)
    run = PolicyRun(synthetic_scenario(settings, synthetic_sessions(12, 7), seed), POLICY)
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
    ("seed", "hours", "more"), [(8, 22.0, {}), (6, 20.0, {"cache_life": 300.0, "hold_sec": 600.0})]
)
def test_a_run_is_the_same_with_and_without_sharing(
    monkeypatch: Any, seed: int, hours: float, more: dict[str, Any]
) -> None:
    shared, tried = crowded_run(seed, hours, **more)
    monkeypatch.setattr(wait_queue, "SharedChoices", _SharesNothing)
    alone, tried_alone = crowded_run(seed, hours, **more)
    assert shared == alone
    assert tried_alone > 1.4 * tried > 1000
