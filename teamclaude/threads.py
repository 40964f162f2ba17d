"""Start a long-lived thread although the system may be out of threads, wake one cheaply, use one again.

And let other threads run beside one that computes.
"""

from __future__ import annotations

import sys
import threading
import time
from collections import deque
from typing import Callable, Optional

__all__ = ["SHORT_TURNS", "Signal", "WorkerThreads", "start_with_retry"]

Work = Callable[[], None]

RETRY_FOR_SEC = 10.0
PAUSE_SEC = 0.2
IDLE_SEC = 2.0  # of a thread without work
MOST_IDLE = 16  # threads without work: 0.4 MB
JOIN_SEC = 2.0
TURN_SEC = 10e-6  # with 0.1 ms the added p99 was 4 ms


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


class ShortTurns:
    """A block of long work in which the interpreter lock is given up soon, to a thread that waits for it.

    By default that takes 5 ms, and the event loop gives it up with every system call: beside a Deck that
    computes for 15 ms it made three of them.  200 streams of 50 events/s with a Deck and three pages: added
    p99 10 ms, with this 1.6 ms; as before where other programs take all processors.  For all threads and
    always it would cost a small request under load 10 %.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the two below
        self._inside = 0
        self._usual_sec = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._usual_sec = sys.getswitchinterval()
                sys.setswitchinterval(TURN_SEC)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                sys.setswitchinterval(self._usual_sec)


SHORT_TURNS = ShortTurns()


class WorkerThreads:
    """Run pieces of work that may block, each in a thread; any thread may hand one over.

    A thread that has ended its work waits a while for the next: waking it takes less than starting one.
    """

    def __init__(self, name: str, most_idle: int = MOST_IDLE, idle_sec: float = IDLE_SEC) -> None:
        self._name = name
        self._most_idle = most_idle
        self._idle_sec = idle_sec
        self._lock = threading.Lock()  # guards the three below
        self._idle: list[_Worker] = []  # the last one has worked last
        self._late: deque[Work] = deque()  # for which no thread could be started
        self._closed = False

    def run(self, work: Work) -> None:
        """Run it, which may not raise; RuntimeError or MemoryError: no thread can be started for it."""
        with self._lock:
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            threading.Thread(target=self._take_turns, args=([work],), name=self._name, daemon=True).start()
        else:
            worker.work = work
            worker.wake.release()

    def put(self, work: Work) -> None:
        """Run it as soon as there is a thread: at once, when another's work ends, or with a `retry`."""
        try:
            self.run(work)
        except (RuntimeError, MemoryError):
            with self._lock:
                self._late.append(work)

    def retry(self) -> None:
        """Try again to start threads for what was `put`; for a timer."""
        for _ in range(len(self._late)):
            with self._lock:
                work = self._late.popleft() if self._late else None
            if work is not None:
                self.put(work)

    def close(self) -> None:
        """End the idle threads, and the others as soon as their work ends."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.wake.release()
        for worker in idle:
            worker.thread.join(JOIN_SEC)

    def _take_turns(self, first: list[Work]) -> None:
        work: Optional[Work] = first.pop()  # the thread object would keep it
        worker = _Worker()
        while work is not None:
            work()
            work = None  # it may hold much
            work = self._next_work(worker)

    def _next_work(self, worker: _Worker) -> Optional[Work]:
        with self._lock:
            if self._late:
                return self._late.popleft()
            if self._closed or len(self._idle) >= self._most_idle:
                return None
            self._idle.append(worker)
        if not worker.wake.acquire(timeout=self._idle_sec):
            with self._lock:
                if worker in self._idle:
                    self._idle.remove(worker)
                    return None
            worker.wake.acquire()  # it was taken off the list meanwhile
        work, worker.work = worker.work, None
        return work


class _Worker:
    """One thread between two pieces of work."""

    def __init__(self) -> None:
        self.thread = threading.current_thread()
        self.work: Optional[Work] = None  # None when it is woken: it ends
        self.wake = threading.Lock()  # released once for each turn
        self.wake.acquire()
