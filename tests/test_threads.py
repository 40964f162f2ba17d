"""A thread is started as soon as the system has one, and woken by a signal."""

from __future__ import annotations

import threading

from teamclaude.threads import Signal, start_with_retry


class Scarce(threading.Thread):
    """Can be started after some attempts."""

    def __init__(self, after: int) -> None:
        super().__init__()
        self.left = after

    def start(self) -> None:
        self.left -= 1
        if self.left >= 0:
            raise RuntimeError("can't start new thread")


def test_starting_is_retried_until_it_works() -> None:
    pauses: list[float] = []
    assert start_with_retry(Scarce(3), pauses.append)
    assert pauses == [0.2] * 3


def test_retrying_ends_after_ten_seconds() -> None:
    pauses: list[float] = []
    assert not start_with_retry(Scarce(999), pauses.append)
    assert 10 <= sum(pauses) < 11


def test_a_signal_wakes_who_waits_for_it_until_it_is_cleared() -> None:
    signal = Signal()
    woken = threading.Event()

    def wait() -> None:
        signal.wait()
        woken.set()

    thread = threading.Thread(target=wait)
    thread.start()
    assert not signal.is_set
    assert not woken.is_set()
    signal.set()
    assert woken.wait(30)
    assert signal.is_set
    signal.clear()
    assert not signal.is_set
    signal.wait(0.0)  # it returns, although nothing sets it
    thread.join(30)
