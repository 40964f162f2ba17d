"""Blocking work that can't be waited on together with the client: done in a thread, with an eye on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Optional, TypeVar

from .socket_wait import POLL_SEC

__all__ = ["run_in_thread"]

T = TypeVar("T")


def run_in_thread(work: Callable[[], T], on_tick: Callable[[], None]) -> T:
    """What `work` returns or raises; `beat` is called every fraction of a second meanwhile.

    When `beat` raises (the client has left) the work goes on alone and nobody waits for it: it must be
    worth finishing.  Where no thread can be started it is done in this one, without a beat.
    """
    try:
        job = _ThreadJob(work)
    except RuntimeError:  # "can't start new thread"
        return work()
    while not job.done.wait(POLL_SEC):
        on_tick()
    return job.result()


class _ThreadJob(threading.Thread, Generic[T]):
    def __init__(self, work: Callable[[], T]) -> None:
        super().__init__(name="attended", daemon=True)
        self._work = work
        self._results: list[T] = []
        self._error: Optional[BaseException] = None
        self.done = threading.Event()
        self.start()

    def run(self) -> None:
        try:
            self._results.append(self._work())
        except BaseException as error:  # raised again in the waiting thread
            self._error = error
        self.done.set()

    def result(self) -> T:
        if self._error is not None:
            raise self._error
        return self._results[0]
