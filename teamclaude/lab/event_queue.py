"""Events in virtual time: a heap of what happens next; equal times keep their order."""

from __future__ import annotations

import heapq
from typing import Callable

__all__ = ["EventQueue"]


class EventQueue:
    """Virtual time in one thread."""

    def __init__(self) -> None:
        self.now = 0.0
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def schedule(self, when: float, act: Callable[[], None]) -> None:
        """`act` at `when`, or now if that has passed."""
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.now), self._count, act))

    def run(self, until: float, on_hour: Callable[[float], None] = lambda now: None) -> None:
        """Everything before `until`; `told` hears of each virtual hour."""
        hour = 0.0
        while self._heap and self._heap[0][0] < until:
            self.now, _, act = heapq.heappop(self._heap)
            if self.now >= hour:
                on_hour(self.now)
                hour = self.now + 3600.0
            act()
        self.now = until
