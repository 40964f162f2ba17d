"""Which servers can't be connected to, as the requests that are sent anyway find out.

Rules that hold in this file:

1. Nothing is asked for this.  A request that got no connection begins an outage of its server or makes it
   longer; the head of any answer ends it.  Until a request comes, nobody knows that a server is back.
2. An answer that comes while there is no outage costs its reader one look at an empty mapping.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Hashable, Mapping

from ..values import NamedTuple

__all__ = ["Outage", "Reachability", "Restored"]


class Outage(NamedTuple):
    """A server that can't be connected to; times are epoch seconds."""

    since: float  # the first request that failed
    last_at: float  # the last one
    failed: int  # requests, each counted once
    reason: str  # of the last one


class Restored(NamedTuple):
    """An outage that is over: a head came at `at`."""

    outage: Outage
    at: float


class Reachability:
    """The servers that can't be reached.  Any thread.

    A server is known by what connections to it are pooled by.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self.outages: Mapping[Hashable, Outage] = {}  # replaced as a whole; nearly always empty
        self.restored: Mapping[Hashable, Restored] = {}  # the last outage of each that is over
        self._lock = threading.Lock()  # guards changes of both

    def failed(self, server: Hashable, reason: str) -> None:
        """Record that a request got no connection, also not at its last attempt."""
        with self._lock:
            now = self._clock()
            since, _, count, _ = self.outages.get(server, (now, now, 0, ""))
            outage = Outage(min(since, now), now, count + 1, " ".join(reason.split()))
            self.outages = {**self.outages, server: outage}

    def reached(self, server: Hashable) -> None:
        """Record that an answer has come; to be called only while there are outages."""
        with self._lock:
            outage = self.outages.get(server)
            if outage is not None:
                self.outages = {key: each for key, each in self.outages.items() if key != server}
                self.restored = {**self.restored, server: Restored(outage, self._clock())}

    def keep(self, servers: Collection[Hashable]) -> None:
        """Forget all but these: nobody may ever ask another one again."""
        if any(each not in servers for each in (*self.outages, *self.restored)):
            with self._lock:
                self.outages = {key: each for key, each in self.outages.items() if key in servers}
                self.restored = {key: each for key, each in self.restored.items() if key in servers}
