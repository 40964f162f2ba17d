"""The worker thread that hands finished requests and notices to observers: history, metrics, alerts.

Rules that hold in this file:

1. A request's thread appends a reference and never waits.  Under load one in PIECE hands over what waits by
   then, unless another thread is at it: that takes the event loop 0.5 ms, while a thread of its own that
   waited for the interpreter lock was woken by each system call of the loop, and then kept it for 2 ms.
   Small requests over 16 connections: p99 10 ms, with this and the like of it in `LinePrinter` 5.5 ms,
   requests/s 7 % more.
2. Observers are called by one thread at a time, in the order things happened, and need no lock for what only
   they use.  `record_all` and `notice` may not block; `tick` and `close` only delay the other observers.
3. An observer that raises is reported once and called again; what was left of its requests is not counted.
4. While the reporter's thread runs, requests wait for the interpreter lock: it works a few times a second.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Optional, Union

from ...threads import Signal
from ..records.exchange import Exchange
from ..records.notices import Notice

__all__ = ["Observer", "Reporter"]

MAX_WAITING = 10_000  # finished requests: beyond it the oldest are not counted
# After the first request others are waited for: with a wake-up for each, small requests took longer.  What
# waits is memory: 2 KB for each request.
GATHER_SEC = 0.25
PIECE = 64  # requests that are handed over at once
CLOSE_TIMEOUT_SEC = 5.0


class Observer:
    """One that sums up; by one thread at a time, `tick` and `close` mostly by the reporter's."""

    def record_all(self, exchanges: Sequence[Exchange]) -> None:
        """Take in finished requests in the order of their ends; they do not change any more."""

    def notice(self, notice: Notice, now: float) -> None:
        """Take in what happened to an account or a held request at `now` (epoch seconds)."""

    def tick(self, now: float) -> None:
        """Do what is due: after each batch, and every 2 s without one."""

    def close(self) -> None:
        """Write out what is left; the last call."""


class Reporter:
    """Queue what happens, for the observers.  Any thread may call any method.

    `clock` returns epoch seconds; `warn` gets one line about each observer that fails.
    """

    def __init__(self, clock: Callable[[], float], warn: Callable[[str], None]) -> None:
        self._clock = clock
        self._warn = warn
        self._observers: list[Observer] = []
        self._waiting: deque[Union[Exchange, tuple[Notice, float]]] = deque(maxlen=MAX_WAITING)
        self._wake = Signal()
        self._closed = threading.Event()
        self._deliver_lock = threading.Lock()  # one delivery at a time
        self._delivering: Optional[int] = None  # the thread that delivers
        self._failed: set[Observer] = set()
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    def add(self, observer: Observer) -> None:
        """Add an observer, before `start`."""
        self._observers.append(observer)

    def remove(self, observer: Observer) -> None:
        """Remove an observer without closing it."""
        with self._deliver_lock:
            self._observers = [each for each in self._observers if each is not observer]

    @property
    def observers(self) -> Sequence[Observer]:
        """All that were added, in order."""
        return self._observers

    def start(self) -> None:
        """Deliver in a background thread from now on."""
        self._thread.start()

    def put(self, exchange: Exchange) -> None:
        """Queue a finished request."""
        self._waiting.append(exchange)
        # If it is set already, it is cleared before the queue is emptied: this one is among them.
        if not self._wake.is_set:
            self._wake.set()
        elif len(self._waiting) > PIECE and self._deliver_lock.acquire(blocking=False):
            try:
                self._hand_over_piece()
            finally:
                self._deliver_lock.release()

    def put_notice(self, notice: Notice, now: float) -> None:
        """Queue a notice of the time `now`."""
        self._waiting.append((notice, now))
        self._wake.set()

    def wake(self) -> None:
        """Let the observers do what is due."""
        self._wake.set()

    def flush(self) -> None:
        """Deliver what waits in the calling thread, and let the observers do what is due."""
        with self._deliver_lock:
            self._deliver()

    def deliver_now(self, wait_sec: float = 0.05) -> None:
        """Deliver what waits in the calling thread, unless another delivery takes longer than `wait_sec`.

        Observers may call it: then it does nothing.
        """
        if self._delivering != threading.get_ident() and self._deliver_lock.acquire(timeout=wait_sec):
            try:
                while self._hand_over_piece():
                    pass
            finally:
                self._deliver_lock.release()

    def close(self) -> None:
        """Deliver the rest and close the observers; give up after 5 s."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_TIMEOUT_SEC)
        else:
            self._finish()

    def _run(self) -> None:
        while not self._closed.is_set():
            self._wake.wait()
            self._closed.wait(GATHER_SEC)
            self._wake.clear()
            self.flush()
        self._finish()

    def _finish(self) -> None:
        self.flush()
        for observer in self._observers:
            self._call(observer, observer.close)

    def _deliver(self) -> None:
        while self._hand_over_piece():
            pass
        self._delivering = threading.get_ident()
        now = self._clock()
        for observer in self._observers:
            self._call(observer, observer.tick, now)
        self._delivering = None

    def _hand_over_piece(self) -> bool:
        """Hand over some requests, and the notice that follows them; return False when nothing waits."""
        waiting = self._waiting
        exchanges: list[Exchange] = []
        notice: Optional[tuple[Notice, float]] = None
        while waiting and notice is None and len(exchanges) < PIECE:
            item = waiting.popleft()
            if isinstance(item, tuple):
                notice = item
            else:
                exchanges.append(item)
        self._delivering = threading.get_ident()
        for observer in self._observers:
            if exchanges:
                self._call(observer, observer.record_all, exchanges)
            if notice is not None:
                self._call(observer, observer.notice, *notice)
        self._delivering = None
        return bool(waiting)

    def _call(self, observer: Observer, action: Callable[..., None], *args: object) -> None:
        try:
            action(*args)
        except Exception as error:  # a defect in one must not end the others
            if observer not in self._failed:
                self._failed.add(observer)
                name = type(observer).__name__
                self._warn(f"{name} failed ({type(error).__name__}: {error}); what it counts may be too low")
