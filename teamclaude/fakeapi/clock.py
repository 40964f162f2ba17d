"""A clock that runs faster than life, so that hours of quota pass in seconds of looking."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["DemoClock", "real_seconds"]

Clock = Callable[[], float]


class DemoClock:
    """Epoch seconds that advance `speed` times as fast as real ones.

    Everybody in a demo reads the same one: the fake API (its resets), the proxy (its benches)
    and the sessions (their think time).
    """

    def __init__(
        self, speed: float = 60.0, start: float | None = None, *, timer: Clock = time.monotonic
    ) -> None:
        if not speed > 0:
            raise ValueError(f"speed must be above 0, got {speed}")
        self.speed = speed
        self.start = time.time() if start is None else start
        self._timer = timer
        self._origin = timer()

    def __call__(self) -> float:
        return self.start + (self._timer() - self._origin) * self.speed

    def elapsed(self) -> float:
        """Demo seconds since the start."""
        return self() - self.start


def real_seconds(clock: Clock, seconds: float) -> float:
    """How long `seconds` of `clock` really take; a clock without a `speed` runs in real time."""
    return seconds / float(getattr(clock, "speed", 1.0))
