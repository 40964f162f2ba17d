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
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Optional

from ..errors import Draining, TooManyHeld
from ..routing.account import AccountSpec
from ..routing.answers import AnswerKind
from ..routing.decision import Ask, Decision, Lease, Wait
from ..routing.fleet import Changes, Fleet
from ..routing.memory import dump, restore
from ..routing.models import Price
from ..routing.policy import Policy
from ..routing.rules import Rules
from ..routing.usage import NO_USAGE, Usage
from ..routing.view import FleetView, view_of
from ..routing.windows import Reading

__all__ = ["NO_PATIENCE", "NothingUsable", "Patience", "Router"]

# How often a waiter looks whether its client left: well under the 1 s in which that must be noticed.
BEAT_SEC = 0.4


@dataclass(frozen=True)
class Patience:
    """How long a request may wait for an account."""

    budget: float = 0.0  # seconds; 0: an account now or none
    paid_after: float = float("inf")  # seconds until a last-resort API key may serve it


NO_PATIENCE = Patience()


class NothingUsable(Exception):
    """No account could be had within the patience; `decision` says why for each."""

    def __init__(self, decision: Decision, waited: float) -> None:
        super().__init__(decision.reason)
        self.decision = decision
        self.waited = waited


class _Waiter:
    woken: threading.Condition  # once it stands in line: most never do, and it takes 3 us to make

    def __init__(self, ask: Ask, patience: Patience, since: float) -> None:
        self.ask = ask
        self.patience = patience
        self.since = since
        self.looked = since  # when it was last tried
        self.lease: Optional[Lease] = None
        self.wait: Optional[Wait] = None

    def look(self, now: float) -> float:
        """It is tried now; seconds it has waited, which no clock that is set back takes away."""
        if now < self.looked:
            self.since -= self.looked - now
        self.looked = now
        return now - self.since


