"""Start a long-lived thread although the system may be out of threads at the moment."""

from __future__ import annotations

import threading
import time
from typing import Callable

__all__ = ["start_with_retry"]

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
