"""What a request waits for, while it waits and afterwards.

Rules that hold in this file:

1. A request is *held* when for more than a second no account can serve it, or its policy holds it back.
   Waiting for a slot, or for the end of a pause between two attempts, is not a hold.
2. Only the request's thread writes a wait; any thread may read it.  Nothing is computed before it is read.
3. Seconds are of the proxy's clock, like benches and resets; setting the clock back subtracts none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Optional

from ...routing.expected_account import NOT_EXPECTED, ExpectedAccount
from ...routing.state.decision import Decision, Reason, Wait
from ...routing.wait_queue import Waiter
from ...snapshot import WaitView
from .wait_texts import HELD_AFTER_SEC

__all__ = [
    "HELD",
    "PAUSE",
    "SLOT",
    "RequestWait",
    "current_hold",
    "held_seconds",
]

HELD, SLOT, PAUSE = "held", "slot", "pause"


class RequestWait:
    """One wait of one request; without a waiter, a pause between two attempts."""

    def __init__(
        self,
        wait: Wait,
        since: float,
        clock: Callable[[], float],
        attempts: int,
        waiter: Optional[Waiter] = None,
        outlook_of: Callable[[Waiter], ExpectedAccount] = lambda waiter: NOT_EXPECTED,
    ) -> None:
        self.attempts = attempts  # that were made before it
        self.kind = PAUSE if waiter is None else SLOT if wait.is_for_slot else HELD
        self._wait = wait
        self._clock = clock
        self._since = since
        self._waiter = waiter
        self._waiter_since = waiter.since if waiter is not None else 0.0
        self._outlook_of = outlook_of
        self._seconds: Optional[float] = None  # its duration, once it is over

    @property
    def over(self) -> bool:
        """Whether the wait has ended."""
        return self._seconds is not None

    @property
    def since(self) -> float:
        """When it began, epoch seconds; the wait queue moves it when the clock is set back."""
        moved = 0.0 if self._waiter is None else self._waiter.since - self._waiter_since
        return self._since + moved

    @property
    def seconds(self) -> float:
        """Seconds it has lasted."""
        return max(0.0, self._clock() - self.since) if self._seconds is None else self._seconds

    @property
    def wait(self) -> Wait:
        """What it waits for now, or waited for last."""
        now = self._waiter.wait if self._waiter is not None and not self.over else None
        return now if now is not None and now.is_for_slot == (self.kind == SLOT) else self._wait

    @property
    def decision(self) -> Decision:
        """The decision that made it wait."""
        return self.wait.decision

    @property
    def reason(self) -> str:
        """Why it waits, in words."""
        return Reason.NO_SLOT if self.kind == SLOT else self.decision.reason

    @property
    def now(self) -> float:
        """The proxy's clock, epoch seconds."""
        return self._clock()

    def outlook(self) -> ExpectedAccount:
        """Return the account that is expected to serve it, and when; takes the router's lock."""
        return NOT_EXPECTED if self._waiter is None or self.over else self._outlook_of(self._waiter)

    def end(self) -> None:
        """Keep what it waits for and how long it took."""
        self._wait, self._seconds = self.wait, self.seconds

    def end_after(self, seconds: float) -> None:
        """Record that it waited for the same all the time, and how long."""
        self._seconds = seconds

    def follow(self) -> RequestWait:
        """Return this wait, or a new one if the request waits for something of another kind by now."""
        waiter = self._waiter
        now = waiter.wait if waiter is not None else None
        if waiter is None or now is None or now.is_for_slot == (self.kind == SLOT):
            self._wait = self.wait
            return self
        self.end()
        return RequestWait(now, self._clock(), self._clock, self.attempts, waiter, self._outlook_of)

    def view(self, names: Mapping[str, str]) -> WaitView:
        """Return what displays show of it; `names` are the accounts' by key."""
        seen, wait = self.outlook(), self.wait  # in this order: asking renews the words of the decision
        account = seen.account
        if account is None and wait.account is not None:
            account = names.get(wait.account, wait.account)
        return WaitView(
            kind=self.kind,
            at=self.since,
            sec=self.seconds,
            over=self.over,
            reason=self.reason,
            detail=wait.decision.detail,
            account=account,
            back_at=seen.back_at,
        )


def current_hold(waits: Sequence[RequestWait]) -> Optional[RequestWait]:
    """Return the hold that a request is in; `waits` are all its waits, oldest first."""
    last = waits[-1] if waits else None
    if last is None or last.kind != HELD or last.over or held_seconds(waits) < HELD_AFTER_SEC:
        return None
    return last


def held_seconds(waits: Iterable[RequestWait]) -> float:
    """Return how long a request has been held in all its waits."""
    return sum(wait.seconds for wait in waits if wait.kind == HELD)
