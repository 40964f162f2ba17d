"""What a server does once another process serves in its place: finish what it has begun, and tell of it.

1. What runs or waits for an account goes on here until it ends, as long as `restartDrainSec` allows.
2. A connection that is kept open is served: its next response says `Connection: close`.  One that asks
   nothing for IDLE_SEC is closed: by then every client known has given it up, so that no request can meet the
   close.  (Idle connections are kept by undici for 4 s, httpx 5 s, nginx 60 s, Go 90 s.)
3. It stays while an earlier process runs: what each learns, and that the server is to end, goes from one to
   the next.
4. What is learned meanwhile is told to the successor: at once, and at most 20 times a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Optional

from ...routing.state_merge import LateChanges, late_changes, plain_state
from ...snapshot import EndingView
from ...threads import Signal
from ...typed_json import to_json
from ..lifecycle.ending import Ending
from ..net.connections import AcceptedConnection, Connections
from .successor import Successor

__all__ = ["IDLE_SEC", "Departure"]

IDLE_SEC = 100.0
LOOK_SEC = 0.2
MIN_GATHER_SEC, GATHER_SHARE = 0.05, 10.0  # telling takes a tenth of the time at most


class Departure:
    """The rest of a server's life after a handover; `base` is the state that the successor began with."""

    def __init__(
        self,
        successor: Successor,
        connections: Connections,
        base: dict[str, Any],
        collect: Callable[[], dict[str, Any]],
        changed: Signal,
        ending: Callable[[], Ending],
        views: Callable[[], Sequence[EndingView]],
        has_predecessor: Callable[[], bool] = lambda: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._successor = successor
        self._connections = connections
        self._base = base
        self._collect = collect
        self._changed = changed
        self._ending = ending
        self._views = views
        self._has_predecessor = has_predecessor
        self._monotonic = monotonic
        self._idle_since: dict[AcceptedConnection, float] = {}
        self._told_at = float("-inf")
        self._pause = MIN_GATHER_SEC
        self._last_views: Any = None

    def run(self) -> None:
        """Return when no connection is left here nor in an earlier process, or when the time is over."""
        while len(self._connections) or self._has_predecessor():
            until = self._ending().until
            if until is not None and self._monotonic() >= until:
                return
            self._changed.wait(LOOK_SEC)
            self.close_idle(self._monotonic())
            self.tell()

    def close_idle(self, now: float) -> None:
        """Close the connections that have asked nothing for long enough."""
        idle = self._connections.idle()
        self._idle_since = {each: self._idle_since.get(each, now) for each in idle}
        over = [each for each, since in self._idle_since.items() if now - since >= IDLE_SEC]
        if over:
            self._connections.end(each for each in over if each.is_silent)

    def tell(self, now: Optional[float] = None) -> None:
        """Tell the successor what was learned, and how much is left, unless that was just done."""
        now = self._monotonic() if now is None else now
        if now - self._told_at < self._pause:
            return
        self._told_at = now
        views = [to_json(view) for view in self._views()]
        if views != self._last_views and self._successor.tell({"type": "left", "processes": views}):
            self._last_views = views
        if self._changed.is_set:
            self._changed.clear()
            self.tell_changes()
            self._pause = max(MIN_GATHER_SEC, GATHER_SHARE * (self._monotonic() - now))

    def tell_changes(self) -> Optional[LateChanges]:
        """Tell what was learned; return it when nobody listens any more."""
        state = plain_state(self._collect())
        changes = late_changes(self._base, state)
        if changes.is_empty:
            return None
        if not self._successor.tell({"type": "late", **changes._asdict()}):
            return changes
        self._base = state
        return None
