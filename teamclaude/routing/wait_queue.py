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
   (shared_choice.py).  One that waits at the gate is only asked whether it still is held: the words of its
   decision are renewed where somebody reads them (`tell`).
5. Nor are conversations that can do nothing but wait for a slot where their cache is (`Quiet`): while
   another account changes, and once one of them with the same constraints got the last one in the same walk,
   or none.  They are filed by account (state/waiter_groups.py).
   With 49 waiters on three accounts a response cost 17 attempts, and now takes none (`_serve_quiet`).  A
   request that comes and only lacks a slot stands in line there; it is filed when others are, or for a walk.
6. Who is due next, and who is hopeless, is asked of those alone that the last walk looked at one by one, and
   of those that came since (`_apart`).  All others it held at the gate together: they are tried again at the
   same time, and their limits end later.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable
from typing import Optional

from .choice import slot_count
from .expected_account import paid_at
from .fleet import Fleet
from .shared_choice import SharedChoices
from .state.decision import NEVER, Lease, Reason, RoutingRequest, Wait
from .state.gate_queue import RECHECK_SEC
from .state.places import KEEPS_PLACE
from .state.waiter import NO_WAIT, Alike, Waiter, WaitLimits
from .state.waiter_groups import PLACE, WaiterGroups
from .staying import STAYING, leaves_none, quiet_of, recent_until

__all__ = ["NO_WAIT", "WaitLimits", "WaitQueue", "Waiter"]

TELL_AGAIN_SEC = 60.0  # until words are renewed
MOST_ALIKE = 1000  # that are remembered
MARGIN_SEC = 1.0  # before a waiter's budget ends it is looked at itself

# What the gate's answer depends on beside those ahead: constraints, the parent's account, whether the waiter
# has waited out `slotWaitSec`.
_GateKind = tuple[Hashable, Optional[str], bool]


