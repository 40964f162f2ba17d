"""The lock, the clock and the waiting line around one `Fleet`.

Rules that hold in this file:

1. `_lock` guards the fleet and the line.  Decide under it, act outside it.
2. Waiters are served in arrival order: whoever changes state walks the line from its head, and a
   newcomer is admitted at once only when nobody in line is due.
3. A waiter sleeps on its own condition until it is served, its wait may have ended by itself, or a
   short beat has passed after which it looks whether its client is still there.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Optional

from ...errors import DrainingError, WaitQueueFullError
from ...routing.fleet import Changes, Fleet
from ...routing.outlook import ExpectedAccount, expected_account
from ...routing.persistence import dump_state, restore_state
from ...routing.policies.base import Policy
from ...routing.quota.model_prices import Pricing
from ...routing.quota.rules import Rules
from ...routing.quota.usage import NO_USAGE, Usage
from ...routing.quota.windows import QuotaReading
from ...routing.response_kinds import ResponseKind
from ...routing.state.account import AccountSpec
from ...routing.state.decision import Decision, Lease, RoutingRequest
from ...routing.view import AccountState, snapshot_of, states_of
from ...routing.wait_queue import NO_WAIT, Waiter, WaitLimits, WaitQueue
from ...snapshot import Snapshot, TokenView

__all__ = ["NO_WAIT", "NoUsableAccountError", "Router", "WaitLimits"]

# How often a waiter looks whether its client left: well under the 1 s in which that must be noticed.
CLIENT_CHECK_SEC = 0.4


class NoUsableAccountError(Exception):
    """No account could be had within the patience; `decision` says why for each."""

    def __init__(self, decision: Decision, waited: float) -> None:
        super().__init__(decision.reason)
        self.decision = decision
        self.waited = waited


class _SleepingWaiter(Waiter):
    """A waiter whose thread sleeps until it is served."""

    woken: threading.Condition  # once it stands in line: most never do, and it takes 3 us to make


class Router:
    """Thread-safe door to one fleet; every method is one critical section, except `acquire`."""

    def __init__(
        self,
        fleet: Fleet,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[], float] = random.random,
        max_held: int = 256,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._jitter = jitter
        self._max_held = max_held
        self._on_change = on_change
        self._lock = threading.Lock()
        self._queue = WaitQueue(fleet)
        self._sleeping: dict[Waiter, _SleepingWaiter] = {}
        self._draining = False

    # --- leases -------------------------------------------------------------------------------

    def acquire(
        self,
        ask: RoutingRequest,
        patience: WaitLimits,
        check_client: Callable[[], None],
        on_wait: Callable[[Waiter], None] = lambda waiter: None,
    ) -> Lease:
        """An account and its slot for `ask`, waiting up to `patience`.

        `check_client` is called every beat without the lock and raises when the client has left; `waits`
        gets the waiter, once, when it has to stand in line: its `wait` may then be read by any thread.
        Raises NothingUsable, TooManyHeld, Draining, or what `check_client` raises.
        """
        with self._lock:
            now = self._clock()
            waiter = self._try_enter(ask, patience, now)
            if waiter.lease is not None:
                return waiter.lease
            self._check_patience(waiter, now)
            if len(self._queue.waiters) >= self._max_held:
                raise WaitQueueFullError(
                    f"{len(self._queue.waiters)} requests are already waiting for an account; try again."
                )
            waiter.woken = threading.Condition(self._lock)
            self._queue.waiters.append(waiter)
            self._sleeping[waiter] = waiter
        try:
            on_wait(waiter)
            return self._wait_in_queue(waiter, check_client)
        except BaseException:
            self._leave_queue(waiter)
            raise

    def acquire_now(self, ask: RoutingRequest, patience: WaitLimits) -> Optional[Lease]:
        """As `acquire`, but None at once when it would take longer or can't be."""
        with self._lock:
            return self._try_enter(ask, patience, self._clock()).lease

    def _try_enter(self, ask: RoutingRequest, patience: WaitLimits, now: float) -> _SleepingWaiter:
        waiter = _SleepingWaiter(ask, patience, now)
        served = self._queue.enter(waiter, now)
        if served:
            self._wake(served)
        if waiter.lease is not None:
            self._on_change()
        return waiter

    def _wait_in_queue(self, waiter: _SleepingWaiter, check_client: Callable[[], None]) -> Lease:
        while True:
            with self._lock:
                if waiter.lease is None:
                    waiter.woken.wait(self._sleep_sec(waiter))
                now = self._clock()
                if waiter.lease is None and waiter.is_due(now):
                    self._serve_queue(now)
                if waiter.lease is not None:
                    self._on_change()
                    return waiter.lease
                self._check_patience(waiter, now)
            check_client()

    def _leave_queue(self, waiter: _SleepingWaiter) -> None:
        with self._lock:
            self._sleeping.pop(waiter, None)
            with suppress(ValueError):
                self._queue.waiters.remove(waiter)
            if waiter.lease is not None:  # granted in the same instant as its client left
                self._fleet.settle_lease(waiter.lease, self._clock())
            self._serve_queue(self._clock())

    def _sleep_sec(self, waiter: _SleepingWaiter) -> float:
        until = waiter.wait.until if waiter.wait is not None else float("inf")
        return max(0.001, min(CLIENT_CHECK_SEC, until - self._clock()))

    def _check_patience(self, waiter: _SleepingWaiter, now: float) -> None:
        assert waiter.wait is not None
        self.check_draining()
        if self._queue.is_hopeless(waiter, now):
            raise NoUsableAccountError(waiter.wait.decision, now - waiter.since)

    def _serve_queue(self, now: float) -> None:
        self._wake(self._queue.serve(now))

    def _wake(self, served: Iterable[Waiter]) -> None:
        for waiter in served:
            self._sleeping.pop(waiter).woken.notify()

    # --- what happens to leases -----------------------------------------------------------------

    def apply_response(
        self, lease: Lease, status: int, reading: QuotaReading, words: str = "", api_words: bool = True
    ) -> ResponseKind:
        with self._lock:
            now = self._clock()
            kind = self._fleet.record_response(lease, status, reading, now, self._jitter(), words, api_words)
            self._after_change(now, lease.account if kind is ResponseKind.SERVED else None)
            return kind

    def confirm_account_429(self, lease: Lease) -> None:
        with self._lock:
            now = self._clock()
            self._fleet.confirm_account_429(lease, now, self._jitter())
            self._after_change(now)

    def sideline(self, lease: Lease, words: str) -> None:
        """It refused what another account then served."""
        with self._lock:
            now = self._clock()
            self._fleet.record_account_refusal(lease, words, now)
            self._after_change(now)

    def dismiss_suspicion(self, leases: Iterable[Lease]) -> None:
        """What these accounts refused was the request's own fault."""
        with self._lock:
            for lease in leases:
                self._fleet.record_request_fault(lease)
            self._after_change(self._clock())

    def clear_penalties(self, key: str) -> None:
        """Whatever is held against an account is forgotten."""
        with self._lock:
            now = self._clock()
            self._fleet.reset_benches(key, now)
            self._after_change(now)

    def mark_auth_failed(self, lease: Lease, words: str) -> None:
        with self._lock:
            self._fleet.mark_auth_failed(lease, words)
            self._after_change(self._clock())

    def mark_account_auth_failed(self, key: str, words: str) -> None:
        """The login of an account is over, whether anybody uses it or not."""
        with self._lock:
            self._fleet.mark_account_auth_failed(key, words)
            self._after_change(self._clock())

    def bench_login(self, key: str, until: float, words: str) -> None:
        """The account has no token that is good, until then at least."""
        with self._lock:
            now = self._clock()
            self._fleet.bench_for_login(key, until, words, now)
            self._after_change(now)

    def credentials_renewed(self, keys: Iterable[str]) -> None:
        """These accounts have new credentials: whatever the old ones met is over."""
        with self._lock:
            now = self._clock()
            self._fleet.credentials_changed(keys, now)
            self._after_change(now)

    def release(
        self,
        lease: Lease,
        usage: Usage = NO_USAGE,
        model: Optional[str] = None,
        served: bool = False,
        answer: Optional[tuple[int, QuotaReading]] = None,
    ) -> None:
        """The end of a lease; `answer` is its status and quota if `answered` was not told (4 us less)."""
        with self._lock:
            now = self._clock()
            if answer is None:
                self._fleet.settle_lease(lease, now, usage, model, served)
            else:
                self._fleet.record_and_settle(lease, *answer, now, self._jitter(), usage, model, served)
            self._after_change(now, lease.account if answer is None or answer[0] < 300 else None)

    def _after_change(self, now: float, account: Optional[str] = None) -> None:
        """`account`: to which alone something happened, and nothing bad."""
        if self._queue.waiters:
            known = account in self._fleet.accounts  # else it has another key since a reload
            self._wake(self._queue.serve(now, account if known else None))
        self._on_change()

    # --- the operator ---------------------------------------------------------------------------

    def configure(
        self,
        specs: Iterable[AccountSpec],
        rules: Rules,
        policy: Policy,
        prices: Mapping[str, Pricing],
        renewed: Iterable[str] = (),
    ) -> Changes:
        """Take over a new configuration; what was observed of an account stays."""
        with self._lock:
            self._fleet.set_policy(rules, policy)
            self._fleet.prices = prices
            changes = self._fleet.configure(specs, renewed)
            self._after_change(self._clock())
            return changes

    def pin(self, account: Optional[str], session: Optional[str] = None) -> None:
        with self._lock:
            self._fleet.pin(account, session)
            self._after_change(self._clock())

    def drain(self) -> None:
        """Send everybody in line away; nobody is admitted to it any more."""
        with self._lock:
            self._draining = True
            for waiter in self._sleeping.values():
                waiter.woken.notify()

    def check_draining(self) -> None:
        """Raise Draining once the server stops: what waits, for whatever, is sent away."""
        if self._draining:
            raise DrainingError("The proxy is shutting down; try again in a moment.")

    def clock_moved(self) -> None:
        """The clock was moved: look at the line again."""
        with self._lock:
            self._serve_queue(self._clock())

    # --- readers ----------------------------------------------------------------------------------

    def trust_of(self, lease: Lease) -> tuple[bool, bool]:
        """Whether the lease's account has served since it was last refused, and whether it is doubtful."""
        with self._lock:
            account = self._fleet.accounts.get(lease.account)
            if account is None:
                return False, False
            proven = account.proven and not account.refused_scopes
            return proven, account.may_be_at_fault(lease.request.requester, self._clock())

    def is_open(self, lease: Lease) -> bool:
        """Nothing known keeps the lease's account from being taken again for the same request."""
        with self._lock:
            account = self._fleet.accounts.get(lease.account)
            if account is None:
                return False
            ask = lease.request
            return account.block(ask.model, self._fleet.rules, self._clock(), ask.scope) is None

    def owner_of(self, id: str) -> Optional[str]:
        """The key of the account that made a file, a batch or a skill, as far as known."""
        with self._lock:
            return self._fleet.owners.owner_of(id)

    def record_owner(self, id: str, lease: Lease) -> None:
        """The lease's account has made this id, or has shown that it is its own."""
        with self._lock:
            self._fleet.owners.record(id, lease.account)
            self._on_change()

    def forget_owner(self, id: str) -> None:
        """It was deleted."""
        with self._lock:
            self._fleet.owners.discard(id)
            self._on_change()

    @property
    def knows_owners(self) -> bool:
        """Whether any id is known: only then a request is searched for some."""
        return len(self._fleet.owners) > 0

    def cached_prefix(self, ask: RoutingRequest) -> int:
        """Tokens of prompt cache that the conversation has where it is now."""
        with self._lock:
            binding = self._fleet.bindings.get(ask.conversation or "")
            if binding is None or not binding.is_warm(self._fleet.rules, self._clock()):
                return 0
            return binding.prefix

    def choose(self, ask: RoutingRequest) -> Decision:
        with self._lock:
            return self._fleet.choose(ask, self._clock())

    def snapshot(self, tokens: Mapping[str, TokenView]) -> Snapshot:
        """Return what routing knows; `tokens` are the states of the logins by account key."""
        with self._lock:
            return snapshot_of(self._fleet, self._clock(), tokens)

    def outlook(self, waiter: Waiter) -> ExpectedAccount:
        """The account that a waiting request is expected to get, and when."""
        with self._lock:
            return expected_account(self._fleet, waiter, self._clock())

    def accounts(self) -> tuple[AccountState, ...]:
        """What log lines tell of the accounts; no conversations are copied."""
        with self._lock:
            return states_of(self._fleet, self._clock())

    def names(self) -> dict[str, str]:
        """Account names by key."""
        with self._lock:
            return {key: account.name for key, account in self._fleet.accounts.items()}

    @property
    def rules(self) -> Rules:
        return self._fleet.rules

    @property
    def waiting(self) -> int:
        with self._lock:
            return len(self._queue.waiters)

    def dump(self) -> dict[str, Any]:
        with self._lock:
            return dump_state(self._fleet, self._clock())

    def restore(self, data: Mapping[str, Any]) -> list[str]:
        with self._lock:
            return restore_state(self._fleet, data, self._clock())
