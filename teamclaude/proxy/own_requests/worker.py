"""The thread that sends what the server asks the API by itself, while the config file wants any of it.

Rules that hold in this file:

1. There is a thread only while there is something to send; `check`, called every few seconds by one thread,
   starts it.  It sees a reload, and an end of the server, within MAX_PAUSE_SEC.
2. A server that ends, or has handed over to another process, begins nothing more: its successor does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Optional

from ...snapshot import ProbeView
from ..forwarding.context import RequestContext

if TYPE_CHECKING:
    from .keep_warm import KeepWarm
    from .quota_probe import QuotaProbe
    from .warm_up import OnEnd

__all__ = ["OwnRequests"]

# Polled: nothing notifies us of a reload, nor that the machine has slept.
MAX_PAUSE_SEC = 20.0


class OwnRequests:
    """Of one server; `context` returns the current configuration, `ends` whether the server ends.

    `on_end` is called with each request to a model that has ended.
    """

    def __init__(
        self,
        context: Callable[[], RequestContext],
        ends: Callable[[], bool],
        warn: Callable[[str], None],
        on_end: OnEnd,
    ) -> None:
        self._context = context
        self._ends = ends
        self._warn = warn
        self._stopped = threading.Event()
        self._told: set[str] = set()  # kinds of internal errors
        self._thread: Optional[threading.Thread] = None
        self._on_end = on_end
        self._senders: Optional[tuple[KeepWarm, QuotaProbe]] = None  # made when one is wanted first

    def check(self) -> None:
        """Start the thread if there is something to send and it does not run."""
        if self._is_over() or (self._thread is not None and self._thread.is_alive()):
            return
        config = self._context().config
        if config.quota_probe_sec or config.keep_warm:
            if self._senders is None:
                self._senders = self._made_senders()
            self._thread = threading.Thread(
                target=self._run, args=(*self._senders,), name="own-requests", daemon=True
            )
            with suppress(RuntimeError):  # the system is out of threads: the next check tries again
                self._thread.start()

    def stop(self) -> None:
        """Begin nothing more; what is under way may go on, and changes nothing."""
        self._stopped.set()

    def probes(self) -> Mapping[str, ProbeView]:
        """Return how the probes go, by account name."""
        return {} if self._senders is None else self._senders[1].views()

    def _made_senders(self) -> tuple[KeepWarm, QuotaProbe]:
        from .keep_warm import KeepWarm  # these and what they need: 4 ms of each start
        from .quota_probe import QuotaProbe

        return KeepWarm(self._warn, self._is_over, self._on_end), QuotaProbe(self._warn, self._is_over)

    def _is_over(self) -> bool:
        return self._stopped.is_set() or self._ends()

    def _run(self, keep_warm: KeepWarm, probe: QuotaProbe) -> None:
        pause = 0.0
        while not self._stopped.wait(pause) and not self._ends():
            context = self._context()
            due = [self._guarded(of, context) for of in (keep_warm.run_due, probe.run_due)]
            wanted = [seconds for seconds in due if seconds is not None]
            if not wanted:
                return
            pause = min(*wanted, MAX_PAUSE_SEC)

    def _guarded(
        self, run_due: Callable[[RequestContext], Optional[float]], context: RequestContext
    ) -> Optional[float]:
        """Turn an internal error into a line, once for each kind."""
        try:
            return run_due(context)
        except Exception as error:
            name = type(error).__name__
            if name not in self._told:
                self._told.add(name)
                self._warn(f"internal error in a request of the server's own: {name}")
            return MAX_PAUSE_SEC
