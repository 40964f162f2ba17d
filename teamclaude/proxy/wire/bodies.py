"""How much memory the bodies of all requests take together.

Rules that hold in this file:

1. A body counts for what has come of it, one block ahead: what is announced and not sent keeps nobody out.
   It counts until it is given back, as soon as nothing can need it any more.
2. When there is no room, whoever needs some stops reading and waits: the older body first, each for WAIT_SEC
   at most; then it is refused (503), and its client may come again.
3. Bodies that wait for each other, each half read, would all be refused so.  When the oldest has waited for
   STALL_SEC, one that is still being read gives way to it: one that took SLOW_SEC for its last block, else
   the youngest.  So the oldest always gets on.
4. Bodies that came together with their heads are not counted: the number of connections bounds them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...errors import OverloadedError

__all__ = ["BLOCK", "BodyLimiter", "BodyRoom"]

BLOCK = 1 << 20
WAIT_SEC = 10.0
STALL_SEC = 1.0
SLOW_SEC = 10.0
BEAT_SEC = 0.2
RETRY_SEC = 5


class BodyLimiter:
    """Any thread.  `limit` tells the bytes that all bodies may take together."""

    def __init__(self, limit: Callable[[], int], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._changed = threading.Condition()  # guards the four below, and the rooms
        self._used = 0
        self._born = 0
        self._reading: list[BodyRoom] = []  # bodies of which more is to come, in order of age
        self._waiting: list[BodyRoom] = []

    @property
    def used(self) -> int:
        """Bytes that are taken now."""
        return self._used

    def room(self) -> BodyRoom:
        """For one body that is about to be read."""
        with self._changed:
            self._born += 1
            return BodyRoom(self, self._born)

    def take(self, room: BodyRoom, size: int, beat: Callable[[], None]) -> None:
        """Room for `size` bytes more; waits for it (rules 2 and 3), and calls `beat` meanwhile.

        Raises Overloaded, or what `beat` raises.
        """
        with self._changed:
            self._check(room)
            if room not in self._reading:
                self._reading.append(room)
                self._reading.sort(key=_age)
            if self._waiting or self._used + size > self._limit():
                self._wait(room, size, beat)
            self._used += size
            room.held += size
            room.at = self._monotonic()

    def _wait(self, room: BodyRoom, size: int, beat: Callable[[], None]) -> None:
        began = self._monotonic()
        self._waiting.append(room)
        try:
            while True:
                first = min(self._waiting, key=_age) is room
                if first and self._used + size <= self._limit():
                    return
                waited = self._monotonic() - began
                if waited >= WAIT_SEC:
                    room.refused = True
                elif first and waited >= STALL_SEC:
                    self._make_room(room)
                self._check(room)
                self._changed.wait(BEAT_SEC)
                beat()
        finally:
            self._waiting.remove(room)
            self._changed.notify_all()

    def _make_room(self, oldest: BodyRoom) -> None:
        if any(each.refused and each.held for each in self._reading):
            return  # its room is about to be given back
        others = [each for each in self._reading if each is not oldest and each.held]
        slow_since = self._monotonic() - SLOW_SEC
        slow = [each for each in others if each not in self._waiting and each.at <= slow_since]
        younger = [each for each in others if each.born > oldest.born]
        if slow:
            slow[0].refused = True
        elif younger:
            younger[-1].refused = True
        self._changed.notify_all()

    def _check(self, room: BodyRoom) -> None:
        if room.refused:
            raise OverloadedError(
                f"The bodies of all requests take {self._limit() >> 20} MiB, the most (proxy.maxBodiesMiB); "
                "try again in a moment.",
                RETRY_SEC,
            )

    def read(self, room: BodyRoom) -> None:
        """All of it has come."""
        with self._changed:
            if room in self._reading:
                self._reading.remove(room)

    def give_back(self, room: BodyRoom) -> None:
        """It is not needed any more."""
        with self._changed:
            if room in self._reading:
                self._reading.remove(room)
            self._used -= room.held
            room.held = 0
            self._changed.notify_all()


class BodyRoom:
    """What one body takes; used by one thread at a time."""

    __slots__ = ("_limiter", "at", "born", "held", "refused")

    def __init__(self, limiter: BodyLimiter, born: int) -> None:
        self._limiter = limiter
        self.born = born
        self.held = 0
        self.at = 0.0  # when it took its last block; monotonic
        self.refused = False  # it has to give way

    def take(self, size: int, beat: Callable[[], None]) -> None:
        """Room for `size` bytes more; raises Overloaded, or what `beat` raises."""
        self._limiter.take(self, size, beat)

    def check(self) -> None:
        """Raise Overloaded when it has to give way."""
        self._limiter._check(self)

    def moved(self, now: float) -> None:
        """Another block of what it has taken already has come."""
        self.at = now

    def read(self) -> None:
        """All of it has come."""
        self._limiter.read(self)

    def give_back(self) -> None:
        """It is not needed any more."""
        self._limiter.give_back(self)


def _age(room: BodyRoom) -> int:
    return room.born
