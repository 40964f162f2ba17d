"""Deliver events in threads of their own, of which there are none while nothing happens.

Rules that hold in this file:

1. `put` never waits.  At most MAX_AT_ONCE deliveries run, MAX_WAITING wait; more are dropped and counted.
2. Of failures there is one line a minute at most; it counts those that had none.
3. A line names an alert by its place and condition, a URL by its host: nothing of a credential.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from ..accounts.config.config import AlertConfig, Config
from ..values import NamedTuple
from .run_program import run_program

__all__ = ["Delivery", "Job", "deliver"]

MAX_AT_ONCE = 4
MAX_WAITING = 100
WARN_EVERY_SEC = 60.0
GRACE_SEC = 1.0  # at the end, for deliveries that run


class Job(NamedTuple):
    """One event on its way to one receiver; `place`: of the alert in the config file, from 1."""

    place: int
    alert: AlertConfig
    kind: str
    payload: bytes
    config: Config


def deliver(job: Job, cancelled: threading.Event) -> str:
    """Deliver one event; return what went wrong in one line, or an empty text."""
    if job.alert.url is None:
        return run_program(job.alert.run, job.payload, job.kind, is_cancelled=cancelled.is_set)
    from ..accounts.oauth.token_endpoint import OutboundRoute  # with http.client: only where it is used
    from .post_url import post_url

    connector = OutboundRoute.from_config(job.config).connector()
    return post_url(job.alert.url, job.payload, connector, cancelled.wait)


class Delivery:
    """The queue and its threads.  `warn` gets one line at a time; `clock` returns seconds that only grow."""

    def __init__(
        self,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        deliver: Callable[[Job, threading.Event], str] = deliver,
    ) -> None:
        self._warn = warn
        self._clock = clock
        self._deliver = deliver
        self.delivered = self.failed = 0  # so far
        self._changed = threading.Condition()  # guards the two above and the five below
        self._waiting: deque[Job] = deque()
        self._running = 0
        self._closed = False
        self._warned_at = float("-inf")
        self._unwarned = 0
        self._cancelled = threading.Event()

    def put(self, job: Job) -> None:
        """Queue a delivery."""
        with self._changed:
            if self._closed:
                return
            is_full = len(self._waiting) >= MAX_WAITING
            if not is_full:
                self._waiting.append(job)
            starts = not is_full and self._running < MAX_AT_ONCE
            self._running += starts
        if is_full:
            self._failed(job, "dropped, too many wait")
        elif starts:
            try:
                threading.Thread(target=self._run, name="alert", daemon=True).start()
            except RuntimeError:  # out of threads: another one, or the next event, takes it along
                with self._changed:
                    self._running -= 1

    def close(self) -> None:
        """Let what runs end within GRACE_SEC, cut the rest, and deliver nothing any more."""
        with self._changed:
            self._closed = True
            self._changed.wait_for(lambda: not self._running, GRACE_SEC)
            self._waiting.clear()
            self._cancelled.set()
            self._changed.wait_for(lambda: not self._running, GRACE_SEC)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._running -= 1
                    self._changed.notify_all()
                    return
                job = self._waiting.popleft()
            try:
                problem = self._deliver(job, self._cancelled)
            except Exception as error:  # a defect must not end the alerts
                problem = f"internal error: {type(error).__name__}"
            if problem:
                self._failed(job, problem)
            else:
                with self._changed:
                    self.delivered += 1

    def _failed(self, job: Job, problem: str) -> None:
        with self._changed:
            self.failed += 1
            now = self._clock()
            if now - self._warned_at < WARN_EVERY_SEC:
                self._unwarned += 1
                return
            more, self._unwarned, self._warned_at = self._unwarned, 0, now
        others = f" ({more} more failed before)" if more else ""
        self._warn(f"alert {job.place} ({job.alert.when}) failed: {problem}{others}")
