"""The queue of requests that wait for an account: who is tried next, and how long waiting makes sense.

Pure: the proxy's router puts a lock and sleeping threads around it, the lab a virtual clock.

Rules that hold in this file:

1. Waiters are tried in arrival order: whoever changes state walks the queue from its head.  A new request is
   admitted at once only after everybody who is due.
2. A waiter is due when an event cannot help: its `until` has passed, its budget is spent, a paid key may
   serve it now, or the clock moved back.
3. Where nothing can serve a request, requests with the same constraints are not tried within the same walk.

The account that a waiter is expected to get (`expected_account`, which changes nothing):

4. A request that waits for a slot is expected on that account, at no known time.
5. A request that no account can serve is expected on the first of the excluded accounts that comes back by
   itself; an account that already refused it, or that needs its owner, does not.
6. What costs money, a last-resort key or extra usage, is expected when the request has waited long enough to
   be given it.
7. A request that the policy holds at the gate is expected nowhere.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from typing import NamedTuple, Optional

from .fleet import Fleet
from .state.decision import NEVER, Lease, Reason, RoutingRequest, Wait

__all__ = [
    "NOT_EXPECTED",
    "NO_WAIT",
    "ExpectedAccount",
    "WaitLimits",
    "WaitQueue",
    "Waiter",
    "expected_account",
]

_STAYING = (Reason.KEPT, Reason.THREAD)
NEGLIGIBLE_SEC = 0.005  # time spent that is not subtracted: 2 us of a small request
ROUNDING_SEC = 1e-3


class WaitLimits(NamedTuple):
    """How long a request may wait for an account."""

    budget: float = 0.0  # seconds; 0: an account now or none
    paid_after: float = NEVER  # seconds until a last-resort API key may serve it
    slots_only: bool = False  # it waits for a slot of a usable account, not for one to become usable

    def remaining(self, spent: float) -> WaitLimits:
        """Return the limits when `spent` seconds have passed; none have where the clock moved back."""
        if spent < NEGLIGIBLE_SEC:
            return self
        return self._replace(
            budget=max(0.0, self.budget - spent), paid_after=max(0.0, self.paid_after - spent)
        )

    def for_slot_only(self, most: float = NEVER) -> WaitLimits:
        """Return the limits for a wait of at most `most` seconds for nothing but a slot."""
        return self._replace(budget=min(self.budget, most), slots_only=True)


NO_WAIT = WaitLimits()


class Waiter:
    """One request that asks for an account; it holds a lease, or what it waits for."""

    def __init__(self, request: RoutingRequest, limits: WaitLimits, since: float) -> None:
        # What waits for a slot alone is not held by a policy either.
        hold = 0.0 if limits.slots_only else limits.budget
        self.request = request.with_hold(hold) if hold != request.hold_sec else request
        self.limits = limits
        self.since = since
        self.last_attempt_at = since
        self.lease: Optional[Lease] = None
        self.wait: Optional[Wait] = None

    def record_attempt(self, now: float) -> float:
        """Record an attempt; return the seconds waited, which a clock that moves back does not reduce."""
        if now < self.last_attempt_at:
            self.since -= self.last_attempt_at - now
        self.last_attempt_at = now
        return now - self.since

    def is_due(self, now: float) -> bool:
        """Return whether an attempt makes sense without an event."""
        assert self.wait is not None
        waited = now - self.since
        return (
            self.wait.until <= now
            or now < self.last_attempt_at  # the clock moved back: `until` is of another time
            or waited >= self.limits.budget
            or (not self.request.allow_paid and waited >= self.limits.paid_after)
        )

    def due_at(self) -> float:
        """Return when `is_due` becomes true without an event (epoch seconds)."""
        assert self.wait is not None
        paid = NEVER if self.request.allow_paid else self.since + self.limits.paid_after
        return min(self.wait.until, self.since + self.limits.budget, paid)


class WaitQueue:
    """The waiters of one fleet; every method is one step under whatever guards the fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.waiters: deque[Waiter] = deque()

    def enter(self, waiter: Waiter, now: float) -> list[Waiter]:
        """Serve the waiters that are due, then try the new one, which is not in the queue yet.

        Return those of the queue that were served.
        """
        served = self.serve(now) if self.waiters and any(w.is_due(now) for w in self.waiters) else []
        self._try_now(waiter, now)
        return served

    def serve(self, now: float, changed: Optional[str] = None) -> list[Waiter]:
        """Walk the queue from its head; return the waiters that got a lease and left it.

        `changed` is the only account to which something happened, and nothing bad: a warm conversation that
        waits for another account, its own, need not be tried.  With 20 waiters: 100 us per response.
        """
        served: list[Waiter] = []
        left: deque[Waiter] = deque()
        same_for_all: dict[Hashable, Wait] = {}
        for waiter in self.waiters:
            if changed is not None and self._waits_for_other_account(waiter, changed, now):
                left.append(waiter)
                continue
            constraints = waiter.request.constraints
            known = same_for_all.get(constraints) if not waiter.is_due(now) else None
            if known is not None:
                waiter.wait = known
                waiter.record_attempt(now)
            else:
                self._try_now(waiter, now)
            if waiter.lease is not None:
                served.append(waiter)
                continue
            left.append(waiter)
            if waiter.wait is not None and waiter.wait.is_same_for_all:
                same_for_all[constraints] = waiter.wait
        self.waiters = left
        return served

    def _waits_for_other_account(self, waiter: Waiter, changed: str, now: float) -> bool:
        """Return whether it waits for a slot where its cache is, and not so long that it takes another."""
        wait = waiter.wait
        if wait is None or wait.account in (None, changed) or wait.decision.reason not in _STAYING:
            return False
        return now - waiter.since < self._fleet.rules.slot_wait_sec and not waiter.is_due(now)

    def is_hopeless(self, waiter: Waiter, now: float) -> bool:
        """Return whether nothing it waits for can come within its limits."""
        assert waiter.wait is not None
        waited = now - waiter.since
        left = waiter.limits.budget - waited
        if waiter.limits.slots_only and not waiter.wait.is_for_slot:
            return True
        # A slot may come free at any moment; a bench or a window ends when it ends.
        recovery = 0.0 if waiter.wait.is_for_slot else waiter.wait.until - now
        paid_in = waiter.limits.paid_after - waited if self._has_paid() else NEVER
        return left <= 0 or min(recovery, paid_in) > left

    def _has_paid(self) -> bool:
        return any(
            (a.spec.is_paid or (a.spec.allow_extra_usage and a.extra_usage))
            and a.spec.enabled
            and not a.auth_failed
            for a in self._fleet.accounts.values()
        )

    def _try_now(self, waiter: Waiter, now: float) -> None:
        waited = waiter.record_attempt(now)
        request = waiter.request
        if waited >= waiter.limits.paid_after and not request.allow_paid:
            request = waiter.request = request._replace(allow_paid=True)
        if waited >= waiter.limits.budget:
            # The last attempt: a slot of any account is better than a refusal for want of one.
            waited = max(waited, self._fleet.rules.slot_wait_sec)
        result = self._fleet.admit(request, now, waited)
        if isinstance(result, Lease):
            waiter.lease = result
        else:
            waiter.wait = result


