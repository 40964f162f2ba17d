"""Limits the memory that the bodies of all requests take together.

Rules that hold in this file:

1. A body counts for the bytes that have arrived, one block ahead: announced bytes that are not sent keep no
   other body out.  It counts until it is released, as soon as nothing can need it any more.
2. At the limit a body that needs more is not read further and waits: the oldest first, each for at most
   WAIT_SEC; then it is refused (503), and its client may try again.
3. Bodies that wait for each other, each half read, would all be refused that way.  When the oldest has waited
   for STALL_SEC, one that is still being read is refused for it: one that took SLOW_SEC for its last block,
   else the youngest.  So the oldest always proceeds.
4. Bodies that arrived together with their heads are not counted: the number of connections bounds them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...errors import OverloadedError

__all__ = ["BLOCK", "BodyLimiter", "BodyReservation"]

BLOCK = 1 << 20
WAIT_SEC = 10.0
STALL_SEC = 1.0
SLOW_SEC = 10.0
POLL_SEC = 0.2
RETRY_SEC = 5


class BodyLimiter:
    """The memory of all bodies; any thread.  `limit` returns the bytes they may take together."""

    def __init__(self, limit: Callable[[], int], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._changed = threading.Condition()  # guards the four below, and the reservations
        self._used = 0
        self._last_sequence = 0
        self._reading: list[BodyReservation] = []  # incomplete bodies, in order of age
        self._waiting: list[BodyReservation] = []

    @property
    def used(self) -> int:
        """The bytes in use."""
        return self._used

    def reservation(self) -> BodyReservation:
        """Return an empty reservation for a body that is about to be read."""
        with self._changed:
            self._last_sequence += 1
            return BodyReservation(self, self._last_sequence)

    def acquire(self, body: BodyReservation, size: int, on_tick: Callable[[], None]) -> None:
        """Reserve `size` more bytes; wait for them (rules 2 and 3) and call `on_tick` meanwhile.

        Raises OverloadedError, or what `on_tick` raises.
        """
        with self._changed:
            self._check_refused(body)
            if body not in self._reading:
                self._reading.append(body)
                self._reading.sort(key=_by_age)
            if self._waiting or self._used + size > self._limit():
                self._wait(body, size, on_tick)
            self._used += size
            body.acquired += size
            body.last_block_at = self._monotonic()

    def _wait(self, body: BodyReservation, size: int, on_tick: Callable[[], None]) -> None:
        began = self._monotonic()
        self._waiting.append(body)
        try:
            while True:
                first = min(self._waiting, key=_by_age) is body
                if first and self._used + size <= self._limit():
                    return
                waited = self._monotonic() - began
                if waited >= WAIT_SEC:
                    body.refused = True
                elif first and waited >= STALL_SEC:
                    self._refuse_another(body)
                self._check_refused(body)
                self._changed.wait(POLL_SEC)
                on_tick()
        finally:
            self._waiting.remove(body)
            self._changed.notify_all()

    def _refuse_another(self, oldest: BodyReservation) -> None:
        if any(each.refused and each.acquired for each in self._reading):
            return  # its memory is about to be released
        others = [each for each in self._reading if each is not oldest and each.acquired]
        slow_since = self._monotonic() - SLOW_SEC
        slow = [each for each in others if each not in self._waiting and each.last_block_at <= slow_since]
        younger = [each for each in others if each.sequence > oldest.sequence]
        if slow:
            slow[0].refused = True
        elif younger:
            younger[-1].refused = True
        self._changed.notify_all()

    def _check_refused(self, body: BodyReservation) -> None:
        if body.refused:
            raise OverloadedError(
                f"The bodies of all requests take {self._limit() >> 20} MiB, the most (proxy.maxBodiesMiB); "
                "try again in a moment.",
                RETRY_SEC,
            )

    def mark_read(self, body: BodyReservation) -> None:
        """Note that all of it has arrived."""
        with self._changed:
            if body in self._reading:
                self._reading.remove(body)

    def release(self, body: BodyReservation) -> None:
        """Free its memory: nothing needs it any more."""
        with self._changed:
            if body in self._reading:
                self._reading.remove(body)
            self._used -= body.acquired
            body.acquired = 0
            self._changed.notify_all()


class BodyReservation:
    """The memory of one body; used by one thread at a time."""

    __slots__ = ("_limiter", "acquired", "last_block_at", "refused", "sequence")

    def __init__(self, limiter: BodyLimiter, sequence: int) -> None:
        self._limiter = limiter
        self.sequence = sequence  # the lower, the older
        self.acquired = 0  # bytes
        self.last_block_at = 0.0  # when it last acquired or filled a block; monotonic
        self.refused = False  # another body needs its memory

    def acquire(self, size: int, on_tick: Callable[[], None]) -> None:
        """Reserve `size` more bytes; raises OverloadedError, or what `on_tick` raises."""
        self._limiter.acquire(self, size, on_tick)

    def check_refused(self) -> None:
        """Raise OverloadedError if the body was refused for another."""
        self._limiter._check_refused(self)

    def mark_progress(self, now: float) -> None:
        """Note that another block has arrived of what it had acquired before."""
        self.last_block_at = now

    def mark_read(self) -> None:
        """Note that all of it has arrived."""
        self._limiter.mark_read(self)

    def release(self) -> None:
        """Free its memory: nothing needs it any more."""
        self._limiter.release(self)


def _by_age(body: BodyReservation) -> int:
    return body.sequence
