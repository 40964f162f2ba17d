"""The waiting line in front of a fleet: who is served next, and for how long waiting makes sense.

Pure: the proxy's router puts a lock and sleeping threads around it, the lab a virtual clock.
Waiters are served in arrival order: whoever changes state walks the line from its head, and a
newcomer is admitted at once only after everybody who is due.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import NamedTuple, Optional

from .fleet import Fleet
from .state.decision import NEVER, Lease, Reason, RoutingRequest, Wait

__all__ = ["NO_WAIT", "WaitQueue", "WaitLimits", "Waiter"]


NEGLIGIBLE_SEC = 0.005  # not worth reckoning with: 2 us of a small request


class WaitLimits(NamedTuple):
    """How long a request may wait for an account."""

    budget: float = 0.0  # seconds; 0: an account now or none
    paid_after: float = NEVER  # seconds until a last-resort API key may serve it
    slots_only: bool = False  # it waits for a slot of a usable account, not for one to become usable

    def remaining(self, spent: float) -> WaitLimits:
        """What is left of it when so many seconds have passed; none have where the clock was set back."""
        if spent < NEGLIGIBLE_SEC:
            return self
        return self._replace(
            budget=max(0.0, self.budget - spent), paid_after=max(0.0, self.paid_after - spent)
        )

    def for_slot_only(self, most: float = NEVER) -> WaitLimits:
        """The same, for a slot alone and `most` seconds."""
        return self._replace(budget=min(self.budget, most), slots_only=True)


NO_WAIT = WaitLimits()


class Waiter:
    """One request that asks for an account; it holds a lease, or what it waits for."""

    def __init__(self, request: RoutingRequest, limits: WaitLimits, since: float) -> None:
        # What waits for a slot alone is not held back by a policy either.
        hold = 0.0 if limits.slots_only else limits.budget
        self.request = request.with_hold(hold) if hold != request.hold_sec else request
        self.limits = limits
        self.since = since
        self.last_attempt_at = since  # when it was last tried
        self.lease: Optional[Lease] = None
        self.wait: Optional[Wait] = None

    def record_attempt(self, now: float) -> float:
        """It is tried now; seconds it has waited, which no clock that is set back takes away."""
        if now < self.last_attempt_at:
            self.since -= self.last_attempt_at - now
        self.last_attempt_at = now
        return now - self.since

    def is_due(self, now: float) -> bool:
        """What it waits for may be there by itself."""
        assert self.wait is not None
        waited = now - self.since
        return (
            self.wait.until <= now
            or now < self.last_attempt_at  # the clock was set back: `until` is of another time
            or waited >= self.limits.budget
            or (not self.request.allow_paid and waited >= self.limits.paid_after)
        )

    def due_at(self) -> float:
        """When `due` becomes true without an event."""
        assert self.wait is not None
        paid = NEVER if self.request.allow_paid else self.since + self.limits.paid_after
        return min(self.wait.until, self.since + self.limits.budget, paid)


class WaitQueue:
    """The line of one fleet; every method is one step in whatever guards the fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.waiters: deque[Waiter] = deque()

    def enter(self, waiter: Waiter, now: float) -> list[Waiter]:
        """Serve who is due, then look for an account for the newcomer, who does not yet stand in line.

        Returns those in line who were served.
        """
        served = self.serve(now) if self.waiters and any(w.is_due(now) for w in self.waiters) else []
        self._try_now(waiter, now)
        return served

    def serve(self, now: float, changed: Optional[str] = None) -> list[Waiter]:
        """Walk the line from its head; returns those who got a lease and left it.

        `changed` is the account to which alone something happened, and nothing bad: a warm conversation that
        waits for its own account, another one, need not be tried.  With 20 in line: 100 us per answer.
        """
        served: list[Waiter] = []
        left: deque[Waiter] = deque()
        hopeless: dict[Hashable, Wait] = {}
        for waiter in self.waiters:
            if changed is not None and self._waits_for_other_account(waiter, changed, now):
                left.append(waiter)
                continue
            alike = _constraints(waiter)
            known = hopeless.get(alike) if not waiter.is_due(now) else None
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
                hopeless[alike] = waiter.wait
        self.waiters = left
        return served

    def _waits_for_other_account(self, waiter: Waiter, changed: str, now: float) -> bool:
        """It waits for a slot where its cache is, and not for so long that it would take another."""
        wait = waiter.wait
        if wait is None or wait.account in (None, changed) or wait.decision.reason != Reason.KEPT:
            return False
        return now - waiter.since < self._fleet.rules.slot_wait_sec and not waiter.is_due(now)

    def is_hopeless(self, waiter: Waiter, now: float) -> bool:
        """Nothing it waits for can come within its patience."""
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
        accounts = self._fleet.accounts.values()
        return any(
            (a.spec.is_paid or (a.spec.allow_extra_usage and a.extra_usage))
            and a.spec.enabled
            and not a.auth_failed
            for a in accounts
        )

    def _try_now(self, waiter: Waiter, now: float) -> None:
        waited = waiter.record_attempt(now)
        ask = waiter.request
        if waited >= waiter.limits.paid_after and not ask.allow_paid:
            ask = waiter.request = ask._replace(allow_paid=True)
        if waited >= waiter.limits.budget:
            # The last look: a slot of any account is better than a refusal for want of one.
            waited = max(waited, self._fleet.rules.slot_wait_sec)
        result = self._fleet.admit(ask, now, waited)
        if isinstance(result, Lease):
            waiter.lease = result
        else:
            waiter.wait = result


def _constraints(waiter: Waiter) -> Hashable:
    """Requests that differ in nothing on which "no account is usable" depends."""
    ask = waiter.request
    return (ask.model, ask.betas, ask.tried, ask.allow_paid, ask.pin, ask.owner, ask.needs_slot)
