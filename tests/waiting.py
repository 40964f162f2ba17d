"""Wait for what another thread or process does."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["until"]


def until(true: Callable[[], object], seconds: float = 60.0, pause: float = 0.01) -> None:
    """Return once it is true, which is looked at after each `pause`; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"it did not come true within {seconds:g} s"
        time.sleep(pause)
