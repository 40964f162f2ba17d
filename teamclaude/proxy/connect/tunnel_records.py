"""What is known of the tunnels that are passed on unopened: how many, whereto, how much.

A tunnel is no request: it is not in the list of requests, which the hosts that a client asks besides the API
would fill.  It is counted by its host here; the first one to each host has a line in the log, and so has the
first failure after it worked.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Optional

from ...dial.tunnel import Tunnel
from ...snapshot import TunnelView
from ..records.notices import TUNNEL, Notice

__all__ = ["TunnelRecords"]

MAX_HOSTS = 64  # the ones used last; a client can name any number
MAX_NOTICES = 32  # in NOTICES_SEC: a client can name any number of hosts
NOTICES_SEC = 60.0


class _HostTotals:
    def __init__(self) -> None:
        self.tunnels = self.failed = 0
        self.bytes_up = self.bytes_down = 0  # of the ones that have ended
        self.last_at: Optional[float] = None
        self.problem = ""
        self.running: list[Tunnel] = []


class TunnelRecords:
    """The counts of all tunnels by `host:port`.  Any thread; `clock` returns epoch seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()  # guards the four below
        self._hosts: OrderedDict[str, _HostTotals] = OrderedDict()  # the one used last at the end
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES + 1)
        self._noticed_since, self._noticed = 0.0, 0  # notices since then

    @contextmanager
    def count(self, host: str, tunnel: Tunnel) -> Iterator[None]:
        """Count a tunnel that stands while the context lasts."""
        with self._lock:
            totals = self._totals(host)
            if not totals.tunnels or totals.problem:
                self._notice(host, "passed on, not opened")
            totals.tunnels += 1
            totals.problem = ""
            totals.running.append(tunnel)
        try:
            yield
        finally:
            with self._lock:
                totals.running.remove(tunnel)
                totals.bytes_up += tunnel.bytes_up
                totals.bytes_down += tunnel.bytes_down
                self._forget_oldest()

    def count_failure(self, host: str, problem: str) -> None:
        """Count a tunnel that could not be made."""
        with self._lock:
            totals = self._totals(host)
            if not totals.problem:
                self._notice(host, problem)
            totals.failed += 1
            totals.problem = problem

    def _totals(self, host: str) -> _HostTotals:
        totals = self._hosts.setdefault(host, _HostTotals())
        self._hosts.move_to_end(host)
        self._forget_oldest()
        totals.last_at = self._clock()
        return totals

    def _forget_oldest(self) -> None:
        """Forget hosts beyond MAX_HOSTS, but none with a tunnel and not the one used last."""
        too_many = len(self._hosts) - MAX_HOSTS
        if too_many > 0:
            unused = [name for name, each in list(self._hosts.items())[:-1] if not each.running]
            for name in unused[:too_many]:
                del self._hosts[name]

    def _notice(self, host: str, what: str) -> None:
        now = self._clock()
        if not 0 <= now - self._noticed_since < NOTICES_SEC:
            self._noticed_since, self._noticed = now, 0
        self._noticed += 1
        if self._noticed <= MAX_NOTICES:
            self._notices.append(Notice(TUNNEL, host, what))
        elif self._noticed == MAX_NOTICES + 1:
            self._notices.append(Notice(TUNNEL, "more hosts", f"no lines for the rest of {NOTICES_SEC:g} s"))

    def take_notices(self) -> list[Notice]:
        """Return the lines since the last call."""
        with self._lock:
            found = list(self._notices)
            self._notices.clear()
        return found

    def view(self) -> tuple[TunnelView, ...]:
        """Return a row per host, the one used last first."""
        with self._lock:
            return tuple(_view(host, totals) for host, totals in reversed(self._hosts.items()))


def _view(host: str, totals: _HostTotals) -> TunnelView:
    return TunnelView(
        host,
        len(totals.running),
        totals.tunnels,
        totals.failed,
        totals.bytes_up + sum(tunnel.bytes_up for tunnel in totals.running),
        totals.bytes_down + sum(tunnel.bytes_down for tunnel in totals.running),
        totals.last_at,
        totals.problem,
    )
