"""One request that waits for an account: for how long it may, and what it waits for."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Optional

from ...values import NamedTuple
from .decision import NEVER, Decision, Lease, Reason, RoutingRequest, Wait
from .gate_queue import RECHECK_SEC

__all__ = ["NO_WAIT", "Alike", "Quiet", "QuietGroup", "WaitLimits", "Waiter", "WaiterGroup"]

NEGLIGIBLE_SEC = 0.005  # time spent that is not subtracted: 2 us of a small request


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


# What quiet waiters have in common that the same slots can serve: the key of the account where their caches
# are, and their constraints.
QuietGroup = tuple[str, Hashable]


class Quiet(NamedTuple):
    """What is known of a waiter that only a slot where its cache is can serve: rule 5 of wait_queue.py."""

    until: float  # epoch seconds: then it may be served elsewhere, or be refused
    conversation: str
    group: QuietGroup


class Alike:
    """What waiters at the gate have in common that differ in nothing but their age; compared by identity."""

    def __init__(self, request: RoutingRequest) -> None:
        self.request = request  # of one of them: its constraints and its parent are those of all


class Waiter:
    """One request that asks for an account; it holds a lease, or what it waits for.

    The gate holds many requests at once, again and again.  Each time only `until` changes; `wait` is put
    together when it is read.
    """

    number = 0  # in the order in which waiters were queued
    lease: Optional[Lease] = None
    quiet: Optional[Quiet] = None
    group: WaiterGroup  # where the queue has filed it
    filed_place: float  # its place then
    until = NEVER  # of `wait`: when another attempt makes sense without an event
    is_unknown = False  # to the policy
    # While the gate holds it: what it has in common with those that are held as long as it is, and until when
    # that is so.
    alike: Optional[Alike] = None
    alike_until = -NEVER
    _wait: Optional[Wait] = None

    def __init__(self, request: RoutingRequest, limits: WaitLimits, since: float) -> None:
        # What waits for a slot alone is not held by a policy either.
        hold = 0.0 if limits.slots_only else limits.budget
        self._request = request._replace(hold_sec=hold) if hold != request.hold_sec else request
        self.conversation = request.conversation
        self.limits = limits
        self.since = since
        self.place = since  # since when its conversation has waited, if that has been sent away meanwhile
        self.last_attempt_at = since

    @property
    def request(self) -> RoutingRequest:
        """What it asks for."""
        return self._request

    @request.setter
    def request(self, request: RoutingRequest) -> None:
        self._request, self.alike = request, None

    @property
    def wait(self) -> Optional[Wait]:
        """What it waits for; None before its first attempt, and if that gave it a lease."""
        wait, until = self._wait, self.until
        if wait is None or wait.until == until:
            return wait
        return wait._replace(decision=wait.decision._replace(retry_at=until), until=until)

    @wait.setter
    def wait(self, wait: Wait) -> None:
        self._wait, self.until, self.alike = wait, wait.until, None

    def hold_on(self, now: float) -> None:
        """Record that the gate still holds it."""
        self.last_attempt_at, self.until = now, now + RECHECK_SEC

    def tell(self, decision: Decision) -> None:
        """Take the words of a newer decision that holds it."""
        self._wait = Wait(decision, -NEVER)

    def is_alike(self, at: float) -> bool:
        """Return whether the gate still held it at `at` if it held the others."""
        return self.alike is not None and self.last_attempt_at <= at < self.alike_until

    @property
    def reason(self) -> str:
        """The reason of its last decision; empty before that."""
        return "" if self._wait is None else self._wait.decision.reason

    @property
    def account(self) -> Optional[str]:
        """The account, by its key, for a slot of which it waits; None: it waits for no slot."""
        return None if self._wait is None else self._wait.account

    @property
    def is_at_gate(self) -> bool:
        """Whether a policy holds it at its gate."""
        return self._wait is not None and self._wait.decision.reason == Reason.GATE

    def record_attempt(self, now: float) -> float:
        """Record an attempt; return the seconds waited, which a clock that moves back does not reduce."""
        if now < self.last_attempt_at:
            self.since -= self.last_attempt_at - now
        self.last_attempt_at = now
        return now - self.since

    @property
    def changes_at(self) -> float:
        """When its budget is spent, or a paid key may serve it (epoch seconds)."""
        budget, paid_after, _ = self.limits
        return self.since + (budget if self._request.allow_paid else min(budget, paid_after))

    def may_pay_from(self, waited: float) -> bool:
        """Return whether a paid key may serve it after `waited` seconds, and might not before."""
        return waited >= self.limits.paid_after and not self._request.allow_paid

    def is_due(self, now: float) -> bool:
        """Return whether an attempt makes sense without an event."""
        waited = now - self.since
        return (
            self.until <= now
            or now < self.last_attempt_at  # the clock moved back: `until` is of another time
            or waited >= self.limits.budget
            or self.may_pay_from(waited)
        )

    def due_at(self) -> float:
        """Return when `is_due` becomes true without an event (epoch seconds)."""
        return min(self.until, self.changes_at)


class WaiterGroup(list[Waiter]):
    """Waiters that a queue keeps together; `is_full`: in this walk there is no slot for them any more."""

    is_full = False
