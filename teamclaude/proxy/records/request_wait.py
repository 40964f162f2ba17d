"""What a request waits for: known while it waits, kept when it is over.

Rules that hold in this file:

1. A request is *held* when no account can serve it, or its policy holds it back, for longer than a moment.
   Waiting for a slot, or for a pause between two attempts to pass, is no hold.
2. A wait is written by the thread of its request alone; any thread may read it.  Nothing is worked out
   before somebody reads.
3. Seconds are of the proxy's clock, as benches and resets are; a clock that is set back takes none away.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Optional

from ...routing.outlook import NOT_EXPECTED, ExpectedAccount
from ...routing.state.decision import Decision, Reason, Wait
from ...routing.wait_queue import Waiter
from ...snapshot import WaitView

__all__ = [
    "HELD",
    "HELD_AFTER_SEC",
    "PAUSE",
    "SLOT",
    "RequestWait",
    "clock_time",
    "current_hold",
    "duration_text",
    "expectation_text",
    "held_seconds",
]

HELD, SLOT, PAUSE = "held", "slot", "pause"
HELD_AFTER_SEC = 1.0  # what is shorter is no state anybody could look at
SAME_DAY_SEC = 20 * 3600.0  # a time of day that is further away may be another day's


class RequestWait:
    """One wait of one request; without a waiter a pause between two attempts."""

    def __init__(
        self,
        wait: Wait,
        since: float,
        clock: Callable[[], float],
        attempts: int,
        waiter: Optional[Waiter] = None,
        outlook_of: Callable[[Waiter], ExpectedAccount] = lambda waiter: NOT_EXPECTED,
    ) -> None:
        self.attempts = attempts  # made before it
        self.kind = PAUSE if waiter is None else SLOT if wait.is_for_slot else HELD
        self._wait = wait
        self._clock = clock
        self._since = since
        self._waiter = waiter
        self._waiter_since = waiter.since if waiter is not None else 0.0
        self._outlook_of = outlook_of
        self._seconds: Optional[float] = None  # when it is over

    @property
    def over(self) -> bool:
        return self._seconds is not None

    @property
    def since(self) -> float:
        """When it began, epoch seconds; the line of waiters moves it when the clock is set back."""
        moved = 0.0 if self._waiter is None else self._waiter.since - self._waiter_since
        return self._since + moved

    @property
    def seconds(self) -> float:
        """How long it has lasted."""
        return max(0.0, self._clock() - self.since) if self._seconds is None else self._seconds

    @property
    def wait(self) -> Wait:
        """What it waits for now, or waited for last."""
        now = self._waiter.wait if self._waiter is not None and not self.over else None
        return now if now is not None and now.is_for_slot == (self.kind == SLOT) else self._wait

    @property
    def decision(self) -> Decision:
        return self.wait.decision

    @property
    def reason(self) -> str:
        return Reason.NO_SLOT if self.kind == SLOT else self.decision.reason

    @property
    def now(self) -> float:
        """Epoch seconds of the proxy's clock."""
        return self._clock()

    def outlook(self) -> ExpectedAccount:
        """The account that is expected to serve it, and when; takes the router's lock."""
        return NOT_EXPECTED if self._waiter is None or self.over else self._outlook_of(self._waiter)

    def end(self) -> None:
        self._wait, self._seconds = self.wait, self.seconds

    def follow(self) -> RequestWait:
        """This one; one that begins now when it has come to wait for something of another kind."""
        waiter = self._waiter
        now = waiter.wait if waiter is not None else None
        if waiter is None or now is None or now.is_for_slot == (self.kind == SLOT):
            self._wait = self.wait
            return self
        self.end()
        return RequestWait(now, self._clock(), self._clock, self.attempts, waiter, self._outlook_of)

    def view(self, names: Mapping[str, str]) -> WaitView:
        """Return what displays show of it; `names` are the accounts' by key."""
        wait, seen = self.wait, self.outlook()
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
    """The hold a request is in, of all its waits, oldest first; None while it is in none."""
    last = waits[-1] if waits else None
    if last is None or last.kind != HELD or last.over or held_seconds(waits) < HELD_AFTER_SEC:
        return None
    return last


def held_seconds(waits: Iterable[RequestWait]) -> float:
    """How long a request has been held in all."""
    return sum(wait.seconds for wait in waits if wait.kind == HELD)


def expectation_text(account: Optional[str], back_at: Optional[float], reason: str, now: float) -> str:
    """`alice back 23:22`; where nobody knows that, the reason: `waits for room`."""
    if account is None or back_at is None:
        return reason
    return f"{account} back {clock_time(back_at, now)}"


def clock_time(moment: float, now: float) -> str:
    """`23:22`, with the day where it may be another one's: `Tue 23:22`."""
    form = "%H:%M" if abs(moment - now) < SAME_DAY_SEC else "%a %H:%M"
    return time.strftime(form, time.localtime(moment))


def duration_text(seconds: float) -> str:
    """`42 s`, `5 min`, `2 h 3 min`, `3 d 4 h`."""
    whole = math.ceil(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = math.ceil(whole / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"
