"""The wait queue: arrival order, limits, clients that disconnect, and many threads at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Optional

import pytest

from teamclaude.errors import ClientGoneError, DrainingError, WaitQueueFullError
from teamclaude.proxy.forwarding.router import NO_WAIT, NoUsableAccountError, Router, WaitLimits
from teamclaude.routing.fleet import Fleet
from teamclaude.routing.policies.pace import PacePolicy
from teamclaude.routing.quota.rules import Rules
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.quota.windows import QuotaReading, Window
from teamclaude.routing.state.account import AccountSpec
from teamclaude.routing.state.decision import Lease, RoutingRequest

HOUR = WaitLimits(3600.0)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def router_of(*names: str, rules: Optional[Rules] = None, max_held: int = 256, paid: str = "") -> Router:
    fleet = Fleet(rules or Rules(backoff_jitter=False), PacePolicy())
    specs = [AccountSpec(name, name) for name in names]
    if paid:
        specs.append(AccountSpec(paid, paid, kind="apikey", last_resort=True))
    fleet.configure(specs)
    return Router(fleet, Clock(), jitter=lambda: 0.0, max_held=max_held)


def stays() -> None:
    """The client is still there."""


def prove(router: Router, *names: str) -> None:
    for name in names:
        lease = router.acquire(RoutingRequest(pin=name), NO_WAIT, stays)
        router.record_response(lease, 200, QuotaReading({}))
        router.release(lease, served=True)


def waiting(router: Router, count: int) -> None:
    deadline = time.monotonic() + 60
    while router.waiting != count:
        assert time.monotonic() < deadline, f"{router.waiting} are waiting, not {count}"
        time.sleep(0.001)


class Waiter(threading.Thread):
    """Acquires in its own thread; `result` is a Lease or the exception."""

    def __init__(
        self,
        router: Router,
        ask: RoutingRequest,
        patience: WaitLimits = HOUR,
        check: Callable[[], None] = stays,
    ) -> None:
        super().__init__(daemon=True)
        self.result: object = None
        self._job = lambda: router.acquire(ask, patience, check)
        self.start()

    def run(self) -> None:
        try:
            self.result = self._job()
        except Exception as error:
            self.result = error

    def lease(self) -> Lease:
        self.join(30)
        assert isinstance(self.result, Lease), self.result
        return self.result


def test_waiters_for_one_account_are_served_in_arrival_order() -> None:
    router = router_of("a", rules=Rules(max_inflight_per_account=1))
    prove(router, "a")
    first = router.acquire(RoutingRequest("s0"), NO_WAIT, stays)
    waiters = []
    for number in range(5):
        waiters.append(Waiter(router, RoutingRequest(f"s{number + 1}")))
        waiting(router, number + 1)
    order = []
    lease = first
    for _ in waiters:
        router.release(lease, served=True)
        lease = next(w for w in waiters if w not in order and _soon(w)).lease()
        order.append(next(w for w in waiters if w.result is lease))
    assert order == waiters


def _soon(waiter: Waiter) -> bool:
    waiter.join(0.05)
    return isinstance(waiter.result, Lease)


def test_a_waiter_whose_client_left_is_gone_and_costs_nothing() -> None:
    router = router_of("a", rules=Rules(max_inflight_per_account=1))
    prove(router, "a")
    held = router.acquire(RoutingRequest("s0"), NO_WAIT, stays)

    def left() -> None:
        raise ClientGoneError("left")

    gone = Waiter(router, RoutingRequest("s1"), check=left)
    gone.join(30)
    assert isinstance(gone.result, ClientGoneError)
    stayed = Waiter(router, RoutingRequest("s2"))
    waiting(router, 1)
    router.release(held, served=True)
    router.release(stayed.lease(), served=True)
    assert [a.inflight for a in router.snapshot({}).accounts] == [0]


def test_without_time_to_wait_the_error_comes_at_once_with_the_reasons() -> None:
    router = router_of("a")
    router.release(_refused(router, "a", retry_after=120.0))
    with pytest.raises(NoUsableAccountError) as caught:
        router.acquire(RoutingRequest("s"), NO_WAIT, stays)
    assert [(e.account, e.rule) for e in caught.value.decision.excluded] == [("a", "account benched")]
    assert caught.value.decision.retry_at == Clock.now + 120.0


def test_a_recovery_beyond_the_budget_is_not_waited_for() -> None:
    router = router_of("a")
    router.release(_refused(router, "a", retry_after=7200.0))
    with pytest.raises(NoUsableAccountError):
        router.acquire(RoutingRequest("s"), HOUR, stays)


def test_a_waiter_is_served_when_the_bench_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    router = router_of("a")
    router.release(_refused(router, "a", retry_after=120.0))
    waiter = Waiter(router, RoutingRequest("s"))
    waiting(router, 1)
    monkeypatch.setattr(Clock, "now", Clock.now + 121.0)
    router.credentials_changed([])  # serves the queue
    assert waiter.lease().account == "a"


def test_a_waiter_is_served_by_an_account_added_meanwhile() -> None:
    router = router_of("a")
    router.release(_refused(router, "a", retry_after=120.0))
    waiter = Waiter(router, RoutingRequest("s"))
    waiting(router, 1)
    router.configure(lambda fleet: fleet.configure([AccountSpec("a", "a"), AccountSpec("b", "b")]))
    assert waiter.lease().account == "b"


def test_the_paid_key_serves_once_the_deadline_has_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    router = router_of("a", paid="key")
    router.release(_refused(router, "a", retry_after=1200.0))
    waiter = Waiter(router, RoutingRequest("s"), WaitLimits(1800.0, paid_after=290.0))
    waiting(router, 1)
    monkeypatch.setattr(Clock, "now", Clock.now + 289.0)
    router.credentials_changed([])  # serves the queue
    assert waiter.result is None
    monkeypatch.setattr(Clock, "now", Clock.now + 2.0)
    router.credentials_changed([])  # serves the queue
    assert waiter.lease().account == "key"


def test_more_waiters_than_allowed_are_turned_away() -> None:
    router = router_of("a", max_held=1)
    router.release(_refused(router, "a", retry_after=120.0))
    Waiter(router, RoutingRequest("s1"))
    waiting(router, 1)
    with pytest.raises(WaitQueueFullError, match=r"^1 requests .*; a is back at .*\(in 2 min\)\.$") as full:
        router.acquire(RoutingRequest("s2"), HOUR, stays)
    assert full.value.retry_after == 120
    assert ("x-should-retry", "false") in full.value.headers()
    router.drain()


def test_a_drain_ends_every_wait() -> None:
    router = router_of("a")
    router.release(_refused(router, "a", retry_after=120.0))
    waiters = [Waiter(router, RoutingRequest(f"s{n}")) for n in range(3)]
    waiting(router, 3)
    router.drain()
    for waiter in waiters:
        waiter.join(30)
    assert [type(w.result) for w in waiters] == [DrainingError] * 3
    assert router.waiting == 0


def _refused(router: Router, name: str, retry_after: float) -> Lease:
    lease = router.acquire(RoutingRequest(pin=name), NO_WAIT, stays)
    router.record_response(lease, 429, QuotaReading({}, retry_after=retry_after))
    return lease


class Crowd:
    """Threads that take, hold and give back; watches the caps from inside the held time."""

    def __init__(self, router: Router, cap: Callable[[str], int]) -> None:
        self._router, self._cap = router, cap
        self._lock = threading.Lock()
        self._held: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.trouble: list[str] = []

    def work(self, number: int, turns: int) -> None:
        for turn in range(turns):
            lease = self._router.acquire(RoutingRequest(f"s{number}-{turn % 3}"), HOUR, stays)
            with self._lock:
                held = self._held[lease.account] = self._held.get(lease.account, 0) + 1
                self.most[lease.account] = max(held, self.most.get(lease.account, 0))
                if held > self._cap(lease.account):
                    self.trouble.append(f"{held} in flight on {lease.account}")
            self._router.record_response(lease, 200, QuotaReading({}))
            with self._lock:
                self._held[lease.account] -= 1
            self._router.release(lease, served=True)
            self._router.release(lease, served=True)  # a second release must change nothing


def test_a_crowd_never_exceeds_the_cap_and_returns_every_slot() -> None:
    router = router_of("a", "b", "c", rules=Rules(max_inflight_per_account=2))
    prove(router, "a", "b", "c")
    crowd = Crowd(router, lambda account: 2)
    threads = [threading.Thread(target=crowd.work, args=(n, 20)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert crowd.trouble == []
    assert [a.inflight for a in router.snapshot({}).accounts] == [0, 0, 0]
    assert sum(a.usage.requests for a in router.snapshot({}).accounts) == 16 * 20 + 3
    assert router.waiting == 0


def test_a_burst_on_fresh_accounts_sends_one_probe_each() -> None:
    router = router_of("a", "b", "c")
    waiters = [Waiter(router, RoutingRequest(f"s{n}")) for n in range(12)]
    waiting(router, 9)
    leases = [w.lease() for w in waiters if w.result is not None]
    assert sorted(lease.account for lease in leases) == ["a", "b", "c"]
    router.record_response(leases[0], 200, QuotaReading({}))  # proven: its cap opens, and only its
    waiting(router, 5)
    assert sorted(a.inflight for a in router.snapshot({}).accounts) == [1, 1, 5]
    router.drain()


def test_six_sessions_on_three_idle_accounts_end_two_each() -> None:
    router = router_of("a", "b", "c")
    prove(router, "a", "b", "c")
    waiters = [Waiter(router, RoutingRequest(f"s{n}")) for n in range(6)]
    accounts = sorted(w.lease().account for w in waiters)
    assert accounts == ["a", "a", "b", "b", "c", "c"]


def test_a_response_recorded_with_its_release_counts_like_one_recorded_before() -> None:
    views = []
    for at_once in (False, True):
        router = router_of("a")
        lease = router.acquire(RoutingRequest(session="s"), NO_WAIT, stays)
        told = (200, QuotaReading({"5h": Window(0.4, Clock.now + 900, "allowed", Clock.now)}))
        if not at_once:
            router.record_response(lease, *told)
        router.release(lease, Usage(1, 2), "claude-opus-4-8", True, told if at_once else None)
        views.append(router.snapshot({}))
    assert views[0] == views[1]
    assert views[1].accounts[0].usage.requests == 1
