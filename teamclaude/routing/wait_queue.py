"""The queue of requests that wait for an account: who is tried next, and how long waiting makes sense.

Pure: the proxy's router puts a lock around it and lets requests sleep, the lab a virtual clock.

Rules that hold in this file:

1. Waiters are tried in arrival order, where what counts for a conversation that was sent away is when it
   began to wait (state/places.py): whoever changes state walks the queue from its head.  A new request is
   admitted at once only after everybody who is due.
2. A waiter is due when an event cannot help: its `until` has passed, its budget is spent, a paid key may
   serve it now, or the clock moved back.
3. Where nothing can serve a request, requests with the same constraints are not tried within the same walk.
4. Nor are new conversations that a policy holds at its gate because it holds one with less ahead of it
   (shared_choice.py).  Their decisions' words are at most TELL_AGAIN_SEC old.
5. Nor are conversations that can do nothing but wait for a slot where their cache is (`Quiet`): while
   another account changes, and once one of them with the same constraints got the last one in the same walk,
   or none.
   With 49 waiters on three accounts a response cost 17 attempts, and takes 1 now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable
from operator import attrgetter
from typing import Optional

from ..values import NamedTuple
from .fleet import Fleet
from .shared_choice import SharedChoices
from .state.conversations import RECHECK_SEC
from .state.decision import NEVER, Lease, Reason, RoutingRequest, Wait
from .state.places import KEEPS_PLACE

__all__ = ["NO_WAIT", "WaitLimits", "WaitQueue", "Waiter"]

_PLACE = attrgetter("place")
_STAYING = (Reason.KEPT, Reason.THREAD)
NEGLIGIBLE_SEC = 0.005  # time spent that is not subtracted: 2 us of a small request
TELL_AGAIN_SEC = 60.0  # until a decision tells that what is ahead at the gate has changed
NOT_HELD = (-1, -NEVER)


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


class Quiet(NamedTuple):
    """What is known of a waiter that only a slot where its cache is can serve (rule 5)."""

    until: float  # epoch seconds: then it may be served elsewhere, or be refused
    home: str  # the account's key
    conversation: str
    constraints: Hashable


class Waiter:
    """One request that asks for an account; it holds a lease, or what it waits for."""

    def __init__(self, request: RoutingRequest, limits: WaitLimits, since: float) -> None:
        # What waits for a slot alone is not held by a policy either.
        hold = 0.0 if limits.slots_only else limits.budget
        self.request = request.with_hold(hold) if hold != request.hold_sec else request
        self.limits = limits
        self.since = since
        self.place = since  # since when its conversation has waited, if that has been sent away meanwhile
        self.last_attempt_at = since
        self.lease: Optional[Lease] = None
        self.wait: Optional[Wait] = None
        self._is_unknown = False  # to the policy
        self.held = NOT_HELD  # by the gate at its last attempt: how many were ahead, and when that was
        self.quiet: Optional[Quiet] = None

    def record_attempt(self, now: float) -> float:
        """Record an attempt; return the seconds waited, which a clock that moves back does not reduce."""
        if now < self.last_attempt_at:
            self.since -= self.last_attempt_at - now
        self.last_attempt_at = now
        return now - self.since

    def is_anonymous(self, fleet: Fleet, now: float) -> bool:
        """Return whether neither fleet nor policy know its conversation; policies learn what is bound."""
        conversation = self.request.conversation
        if conversation is None or conversation in fleet.bindings:
            return False
        self._is_unknown = self._is_unknown or not fleet.policy.knows(conversation, now)
        return self._is_unknown

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
        self._none_due_until = NEVER  # no waiter is due before, unless the clock moves back
        self._tried_at = -NEVER  # the last attempt of any

    def enter(self, waiter: Waiter, now: float) -> list[Waiter]:
        """Serve the waiters that are due, then try the new one, not queued yet; return who was served."""
        served = self.serve(now) if self.waiters and self._is_any_due(now) else []
        self._try_now(waiter, now)
        return served

    def _is_any_due(self, now: float) -> bool:
        if self._tried_at <= now < self._none_due_until:
            return False
        self._none_due_until = min(waiter.due_at() for waiter in self.waiters)
        return any(waiter.is_due(now) for waiter in self.waiters)

    def serve(self, now: float, changed: Optional[str] = None) -> list[Waiter]:
        """Walk the queue from its head; return the waiters that got a lease and left it.

        `changed` is the only account to which something happened, and nothing bad: a warm conversation that
        waits for another account, its own, need not be tried.  With 20 waiters: 100 us per response.
        """
        served: list[Waiter] = []
        left: deque[Waiter] = deque()
        full: Hashable = None  # the constraints of a quiet waiter that has found no slot of `changed`
        shared = self._fleet.shared = SharedChoices()
        try:
            for waiter in sorted(self.waiters, key=_PLACE):
                quiet = waiter.quiet
                if (
                    quiet is not None
                    and changed is not None
                    and waiter.last_attempt_at <= now < quiet.until
                    and (quiet.home != changed or (full == quiet.constraints and self._is_bound(quiet)))
                ):
                    left.append(waiter)
                    continue
                if changed is None or not self._waits_for_other_account(waiter, changed, now):
                    self._try_in_walk(waiter, shared, now)
                    if changed is not None and self._leaves_none(waiter, quiet, changed, now):
                        full = waiter.request.constraints
                (left if waiter.lease is None else served).append(waiter)
        finally:
            self._fleet.shared = None
        self.waiters = left
        return served

    def _try_in_walk(self, waiter: Waiter, shared: SharedChoices, now: float) -> None:
        """Try the waiter, or do without where the outcome is known from those before it."""
        constraints = shared.constraints(waiter.request, self._fleet.accounts.values())
        known = shared.nothing_usable.get(constraints) if not waiter.is_due(now) else None
        if known is not None:
            waiter.held = NOT_HELD
            waited = waiter.record_attempt(now)
            self._wait_for(waiter, known, now)
            self._fleet.gate_queue.places.record(waiter.request.conversation, now - waited, now)
            return
        kind = self._gate_kind(waiter, constraints, shared, now)
        gate, of = self._fleet.gate_queue, waiter.request.conversation
        ahead = gate.count_longer(of, waiter.place, now) if kind else 0
        is_told = waiter.held[0] == ahead or now < waiter.held[1] + TELL_AGAIN_SEC
        if kind and is_told and shared.is_held(kind, ahead, now - waiter.since):
            self._hold_on(waiter, now)
            return
        waiter.held = NOT_HELD
        self._try_now(waiter, now)
        if waiter.wait is None or waiter.lease is not None:
            shared.clear()
        elif waiter.wait.is_same_for_all:
            shared.nothing_usable[constraints] = waiter.wait
        elif kind and waiter.wait.decision.reason == Reason.GATE:
            waiter.held = ahead, now
            shared.record_held(kind, ahead, now - waiter.since)

    def _gate_kind(self, waiter: Waiter, asked: Hashable, shared: SharedChoices, now: float) -> Hashable:
        """Return what the gate's answer depends on beside those ahead; None: on this conversation alone."""
        fleet, waited = self._fleet, now - waiter.since
        is_over = waited >= waiter.limits.budget or waited >= waiter.limits.paid_after
        if is_over or fleet.pins or fleet.user_rules.project_pins or not waiter.is_anonymous(fleet, now):
            return None
        parent = fleet.bindings.get(waiter.request.parent or "")
        beside = None if parent is None or shared.is_blocked(parent.account, asked) else parent.account
        return asked, beside, waited >= fleet.rules.slot_wait

    def _hold_on(self, waiter: Waiter, now: float) -> None:
        """Record that the gate still holds the waiter."""
        assert waiter.wait is not None
        waited, until = waiter.record_attempt(now), now + RECHECK_SEC
        decision = waiter.wait.decision._replace(retry_at=until)
        self._fleet.gate_queue.record_decision(waiter.request.conversation, decision, now - waited, now)
        self._wait_for(waiter, Wait(decision, until), now)

    def _wait_for(self, waiter: Waiter, wait: Wait, now: float) -> None:
        """Let the waiter wait for this."""
        waiter.wait = wait
        self._tried_at = now
        self._none_due_until = min(self._none_due_until, waiter.due_at())
        waiter.quiet = self._quiet(waiter, wait)

    def _quiet(self, waiter: Waiter, wait: Wait) -> Optional[Quiet]:
        """Return what makes the waiter quiet; a policy may move it, and a pin apply again, at any moment."""
        fleet, request = self._fleet, waiter.request
        may_move = fleet.policy.moves_warm or fleet.pins or request.facts.project
        if wait.account is None or wait.decision.reason not in _STAYING or may_move:
            return None
        conversation, rules = request.conversation or "", fleet.rules
        binding = fleet.bindings.get(conversation)
        if binding is None:
            return None
        recent = binding.last_used + min(rules.cache_affinity_window_sec, rules.binding_evict_sec)
        until = min(waiter.due_at(), waiter.since + rules.slot_wait, recent)
        return Quiet(until, wait.account, conversation, request.constraints)

    def _leaves_none(self, waiter: Waiter, before: Optional[Quiet], account: str, now: float) -> bool:
        """Return whether this attempt shows that the account has no slot for others like the waiter.

        It was quiet `before`, has got the last slot, and the account can still serve; or it found none.
        """
        lease, quiet, fleet = waiter.lease, waiter.quiet, self._fleet
        if lease is None:
            return quiet is not None and quiet.home == account and now < quiet.until
        home = fleet.accounts.get(account)
        if (
            before is None
            or lease.account != account
            or lease.decision.reason not in _STAYING
            or home is None
        ):
            return False
        has_slot = home.inflight < fleet.policy.inflight_limit(fleet.rules, home, now)
        scope = lease.request.scope if home.scoped_refusals else None
        return not has_slot and home.block(lease.request.model, fleet.rules, now, scope) is None

    def _is_bound(self, quiet: Quiet) -> bool:
        """Return whether its cache is still where it waits: another request may have moved it."""
        binding = self._fleet.bindings.get(quiet.conversation)
        return binding is not None and binding.account == quiet.home

    def _waits_for_other_account(self, waiter: Waiter, changed: str, now: float) -> bool:
        """Return whether it waits for a slot where its cache is, and not so long that it takes another."""
        wait = waiter.wait
        if wait is None or wait.account in (None, changed) or wait.decision.reason not in _STAYING:
            return False
        return now - waiter.since < self._slot_wait_sec(waiter.request) and not waiter.is_due(now)

    def _slot_wait_sec(self, request: RoutingRequest) -> float:
        """Return how long it waits for a slot where its cache is before it takes another account's (s)."""
        fleet = self._fleet
        binding = fleet.bindings.get(request.conversation or "")
        return fleet.rules.slot_wait if binding is None else fleet.policy.slot_wait_sec(fleet.rules, binding)

    def leave(self, waiter: Waiter, now: float) -> None:
        """Take out a waiter that gives up, or was served already; its conversation keeps its place."""
        if waiter in self.waiters:
            self.waiters.remove(waiter)
            self._record_place(waiter, now)

    def record_places(self, now: float) -> None:
        """Record that all who wait still do: for a server that goes on in place of this one."""
        for waiter in self.waiters:
            self._record_place(waiter, now)

    def _record_place(self, waiter: Waiter, now: float) -> None:
        if waiter.wait is not None and waiter.wait.decision.reason in KEEPS_PLACE:
            self._fleet.gate_queue.places.record(waiter.request.conversation, waiter.since, now)

    def is_hopeless(self, waiter: Waiter, now: float) -> bool:
        """Return whether nothing it waits for can come within its limits."""
        assert waiter.wait is not None
        waited = now - waiter.since
        left = waiter.limits.budget - waited
        if waiter.limits.slots_only and not waiter.wait.is_for_slot:
            return True
        if waiter.wait.decision.reason == Reason.BLOCKED:
            return True
        # A slot may come free at any moment; a bench or a window ends when it ends.
        recovery = 0.0 if waiter.wait.is_for_slot else waiter.wait.until - now
        # Another account than the one that is named may not serve it.
        is_named = waiter.request.pin is not None or waiter.request.owner is not None
        paid_after = NEVER if is_named else waiter.limits.paid_after
        has_paid = paid_after < NEVER and self._has_paid(waiter.request.allowed, now)
        paid_in = paid_after - waited if has_paid else NEVER
        return left <= 0 or min(recovery, paid_in) > left

    def _has_paid(self, allowed: Collection[str], now: float) -> bool:
        return any(
            (a.spec.is_paid or (a.spec.allow_extra_usage and a.extra_usage))
            and a.spec.enabled
            and not a.auth_failed
            and (not allowed or a.key in allowed)
            and a.spend_until <= now
            for a in self._fleet.accounts.values()
        )

    def _try_now(self, waiter: Waiter, now: float) -> None:
        waited = waiter.record_attempt(now)
        request = waiter.request
        if waited >= waiter.limits.paid_after and not request.allow_paid:
            request = waiter.request = request._replace(allow_paid=True)
        if waited >= waiter.limits.budget:
            # The last attempt: a slot of any account is better than a refusal for want of one.
            waited = max(waited, self._slot_wait_sec(request))
        result = self._fleet.admit(request, now, waited)
        if isinstance(result, Lease):
            waiter.lease, waiter.quiet = result, None
        else:
            self._wait_for(waiter, result, now)
            if result.decision.account is None:
                places = self._fleet.gate_queue.places
                waiter.place = places.since(request.conversation, waiter.since, now)