# --- the account a waiter is expected to get --------------------------------------------------------


class ExpectedAccount(NamedTuple):
    """The account a waiter is expected to get, and when; None: not known."""

    account: Optional[str] = None  # name
    back_at: Optional[float] = None  # epoch seconds


NOT_EXPECTED = ExpectedAccount()


def expected_account(fleet: Fleet, waiter: Waiter, now: float) -> ExpectedAccount:
    """Return what `waiter` may expect as of `now`."""
    wait = waiter.wait
    if wait is None:
        return NOT_EXPECTED
    if wait.account is not None:
        account = fleet.accounts.get(wait.account)
        return ExpectedAccount(wait.account if account is None else account.name)
    if wait.decision.reason == Reason.GATE:
        return NOT_EXPECTED
    returns = [*_returning_accounts(fleet, waiter, now), *_paid_accounts(fleet, waiter, now)]
    return min(returns, key=lambda expected: expected.back_at or 0.0, default=NOT_EXPECTED)


def _returning_accounts(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[ExpectedAccount]:
    """Yield those of the excluded accounts that come back by themselves."""
    assert waiter.wait is not None
    decision, request = waiter.wait.decision, waiter.request
    # Only paid keys come back earlier than the decision says: it does not count them.
    earliest = 0.0 if decision.retry_at is None else decision.retry_at - ROUNDING_SEC
    for key in dict.fromkeys(excluded.account for excluded in decision.excluded):
        account = fleet.accounts.get(key)
        block = None if account is None else account.block(request.model, fleet.rules, now, request.scope)
        if account is None or block is None or key in request.tried:
            continue
        if earliest <= block.until < NEVER:
            yield ExpectedAccount(account.name, block.until)


def _paid_accounts(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[ExpectedAccount]:
    request, at = waiter.request, waiter.since + waiter.limits.paid_after
    if request.allow_paid or request.pin is not None or at >= NEVER:
        return
    for account in fleet.accounts.values():
        costly = account.is_costly(request.model, fleet.rules, now)
        if costly and account.block(request.model, fleet.rules, at, request.scope) is None:
            yield ExpectedAccount(account.name, at)
