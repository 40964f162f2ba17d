"""Limit the memory that the bodies of all requests take together.

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
from contextlib import suppress
from typing import Optional

from ....errors import OverloadedError

__all__ = ["BLOCK", "BodyLimiter", "BodyReservation"]

BLOCK = 1 << 20
WAIT_SEC = 10.0
STALL_SEC = 1.0
SLOW_SEC = 10.0
POLL_SEC = 0.2
RETRY_SEC = 5
# The memory of the last body of this size or larger is kept for the next: clearing new memory takes 0.15 ms
# for 2 MB, 8 % of an upload's processor time.
MIN_SPARE_BYTES = 1 << 18


class BodyLimiter:
    """The memory of all bodies; any thread.  `limit` returns the bytes they may take together."""

    def __init__(self, limit: Callable[[], int], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._lock = threading.RLock()  # guards the five below, and the reservations
        self._changed = threading.Condition(self._lock)
        self._spare: Optional[bytearray] = None  # the memory of a released body
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
        with self._lock:
            self._last_sequence += 1
            return BodyReservation(self, self._last_sequence)


class BodyReservation:
    """The memory of one body; used by one thread at a time."""

    __slots__ = ("_acquired", "_buffer", "_last_block_at", "_limiter", "_refused", "_sequence")

    def __init__(self, limiter: BodyLimiter, sequence: int) -> None:
        self._limiter = limiter
        self._sequence = sequence  # the lower, the older
        self._acquired = 0  # bytes
        self._buffer: Optional[bytearray] = None
        self._last_block_at = 0.0  # when it last acquired or filled a block; monotonic
        self._refused = False  # another body needs its memory

    def acquire(self, size: int, on_tick: Callable[[], None]) -> None:
        """Reserve `size` more bytes; wait for them (rules 2 and 3) and call `on_tick` meanwhile.

        Raises OverloadedError, or what `on_tick` raises.
        """
        limiter = self._limiter
        with limiter._lock:
            self.mark_reading()
            if limiter._waiting or limiter._used + size > limiter._limit():
                self._wait(size, on_tick)
            limiter._used += size
            self._acquired += size
            self._last_block_at = limiter._monotonic()

    def mark_reading(self) -> None:
        """Note that it is still being read: from now on it may be refused for another.

        Raises OverloadedError if it was.
        """
        limiter = self._limiter
        with limiter._lock:
            self.check_refused()
            if self not in limiter._reading:
                limiter._reading.append(self)
                limiter._reading.sort(key=_by_age)
            self._last_block_at = limiter._monotonic()

    def take_at_once(self, size: int) -> Optional[bytearray]:
        """Reserve `size` bytes and return them, of any content; None where that takes `acquire`.

        It is not refused for another before `mark_reading`.  No view of them may be left at `release`.
        """
        limiter = self._limiter
        with limiter._lock:
            if limiter._waiting or limiter._used + size > limiter._limit():
                return None
            limiter._used += size
            self._acquired += size
            if size < MIN_SPARE_BYTES:
                return bytearray(size)
            spare, limiter._spare = limiter._spare, None
        self._buffer = bytearray(size) if spare is None else _resized(spare, size)
        return self._buffer

    def _wait(self, size: int, on_tick: Callable[[], None]) -> None:
        limiter = self._limiter
        began = limiter._monotonic()
        limiter._waiting.append(self)
        try:
            while True:
                first = min(limiter._waiting, key=_by_age) is self
                if first and limiter._used + size <= limiter._limit():
                    return
                waited = limiter._monotonic() - began
                if waited >= WAIT_SEC:
                    self._refused = True
                elif first and waited >= STALL_SEC:
                    self._refuse_another()
                self.check_refused()
                limiter._changed.wait(POLL_SEC)
                on_tick()
        finally:
            limiter._waiting.remove(self)
            limiter._changed.notify_all()

    def _refuse_another(self) -> None:
        limiter = self._limiter
        if any(each._refused and each._acquired for each in limiter._reading):
            return  # its memory is about to be released
        others = [each for each in limiter._reading if each is not self and each._acquired]
        slow_since = limiter._monotonic() - SLOW_SEC
        slow = [each for each in others if each not in limiter._waiting and each._last_block_at <= slow_since]
        younger = [each for each in others if each._sequence > self._sequence]
        if slow:
            slow[0]._refused = True
        elif younger:
            younger[-1]._refused = True
        limiter._changed.notify_all()

    def check_refused(self) -> None:
        """Raise OverloadedError if the body was refused, for another or after WAIT_SEC."""
        if self._refused:
            raise OverloadedError(
                f"The bodies of all requests take {self._limiter._limit() >> 20} MiB, the most "
                "(proxy.maxBodiesMiB); try again in a moment.",
                RETRY_SEC,
            )

    def mark_progress(self, now: float) -> None:
        """Note that another block has arrived of what it had acquired before."""
        self._last_block_at = now

    def mark_read(self) -> None:
        """Note that all of it has arrived."""
        with self._limiter._lock:
            if self in self._limiter._reading:
                self._limiter._reading.remove(self)

    def release(self) -> None:
        """Free its memory: nothing needs it any more."""
        limiter = self._limiter
        with limiter._lock:
            if self in limiter._reading:
                limiter._reading.remove(self)
            limiter._used -= self._acquired
            self._acquired = 0
            if self._buffer is not None:
                limiter._spare, self._buffer = self._buffer, None
            if limiter._waiting:
                limiter._changed.notify_all()


def _resized(spare: bytearray, size: int) -> bytearray:
    """Return the memory of an earlier body for one of `size` bytes, if it can be used for that, else new."""
    if len(spare) / 2 < size < len(spare) * 1.1:  # beyond, it would be copied
        with suppress(BufferError):  # a view of it is left
            del spare[size - 1 :]
            spare.extend(bytes(size - len(spare)))
            return spare
    return bytearray(size)


def _by_age(body: BodyReservation) -> int:
    return body._sequence
