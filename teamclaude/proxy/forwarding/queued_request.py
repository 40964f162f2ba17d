"""A request in the wait queue of the router: how it sleeps, and the error when it waits in vain."""

from __future__ import annotations

import math

from ...routing.state.decision import Decision
from ...routing.wait_queue import Waiter
from ..net.coroutine import Sleep, WakeUp

__all__ = ["CLIENT_CHECK_SEC", "NoUsableAccountError", "QueuedRequest", "retry_after_sec"]

# How often a waiter checks its client: a disconnect must be noticed within 1 s.
CLIENT_CHECK_SEC = 0.4
SHORTEST_SEC = 0.001  # of a sleep
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


class QueuedRequest(Waiter):
    """A waiter that sleeps until it is served, in the event loop or in its thread."""

    wake_up: WakeUp  # only of a queued one: most never are
    is_brief = False  # it only lacked a slot as it came, and sleeps for the first time

    def sleep(self, now: float) -> Sleep:
        """Return its next sleep: until it is served, or its wait may have ended by itself."""
        return Sleep(max(SHORTEST_SEC, min(CLIENT_CHECK_SEC, self.until - now)), self.wake_up)
