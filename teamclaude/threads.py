"""Starting a thread that is needed for good, on a machine that may have none to give just now."""

from __future__ import annotations

import threading
import time
from typing import Callable

__all__ = ["start_with_retry"]

RETRY_FOR_SEC = 10.0
PAUSE_SEC = 0.2


def start_with_retry(thread: threading.Thread, sleep: Callable[[float], None] = time.sleep) -> bool:
    """Start it, at once or within PATIENCE_SEC; False when none was to be had in that time."""
    waited = 0.0
    while True:
        try:
            thread.start()
            return True
        except RuntimeError:  # "can't start new thread": others may end soon
            if waited >= RETRY_FOR_SEC:
                return False
        sleep(PAUSE_SEC)
        waited += PAUSE_SEC
