"""A clock that runs faster than real time: hours of quota pass in seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["DemoClock", "real_seconds"]

Clock = Callable[[], float]


class DemoClock:
    """Epoch seconds that advance `speed` times as fast as real ones.

    The fake API (resets), the proxy (benches) and the sessions (think time) of a demo share one.
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
        """Return the demo time in epoch seconds."""
        return self.start + (self._timer() - self._origin) * self.speed

    def elapsed(self) -> float:
        """Return the demo seconds since the start."""
        return self() - self.start


def real_seconds(clock: Clock, seconds: float) -> float:
    """Return the real seconds that `seconds` of `clock` take; a clock without `speed` runs in real time."""
    return seconds / float(getattr(clock, "speed", 1.0))