class WaitQueue:
    """The waiters of one fleet; every method is one step under whatever guards the fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.waiters: deque[Waiter] = deque()
        self._none_due_until = NEVER  # no waiter is due before, unless the clock moves back
        self._tried_at = -NEVER  # the last attempt of any
        self._alike: dict[Hashable, Alike] = {}  # by constraints and parent
        self._number = 0  # of the last waiter
        self._groups = WaiterGroups(fleet.bindings)
        self._known_apart: Optional[list[Waiter]] = None  # None: all
        self._others_until = NEVER  # until the others are tried again

    def enter(self, waiter: Waiter, now: float) -> list[Waiter]:
        """Serve the waiters that are due, then try the new one, not queued yet; return who was served."""
        served = self.serve_due(now)
        self._try_now(waiter, now)
        return served

    def serve_due(self, now: float) -> list[Waiter]:
        """Serve the waiters if one is due; return those that got a lease."""
        return self.serve(now) if self.waiters and self.is_any_due(now) else []

    def is_any_due(self, now: float) -> bool:
        """Return whether an attempt of some waiter makes sense without an event."""
        if self._tried_at <= now < self._none_due_until:
            return False
        self._none_due_until = self.next_due()
        looked_at = self._apart if self._tried_at <= now < self._others_until else self.waiters
        return any(waiter.is_due(now) for waiter in looked_at)

    def serve(self, now: float, changed: Optional[str] = None) -> list[Waiter]:
        """Walk the queue from its head; return the waiters that got a lease and left it.

        `changed` is the only account to which something happened, and nothing bad: a warm conversation that
        waits for another account, its own, need not be tried.
        """
        served: list[Waiter] = []
        if changed is None or not self._serve_quiet(changed, now, served):
            self._file_lines()
            served += self._serve_by_walk(changed, now)
        return served

    def _serve_by_walk(self, changed: Optional[str], now: float) -> list[Waiter]:
        tried, apart = list[Waiter](), list[Waiter]()
        again = now + RECHECK_SEC
        shared = self._fleet.shared = SharedChoices()
        kept, bindings = self._fleet.gate_queue.kept, self._fleet.bindings
        try:
            walk = self._walk(changed, now)
            for number, waiter in enumerate(walk, 1):
                of, quiet, alike = waiter.conversation, waiter.quiet, waiter.alike
                if (
                    alike is not None
                    and waiter.last_attempt_at <= now < waiter.alike_until
                    and of in kept
                    and of not in bindings
                    and (alike in shared.held_alike or self._is_held_too(alike, shared))
                ):
                    waiter.last_attempt_at, waiter.until = now, again
                    if again >= waiter.alike_until:
                        apart.append(waiter)
                    continue
                if changed is not None and (
                    self._groups.is_left_out(waiter)
                    or (quiet is None and self._waits_for_other_account(waiter, changed, now))
                ):
                    apart.append(waiter)
                    continue
                if changed is None or quiet is None:
                    self._try_in_walk(waiter, shared, now)
                else:  # it is bound: what is known of others seldom holds for it
                    self._try_now(waiter, now)
                    if waiter.lease is not None:
                        shared.clear()
                tried.append(waiter)
                if waiter.lease is None:
                    apart.append(waiter)
                if changed is not None and leaves_none(self._fleet, waiter, quiet, changed, now):
                    self._groups.mark_full(waiter)
                    if self._groups.leaves_out_rest(walk, waiter):
                        apart += walk[number:]
                        break
        finally:
            self._fleet.shared = None
            self._groups.clear_full()
            served = [waiter for waiter in tried if waiter.lease is not None]
            for waiter in served:
                self.waiters.remove(waiter)
            if changed is not None:
                apart += self._groups.quiet_elsewhere(changed)
            self._groups.update(tried)
        self._known_apart = apart if len(apart) < len(self.waiters) else None
        self._others_until = again
        return served

    def _serve_quiet(self, changed: str, now: float, served: list[Waiter]) -> bool:
        """Serve whom this account has slots for, where all waiters are quiet; return whether that was all."""
        fleet, groups = self._fleet, self._groups
        home, rules = fleet.accounts.get(changed), fleet.rules
        if home is None or groups.others or fleet.gate_queue or not groups.is_known(now):
            return False
        if not home.is_unrestricted(rules.full, now):
            return False
        slots = slot_count(fleet.policy, rules, home, now, 0.0)
        while home.inflight < slots and (waiter := groups.first_quiet(changed)) is not None:
            binding, request = fleet.bindings[waiter.conversation or ""], waiter.request
            if not request.is_plain or request.cache_life < binding.cache_life:
                return False
            waiter.lease, waiter.last_attempt_at = fleet.continue_at(home, binding, request, now), now
            self.waiters.remove(waiter)
            groups.remove(waiter)
            served.append(waiter)
        self._known_apart = None
        return True

    def _walk(self, changed: Optional[str], now: float) -> list[Waiter]:
        """Return the waiters in the order of their places; rule 5 leaves some out."""
        if changed is None:
            self._groups.forget()
            return sorted(self.waiters, key=PLACE)
        if not self._groups.is_known(now):
            self._groups.file_all(self.waiters, now)
        return self._groups.concerned(changed)

    def _is_held_too(self, alike: Alike, shared: SharedChoices) -> bool:
        """Return whether the gate holds these because it held others of their kind, with no more ahead.

        Those were tried before in the same walk, and so have waited for longer.
        """
        asked = shared.constraints(alike.request, self._fleet.accounts.values())
        if not shared.is_held(self._kind(alike.request, asked, shared, has_waited_out=True)):
            return False
        shared.held_alike.add(alike)
        return True

    def _try_in_walk(self, waiter: Waiter, shared: SharedChoices, now: float) -> None:
        """Try the waiter, or do without where the outcome is known from those before it."""
        constraints = shared.constraints(waiter.request, self._fleet.accounts.values())
        known = shared.nothing_usable.get(constraints) if not waiter.is_due(now) else None
        gate, of = self._fleet.gate_queue, waiter.conversation
        if known is not None:
            gate.release(of, waiter.last_attempt_at)
            waited = waiter.record_attempt(now)
            self.wait_for(waiter, known, now)
            gate.places.record(of, now - waited, now)
            return
        kind = self._gate_kind(waiter, constraints, shared, now)
        ahead = gate.count_longer(of, waiter.place, now) if kind is not None else 0
        if waiter.is_at_gate and (
            (kind is not None and shared.is_held(kind, ahead)) or self._is_still_held(waiter, now)
        ):
            waited, self._tried_at = waiter.record_attempt(now), now
            waiter.hold_on(now)
            if of is not None and of not in gate.kept:
                gate.keep(of, now - waited, now)
            if kind is None:
                return
            shared.record_held(kind, ahead)
        else:
            self._try_now(waiter, now)
            if waiter.wait is None or waiter.lease is not None:
                shared.clear()
                return
            if waiter.wait.is_same_for_all:
                shared.nothing_usable[constraints] = waiter.wait
            if kind is None or not waiter.is_at_gate:
                return
            shared.record_held(kind, ahead)
        _, _, has_waited_out = kind
        if has_waited_out:
            shared.held_alike.add(self._find_alike(waiter))

    def _is_still_held(self, waiter: Waiter, now: float) -> bool:
        """Return whether the attempt of a waiter at the gate would end there: asked without words."""
        waited = waiter.record_attempt(now)
        if waited >= waiter.limits.budget or waiter.may_pay_from(waited):
            return False
        return self._fleet.is_held(waiter.request, now, waited)

    def _find_alike(self, waiter: Waiter) -> Alike:
        """Return what a waiter at the gate has in common with others; it knows that itself from now on."""
        if waiter.alike is None:
            if len(self._alike) >= MOST_ALIKE:
                self._alike.clear()
            constraints_and_parent = waiter.request.constraints, waiter.request.parent
            waiter.alike = self._alike.setdefault(constraints_and_parent, Alike(waiter.request))
        waiter.alike_until = waiter.changes_at - MARGIN_SEC
        return waiter.alike

    def _gate_kind(
        self, waiter: Waiter, asked: Hashable, shared: SharedChoices, now: float
    ) -> Optional[_GateKind]:
        """Return what the gate's answer depends on beside those ahead; None: on this conversation alone."""
        fleet, waited = self._fleet, now - waiter.since
        is_over = waited >= waiter.limits.budget or waited >= waiter.limits.paid_after
        if is_over or fleet.pins or fleet.user_rules.project_pins or not self._is_anonymous(waiter, now):
            return None
        return self._kind(waiter.request, asked, shared, waited >= fleet.rules.slot_wait)

    def _kind(
        self, request: RoutingRequest, asked: Hashable, shared: SharedChoices, has_waited_out: bool
    ) -> _GateKind:
        parent = self._fleet.bindings.get(request.parent or "")
        if parent is None or shared.leaves_out(parent.account, (asked, has_waited_out)):
            return asked, None, has_waited_out
        return asked, parent.account, has_waited_out

    def _is_anonymous(self, waiter: Waiter, now: float) -> bool:
        """Return whether neither fleet nor policy know its conversation; policies learn what is bound."""
        fleet, conversation = self._fleet, waiter.conversation
        if conversation is None or conversation in fleet.bindings:
            return False
        waiter.is_unknown = waiter.is_unknown or not fleet.policy.knows(conversation, now)
        return waiter.is_unknown

    def wait_for(self, waiter: Waiter, wait: Wait, now: float) -> None:
        """Let the waiter wait for this."""
        waiter.wait = wait
        self._tried_at, due_at = now, waiter.due_at()
        if due_at < self._none_due_until:
            self._none_due_until = due_at
        waiter.quiet = quiet_of(self._fleet, waiter, wait, due_at)

    def _waits_for_other_account(self, waiter: Waiter, changed: str, now: float) -> bool:
        """Return whether it waits for a slot where its cache is, and not so long that it takes another."""
        if waiter.account in (None, changed) or waiter.reason not in STAYING:
            return False
        return now - waiter.since < self._slot_wait_sec(waiter.request) and not waiter.is_due(now)

    def _slot_wait_sec(self, request: RoutingRequest) -> float:
        """Return how long it waits for a slot where its cache is before it takes another account's (s)."""
        fleet = self._fleet
        binding = fleet.bindings.get(request.conversation or "")
        return fleet.rules.slot_wait if binding is None else fleet.policy.slot_wait_sec(fleet.rules, binding)

    def _try_now(self, waiter: Waiter, now: float) -> None:
        waited = waiter.record_attempt(now)
        request = waiter.request
        if waiter.may_pay_from(waited):
            request = waiter.request = request._replace(allow_paid=True)
        if waited >= waiter.limits.budget:
            # The last attempt: a slot of any account is better than a refusal for want of one.
            waited = max(waited, self._slot_wait_sec(request))
        result = self._fleet.admit(request, now, waited)
        if isinstance(result, Lease):
            waiter.lease = result
        else:
            self.wait_for(waiter, result, now)
            if result.decision.account is None:
                places = self._fleet.gate_queue.places
                waiter.place = places.since(request.conversation, waiter.since, now)

    def add(self, waiter: Waiter, now: float = -NEVER, refused: Optional[Wait] = None) -> None:
        """Queue a waiter that has entered and got no lease, or was `refused` just now without being tried."""
        self._number += 1
        waiter.number = self._number
        self.waiters.append(waiter)
        if self._known_apart is not None:
            self._known_apart.append(waiter)
        if refused is None:
            self._file_lines()
            self._groups.add(waiter)
        elif refused.stays:
            binding, self._tried_at = self._fleet.bindings[waiter.conversation or ""], now
            until = min(refused.until, waiter.changes_at, recent_until(binding, self._fleet.rules))
            if until < self._none_due_until:
                self._none_due_until = until
            self._groups.add_to_line(waiter, binding.account, until)
        else:
            self.wait_for(waiter, refused, now)
            self._file_lines()
            self._groups.add(waiter)

    def _file_lines(self) -> None:
        """File those in line like all others: before a walk, and before anybody behind them is filed."""
        for waiter in self._groups.take_lines():
            if waiter.wait is not None:
                waiter.quiet = quiet_of(self._fleet, waiter, waiter.wait, waiter.due_at())
            self._groups.add(waiter)

    # --- those who leave ----------------------------------------------------------------------

    def leave(self, waiter: Waiter, now: float) -> None:
        """Take out a waiter that gives up, or was served already; its conversation keeps its place."""
        if waiter in self.waiters:
            self._file_lines()
            self.waiters.remove(waiter)
            self._groups.remove(waiter)
            if self._known_apart is not None and waiter in self._known_apart:
                self._known_apart.remove(waiter)
            self._fleet.gate_queue.release(waiter.conversation, waiter.last_attempt_at)
            self._record_place(waiter, now)

    def record_places(self, now: float) -> None:
        """Record that all who wait still do: for a server that goes on in place of this one."""
        for waiter in self.waiters:
            self._record_place(waiter, now)

    def _record_place(self, waiter: Waiter, now: float) -> None:
        if waiter.wait is not None and waiter.wait.decision.reason in KEEPS_PLACE:
            self._fleet.gate_queue.places.record(waiter.conversation, waiter.since, now)

    @property
    def _apart(self) -> Collection[Waiter]:
        return self.waiters if self._known_apart is None else self._known_apart

    # --- readers ------------------------------------------------------------------------------

    def tell(self, waiter: Waiter, now: float) -> None:
        """Renew the words of a decision that holds the waiter at the gate, for somebody who reads them."""
        wait = waiter.wait
        if waiter.is_at_gate and wait is not None and now >= wait.decision.at + TELL_AGAIN_SEC:
            decision = self._fleet.choose(waiter.request, now, now - waiter.since)
            if decision.reason == Reason.GATE:
                waiter.tell(decision)

    def next_due(self) -> float:
        """Return when the first waiter is due without an event; NEVER where nobody waits."""
        others = NEVER if self._known_apart is None else self._others_until
        return min([others, *(waiter.due_at() for waiter in self._apart)])

    def hopeless(self, now: float) -> list[Waiter]:
        """Return the waiters for whom waiting is hopeless, in the order of their places."""
        asked = (w for w in self._apart if not w.is_alike(w.until))
        return sorted((w for w in asked if self.is_hopeless(w, now)), key=PLACE)

    def is_hopeless(self, waiter: Waiter, now: float) -> bool:
        """Return whether nothing can come in time: a slot, an account, a login once all are removed."""
        left, accounts = waiter.limits.budget - (now - waiter.since), self._fleet.accounts
        if waiter.account is None and (waiter.limits.slots_only or waiter.reason == Reason.BLOCKED):
            return True
        if waiter.account is not None or (waiter.number and not accounts):  # at any moment, if it was queued
            return left <= 0
        return left <= 0 or min(waiter.until, paid_at(self._fleet, waiter, now)) - now > left
