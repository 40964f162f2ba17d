"""A request in the wait queue of the router: how it sleeps, and the error when it waits in vain."""

from __future__ import annotations

import math

from ...errors import WaitQueueFullError
from ...routing.expected_account import ExpectedAccount
from ...routing.state.decision import Decision
from ...routing.wait_queue import Waiter
from ..net.coroutine import Sleep, WakeUp
from ..records.wait_texts import clock_time, duration_text

__all__ = [
    "BUSY_RETRY_AFTER_SEC",
    "CLIENT_CHECK_SEC",
    "NoUsableAccountError",
    "QueuedRequest",
    "queue_full_error",
    "retry_after_sec",
]

# How often a waiter checks its client: a disconnect must be noticed within 1 s.
CLIENT_CHECK_SEC = 0.4
SHORTEST_SEC = 0.001  # of a sleep
BUSY_RETRY_AFTER_SEC = 5
JITTER, MAX_JITTER_SEC = 0.1, 30.0


class NoUsableAccountError(Exception):
    """No account could be had within the wait limits; `decision` says why for each."""

    def __init__(self, decision: Decision, waited: float) -> None:
        super().__init__(decision.reason)
        self.decision = decision
        self.waited = waited


def retry_after_sec(seconds: float, jitter: float) -> int:
    """Return `Retry-After` for a wait of so long: up to a tenth more, at most half a minute.

    Clients that were told the same moment then do not return all at once.  `jitter`: 0-1, random.
    """
    return math.ceil(seconds + min(JITTER * seconds, MAX_JITTER_SEC) * jitter)


def queue_full_error(
    waiting: int, expected: ExpectedAccount, now: float, jitter: float
) -> WaitQueueFullError:
    """Return the error for a request that may not wait beside so many; `expected` is what it would wait for.

    A slot may come free at any moment, an account does when it is back.
    """
    text = f"{waiting} requests are already waiting for an account"
    if expected.account is None or expected.back_at is None or expected.back_at <= now:
        return WaitQueueFullError(f"{text}; try again.")
    seconds = expected.back_at - now
    back = f"{expected.account} is back at {clock_time(expected.back_at, now)} (in {duration_text(seconds)})"
    retry_after = max(BUSY_RETRY_AFTER_SEC, retry_after_sec(seconds, jitter))
    return WaitQueueFullError(f"{text}; {back}.", retry_after)


class QueuedRequest(Waiter):
    """A waiter that sleeps until it is served, in the event loop or in its thread."""

    wake_up: WakeUp  # only of a queued one: most never are
    is_brief = False  # it only lacked a slot as it came, and sleeps for the first time

    def sleep(self, now: float) -> Sleep:
        """Return its next sleep: until it is served, or its wait may have ended by itself."""
        return Sleep(max(SHORTEST_SEC, min(CLIENT_CHECK_SEC, self.until - now)), self.wake_up)
