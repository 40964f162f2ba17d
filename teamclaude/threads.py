"""Start a long-lived thread although the system may be out of threads at the moment, and wake one cheaply."""

from __future__ import annotations

import threading
import time
from typing import Callable, Optional

__all__ = ["Signal", "start_with_retry"]

RETRY_FOR_SEC = 10.0
PAUSE_SEC = 0.2


def start_with_retry(thread: threading.Thread, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Start the thread, retrying for RETRY_FOR_SEC seconds; return False if that fails."""
    waited = 0.0
    while True:
        try:
            thread.start()
            return True
        except RuntimeError:  # "can't start new thread": other threads may end soon
            if waited >= RETRY_FOR_SEC:
                return False
        sleep(PAUSE_SEC)
        waited += PAUSE_SEC


class Signal:
    """An event for one waiting thread; what sets it with every request reads `is_set` first.

    An attribute: with `Event.is_set()` a small request took four calls more, 2 % of its time.  The waiting
    thread clears it before it takes what there is: what came while it was still set is among that.
    """

    def __init__(self) -> None:
        self.is_set = False
        self._event = threading.Event()

    def set(self) -> None:
        """Wake the waiting thread."""
        self.is_set = True
        self._event.set()

    def clear(self) -> None:
        """Wait for the next `set` from now on."""
        self._event.clear()
        self.is_set = False  # last: until then nobody sets it, and an event that was cleared would stay so

    def wait(self, seconds: Optional[float] = None) -> None:
        """Block until it is set, at most for so long."""
        self._event.wait(seconds)
