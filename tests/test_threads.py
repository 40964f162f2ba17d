"""A thread is started as soon as one is to be had."""

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


def test_it_is_tried_until_one_is_to_be_had() -> None:
    pauses: list[float] = []
    assert start_with_retry(Scarce(3), pauses.append)
    assert pauses == [0.2] * 3


def test_it_is_not_tried_for_ever() -> None:
    pauses: list[float] = []
    assert not start_with_retry(Scarce(999), pauses.append)
    assert 10 <= sum(pauses) < 11