class Router:
    """Thread-safe door to one fleet; every method is one critical section, except `acquire`."""

    def __init__(
        self,
        fleet: Fleet,
        clock: Callable[[], float] = time.time,
        roll: Callable[[], float] = random.random,
        max_held: int = 256,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._roll = roll
        self._max_held = max_held
        self._changed = changed
        self._lock = threading.Lock()
        self._line: deque[_Waiter] = deque()
        self._draining = False

    # --- leases -------------------------------------------------------------------------------

    def acquire(self, ask: Ask, patience: Patience, check_client: Callable[[], None]) -> Lease:
        """An account and its slot for `ask`, waiting up to `patience`.

        `check_client` is called every beat without the lock and raises when the client has left.
        Raises NothingUsable, TooManyHeld, Draining, or what `check_client` raises.
        """
        with self._lock:
            now = self._clock()
            waiter = _Waiter(ask, patience, now)
            if self._line and self._anyone_due(now):
                self._serve_line(now)
            self._try(waiter, now)
            if waiter.lease is not None:
                self._changed()
                return waiter.lease
            self._check_patience(waiter, now)
            if len(self._line) >= self._max_held:
                raise TooManyHeld(
                    f"{len(self._line)} requests are already waiting for an account; try again."
                )
            waiter.woken = threading.Condition(self._lock)
            self._line.append(waiter)
        try:
            return self._stand_in_line(waiter, check_client)
        except BaseException:
            self._leave_line(waiter)
            raise

    def _stand_in_line(self, waiter: _Waiter, check_client: Callable[[], None]) -> Lease:
        while True:
            with self._lock:
                if waiter.lease is None:
                    waiter.woken.wait(self._nap(waiter))
                now = self._clock()
                if waiter.lease is None and self._due(waiter, now):
                    self._serve_line(now)
                if waiter.lease is not None:
                    self._changed()
                    return waiter.lease
                self._check_patience(waiter, now)
            check_client()

    def _leave_line(self, waiter: _Waiter) -> None:
        with self._lock:
            with suppress(ValueError):
                self._line.remove(waiter)
            if waiter.lease is not None:  # granted in the same instant as its client left
                self._fleet.settle(waiter.lease, self._clock())
            self._serve_line(self._clock())

    def _nap(self, waiter: _Waiter) -> float:
        until = waiter.wait.until if waiter.wait is not None else float("inf")
        return max(0.001, min(BEAT_SEC, until - self._clock()))

    def _check_patience(self, waiter: _Waiter, now: float) -> None:
        assert waiter.wait is not None
        if self._draining:
            raise Draining("The proxy is shutting down; try again in a moment.")
        waited = now - waiter.since
        left = waiter.patience.budget - waited
        # A slot may come free at any moment; a bench or a window ends when it ends.
        recovery = 0.0 if waiter.wait.for_slot else waiter.wait.until - now
        paid_in = waiter.patience.paid_after - waited if self._has_paid() else float("inf")
        if left <= 0 or min(recovery, paid_in) > left:
            raise NothingUsable(waiter.wait.decision, waited)

    def _has_paid(self) -> bool:
        accounts = self._fleet.accounts.values()
        return any(a.spec.is_paid and a.spec.enabled and not a.auth_failed for a in accounts)

    # --- the line (all under the lock) ----------------------------------------------------------

    def _try(self, waiter: _Waiter, now: float) -> None:
        waited = waiter.look(now)
        ask = waiter.ask
        if waited >= waiter.patience.paid_after and not ask.allow_paid:
            ask = waiter.ask = ask._replace(allow_paid=True)
        if waited >= waiter.patience.budget:
            # The last look: a slot of any account is better than a refusal for want of one.
            waited = max(waited, self._fleet.rules.slot_wait_sec)
        result = self._fleet.admit(ask, now, waited)
        if isinstance(result, Lease):
            waiter.lease = result
        else:
            waiter.wait = result

    def _serve_line(self, now: float) -> None:
        left: deque[_Waiter] = deque()
        for waiter in self._line:
            self._try(waiter, now)
            if waiter.lease is not None:
                waiter.woken.notify()
            else:
                left.append(waiter)
        self._line = left

    def _due(self, waiter: _Waiter, now: float) -> bool:
        assert waiter.wait is not None
        waited = now - waiter.since
        return (
            waiter.wait.until <= now
            or now < waiter.looked  # the clock was set back: `until` is of another time
            or waited >= waiter.patience.budget
            or (not waiter.ask.allow_paid and waited >= waiter.patience.paid_after)
        )

    def _anyone_due(self, now: float) -> bool:
        return any(self._due(waiter, now) for waiter in self._line)

    # --- what happens to leases -----------------------------------------------------------------

    def answered(self, lease: Lease, status: int, reading: Reading, words: str = "") -> AnswerKind:
        with self._lock:
            now = self._clock()
            kind = self._fleet.answered(lease, status, reading, now, self._roll(), words)
            self._after_change(now)
            return kind

    def condemn(self, lease: Lease) -> None:
        with self._lock:
            now = self._clock()
            self._fleet.condemn(lease, now, self._roll())
            self._after_change(now)

    def lock_out(self, lease: Lease, words: str) -> None:
        with self._lock:
            self._fleet.lock_out(lease, words)
            self._after_change(self._clock())

    def lock_out_account(self, key: str, words: str) -> None:
        """The login of an account is over, whether anybody uses it or not."""
        with self._lock:
            self._fleet.lock_out_account(key, words)
            self._after_change(self._clock())

    def rest_login(self, key: str, until: float, words: str) -> None:
        """The account has no token that is good, until then at least."""
        with self._lock:
            now = self._clock()
            self._fleet.rest_login(key, until, words, now)
            self._after_change(now)

    def renewed(self, keys: Iterable[str]) -> None:
        """These accounts have new credentials: whatever the old ones met is over."""
        with self._lock:
            now = self._clock()
            self._fleet.renew(keys, now)
            self._after_change(now)

    def settle(
        self, lease: Lease, usage: Usage = NO_USAGE, model: Optional[str] = None, served: bool = False
    ) -> None:
        with self._lock:
            now = self._clock()
            self._fleet.settle(lease, now, usage, model, served)
            self._after_change(now)

    def _after_change(self, now: float) -> None:
        if self._line:
            self._serve_line(now)
        self._changed()

    # --- the operator ---------------------------------------------------------------------------

    def configure(
        self,
        specs: Iterable[AccountSpec],
        rules: Rules,
        policy: Policy,
        prices: Mapping[str, Price],
        renewed: Iterable[str] = (),
    ) -> Changes:
        """Take over a new configuration; what was observed of an account stays."""
        with self._lock:
            if policy.name != self._fleet.policy.name:
                self._fleet.policy = policy
            self._fleet.rules, self._fleet.prices = rules, prices
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
            for waiter in self._line:
                waiter.woken.notify()

    def wake(self) -> None:
        """The clock was moved: look at the line again."""
        with self._lock:
            self._serve_line(self._clock())

    # --- readers ----------------------------------------------------------------------------------

    def is_open(self, lease: Lease) -> bool:
        """Nothing known keeps the lease's account from being taken again for the same request."""
        with self._lock:
            account = self._fleet.accounts.get(lease.account)
            if account is None:
                return False
            return account.block(lease.ask.model, self._fleet.rules, self._clock()) is None

    def choose(self, ask: Ask) -> Decision:
        with self._lock:
            return self._fleet.choose(ask, self._clock())

    def view(self) -> FleetView:
        with self._lock:
            return view_of(self._fleet, self._clock())

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
            return len(self._line)

    def dump(self) -> dict[str, Any]:
        with self._lock:
            return dump(self._fleet, self._clock())

    def restore(self, data: Mapping[str, Any]) -> list[str]:
        with self._lock:
            return restore(self._fleet, data, self._clock())
