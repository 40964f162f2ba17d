"""A thread is started as soon as the system has one."""

from __future__ import annotations

import threading

from teamclaude.threads import start_with_retry


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
