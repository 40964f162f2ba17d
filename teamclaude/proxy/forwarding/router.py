"""The lock, the clock and the wait queue around one `Fleet`.

Rules that hold in this file:

1. `_lock` guards the fleet and the queue.  Decide under it, act outside it.
2. Waiters are served in arrival order: every change of state serves the queue from its head, and a new
   request gets an account at once only when no waiter in the queue is due.
3. A waiter sleeps, in the event loop or in its thread, until it is served, until its wait may have ended by
   itself, or until CLIENT_CHECK_SEC have passed and it checks whether its client is still connected.
4. A request that only lacks a slot is queued as it comes (`acquire_now`), with what is known of it: the rules
   do not ask for more.  If they are changed, it leaves the queue and asks again.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Optional, TypeVar, Union

from ...errors import DrainingError
from ...routing.expected_account import ExpectedAccount, expected_account
from ...routing.fleet import Changes, Fleet
from ...routing.persistence import dump_state
from ...routing.quota.usage import NO_USAGE, Usage
from ...routing.quota.windows import QuotaReading
from ...routing.response_kinds import UNSERVED_FROM, ResponseKind
from ...routing.state.decision import Lease, RoutingRequest, Wait
from ...routing.view import snapshot_of
from ...routing.wait_queue import NO_WAIT, Waiter, WaitLimits, WaitQueue
from ...snapshot import Snapshot, TokenView
from ...threads import Signal
from ..net.coroutine import RequestCoroutine, WakeUp, run_coroutine
from .queued_request import NoUsableAccountError, QueuedRequest, queue_full_error

__all__ = ["NO_WAIT", "NoUsableAccountError", "Router", "WaitLimits"]

T = TypeVar("T")


class Router:
    """Thread-safe access to one fleet; every method but the first two is one critical section."""

    def __init__(
        self,
        fleet: Fleet,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        max_held: int = 256,
        changed: Optional[Signal] = None,
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._jitter = jitter
        self._max_held = max_held
        self._changed = Signal() if changed is None else changed
        self.user_rules = fleet.user_rules  # read without the lock: its tables are replaced as a whole
        self.owners = fleet.owners  # read without the lock: only where an id is known are requests searched
        self.changes = 0  # of what it holds, since the start
        self._lock = threading.Lock()
        self._queue = WaitQueue(fleet)
        self._sleeping: dict[Waiter, QueuedRequest] = {}  # all that are queued
        self._draining = False
        self.handed_over = False  # another process serves: what may wait for hours goes there

    # --- leases -------------------------------------------------------------------------------

    def acquire(self, request: RoutingRequest, limits: WaitLimits, check_client: Callable[[], None]) -> Lease:
        """Return what `acquiring` does; this thread sleeps meanwhile."""

        def on_tick() -> RequestCoroutine[None]:
            yield check_client

        return run_coroutine(self.acquiring(request, limits, on_tick))

    def acquiring(
        self,
        request: RoutingRequest,
        limits: WaitLimits,
        on_tick: Callable[[], RequestCoroutine[None]],
        on_wait: Callable[[Waiter], None] = lambda waiter: None,
        queued: Optional[QueuedRequest] = None,
    ) -> RequestCoroutine[Lease]:
        """Return a lease for `request`, with its slot; wait for it within `limits`.

        `queued` is what `acquire_now` returned for the same request; it has slept once.
        `on_tick` is run every CLIENT_CHECK_SEC without the lock and raises when the client has disconnected.
        `on_wait` gets the waiter, once, when it is queued: any thread may read its `wait`.  Raises
        NoUsableAccountError, WaitQueueFullError, DrainingError, or what `on_tick` raises.
        """
        with self._lock:
            now = self._clock()
            if queued is not None and (queued in self._sleeping or queued.lease is not None):
                waiter, queued.is_brief = queued, False
                queued.request = queued.request._replace(facts=request.facts)
            else:
                queued, waiter = None, self._try_enter(request, limits, now)
            if waiter.lease is not None:
                return waiter.lease
            if queued is None:
                self._check_limits(waiter, now)
                self._add(waiter, now)
        try:
            on_wait(waiter)
            while True:
                if queued is None:
                    yield waiter.sleep(self._clock())
                lease = self._take_lease(waiter)
                if lease is not None:
                    return lease
                yield from on_tick()
                queued = None
        except BaseException:
            self.leave(waiter)
            raise

    def acquire_now(
        self, request: RoutingRequest, limits_of: Callable[[], WaitLimits]
    ) -> Union[Lease, QueuedRequest, None]:
        """Return a lease if one can be had at once, a queued waiter if only a slot is lacking, or None.

        The waiter sleeps once; then it has its lease, or goes on by `acquiring`, or is taken out by `leave`.
        Raises WaitQueueFullError or DrainingError.
        """
        with self._lock:
            now, queue = self._clock(), self._queue
            if not request.hold_sec:
                return self._try_enter(request, limits_of(), now).lease
            if queue.waiters:
                self._wake(queue.serve_due(now))
            found = self._fleet.admit(request, now)
            if isinstance(found, Lease):
                self._record_change()
                return found
            if found.account is None or (limits := limits_of()).budget <= 0.0:
                return None
            self.check_draining()
            waiter = QueuedRequest(request, limits, now)
            waiter.wait, waiter.is_brief = found, True
            self._add(waiter, now, found)
            return waiter

    def _add(self, waiter: QueuedRequest, now: float, refused: Optional[Wait] = None) -> None:
        waiting = len(self._queue.waiters)
        if waiting >= self._max_held:
            raise queue_full_error(waiting, expected_account(self._fleet, waiter, now), now, self._jitter())
        waiter.wake_up = WakeUp()
        self._queue.add(waiter, now, refused)
        self._sleeping[waiter] = waiter

    def _try_enter(self, request: RoutingRequest, limits: WaitLimits, now: float) -> QueuedRequest:
        waiter = QueuedRequest(request, limits, now)
        self._wake(self._queue.enter(waiter, now))
        if waiter.lease is not None:
            self._record_change()
        return waiter

    def _take_lease(self, waiter: QueuedRequest) -> Optional[Lease]:
        """Return the lease of a waiter that was served, perhaps just now; raises as `acquiring`."""
        with self._lock:
            now = self._clock()
            if waiter.lease is None and waiter.is_due(now):
                self._wake(self._queue.serve(now))
            if waiter.lease is None:
                self._check_limits(waiter, now)
            else:
                self._record_change()
            return waiter.lease

    def leave(self, waiter: QueuedRequest) -> None:
        """Take a waiter out that gives up."""
        with self._lock:
            self._sleeping.pop(waiter, None)
            self._queue.leave(waiter, now := self._clock())
            if waiter.lease is not None:  # granted in the same instant as its client disconnected
                self._fleet.settle_lease(waiter.lease, now)
            self._after_change(now)

    def _check_limits(self, waiter: QueuedRequest, now: float) -> None:
        assert waiter.wait is not None
        self.check_draining()
        if self._queue.is_hopeless(waiter, now):
            self._queue.tell(waiter, now)
            raise NoUsableAccountError(waiter.wait.decision, now - waiter.since)

    def _wake(self, served: Iterable[Waiter]) -> None:
        for waiter in served:
            self._sleeping.pop(waiter).wake_up()

    # --- what happens to leases -----------------------------------------------------------------

    def record_response(
        self, lease: Lease, status: int, reading: QuotaReading, message: str = "", is_api_error: bool = True
    ) -> ResponseKind:
        """Apply a response to the account and return what it means.

        `message` is its error message; `is_api_error`: its body is an error document of the API.
        """
        with self._lock:
            now = self._clock()
            kind = self._fleet.record_response(
                lease, status, reading, now, self._jitter(), message, is_api_error
            )
            self._after_change(now, lease.account if kind is ResponseKind.SERVED else None)
            return kind

    def confirm_account_429(self, lease: Lease) -> None:
        """Record that a bare 429 was the account's own: another account served the request."""
        self.change(lambda fleet, now: fleet.confirm_account_429(lease, now, self._jitter()))

    def record_account_refusal(self, lease: Lease, message: str) -> None:
        """Record that the account refused what another account then served."""
        self.change(lambda fleet, now: fleet.record_account_refusal(lease, message, now))

    def record_request_fault(self, leases: Iterable[Lease]) -> None:
        """Record that what these accounts refused was the request's own fault."""
        with self._lock:
            for lease in leases:
                self._fleet.record_request_fault(lease)
            self._after_change(self._clock())

    def reset_benches(self, key: str) -> None:
        """Forget every bench and suspicion of an account."""
        self.change(lambda fleet, now: fleet.reset_benches(key, now))

    def mark_auth_failed(self, lease: Lease, message: str) -> None:
        """Record that the API refused the login of the lease's account."""
        self.change(lambda fleet, now: fleet.mark_auth_failed(lease, message))

    def mark_account_auth_failed(self, key: str, message: str) -> None:
        """Record that the login of an account is refused, with or without a lease on it."""
        self.change(lambda fleet, now: fleet.mark_account_auth_failed(key, message))

    def bench_for_login(self, key: str, until: float, message: str) -> None:
        """Bench an account without a usable token until `until` (epoch seconds)."""
        self.change(lambda fleet, now: fleet.bench_for_login(key, until, message, now))

    def credentials_changed(self, keys: Iterable[str]) -> None:
        """Record that these accounts have new credentials: what the old ones met no longer counts."""
        self.change(lambda fleet, now: fleet.credentials_changed(keys, now))

    def release(
        self,
        lease: Lease,
        usage: Usage = NO_USAGE,
        model: Optional[str] = None,
        served: bool = False,
        response: Optional[tuple[int, QuotaReading]] = None,
        unseen: int = 0,
    ) -> None:
        """End a lease; `unseen`: output tokens that `usage` lacks, estimated.

        `response` is its status and quota if not yet applied: by itself that is 2 % of a small request.
        """
        with self._lock:
            now, fleet = self._clock(), self._fleet
            if response is None:
                fleet.settle_lease(lease, now, usage, model, served, unseen)
            else:
                (status, reading), jitter = response, self._jitter()
                fleet.record_and_settle(lease, status, reading, now, jitter, usage, model, served, unseen)
            if not self._queue.waiters:
                self._record_change()
            else:
                is_good = response is None or response[0] < UNSERVED_FROM
                self._after_change(now, lease.account if is_good else None)

    def _after_change(self, now: float, account: Optional[str] = None) -> None:
        """Serve the queue; `account`: the only one that changed, and for the better."""
        if self._queue.waiters:
            known = account in self._fleet.accounts  # else a reload gave it another key
            self._wake(self._queue.serve(now, account if known else None))
        self._record_change()

    def _record_change(self) -> None:
        self.changes += 1
        if not self._changed.is_set:
            self._changed.set()

    # --- the operator ---------------------------------------------------------------------------

    def configure(self, configure: Callable[[Fleet], Changes]) -> Changes:
        """Let `configure` apply a new configuration; what was observed of an account stays."""
        with self._lock:
            changes = configure(self._fleet)
            self._send_brief_away()
            for waiter in self._queue.waiters:
                waiter.request = waiter.request.routed_by(self.user_rules.routes)
            self._after_change(self._clock())
            return changes

    def _send_brief_away(self) -> None:
        """Have those ask again of whom other rules may want to know more (rule 4)."""
        for waiter in [each for each in self._sleeping.values() if each.is_brief]:
            self._queue.leave(waiter, self._clock())
            self._sleeping.pop(waiter).wake_up()

    def pin(self, account: Optional[str], session: Optional[str] = None, project: str = "") -> None:
        """Pin all traffic, one session or a project to an account key; None removes the pin."""
        with self._lock:
            if project:
                self.user_rules.pin(project, account)
                self._send_brief_away()
            else:
                self._fleet.pin(account, session)
            self._after_change(self._clock())

    def drain(self) -> None:
        """Wake all waiters to end with DrainingError; no request is queued any more."""
        with self._lock:
            self._draining = True
            for waiter in self._sleeping.values():
                waiter.wake_up()

    def check_draining(self) -> None:
        """Raise DrainingError once the server stops: no request waits any longer."""
        if self._draining:
            raise DrainingError("The proxy is shutting down; try again in a moment.")

    # --- readers ----------------------------------------------------------------------------------

    def trust_of(self, lease: Lease) -> tuple[bool, bool]:
        """Return whether the account has served since it last refused, and whether it is doubtful."""
        with self._lock:
            account = self._fleet.accounts.get(lease.account)
            if account is None:
                return False, False
            proven = account.proven and not account.refused_scopes
            return proven, account.may_be_at_fault(lease.request.requester, self._clock())

    def is_open(self, lease: Lease) -> bool:
        """Return whether the lease's account could be chosen again at once for the same request."""
        with self._lock:
            account = self._fleet.accounts.get(lease.account)
            if account is None:
                return False
            request = lease.request
            return account.block(request.model, self._fleet.rules, self._clock(), request.scope) is None

    def owner_of(self, id: str) -> Optional[str]:
        """Return the key of the account that made a file, a batch or a skill, as far as known."""
        return self.read(lambda fleet, now: fleet.owners.owner_of(id))

    def record_owner(self, id: str, lease: Lease) -> None:
        """Record that the lease's account has made this id, or has shown that it owns it."""
        self.change(lambda fleet, now: fleet.owners.record(id, lease.account))

    def forget_owner(self, id: str) -> None:
        """Forget the owner of a deleted id."""
        self.change(lambda fleet, now: fleet.owners.discard(id))

    def cached_prefix(self, request: RoutingRequest) -> int:
        """Return the tokens of prompt cache that the conversation has on its present account."""
        with self._lock:
            binding = self._fleet.bindings.get(request.conversation or "")
            if binding is None or not binding.is_warm(self._fleet.rules, self._clock()):
                return 0
            return binding.prefix

    def snapshot(self, tokens: Mapping[str, TokenView], model: Optional[str] = None) -> Snapshot:
        """Return what routing knows; arguments as of `snapshot_of`."""
        return self.read(lambda fleet, now: snapshot_of(fleet, now, tokens, model))

    def outlook(self, waiter: Waiter) -> ExpectedAccount:
        """Return the account that a request is expected to get, and when; renew the words of its wait."""
        with self._lock:
            now = self._clock()
            self._queue.tell(waiter, now)
            return expected_account(self._fleet, waiter, now)

    def read(self, of: Callable[[Fleet, float], T]) -> T:
        """Return what `of` copies from the fleet as it is now."""
        with self._lock:
            return of(self._fleet, self._clock())

    def names(self) -> dict[str, str]:
        """Return account names by key."""
        return self.read(lambda fleet, now: {key: each.name for key, each in fleet.accounts.items()})

    @property
    def waiting(self) -> int:
        """How many requests are queued."""
        with self._lock:
            return len(self._queue.waiters)

    def dump(self) -> dict[str, Any]:
        """Return what the state file saves."""
        with self._lock:
            self._queue.record_places(now := self._clock())
            return dump_state(self._fleet, now)

    def change(self, by: Callable[[Fleet, float], T]) -> T:
        """Change the fleet by a function that gets it and the time; return what that returns."""
        with self._lock:
            now = self._clock()
            result = by(self._fleet, now)
            self._after_change(now)
            return result
