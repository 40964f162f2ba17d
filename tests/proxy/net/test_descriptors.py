"""The limit of descriptors, and the one that is kept back."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Optional

import pytest

from teamclaude.proxy.net import descriptors
from teamclaude.proxy.net.descriptors import SpareDescriptor, raise_descriptor_limit

ENDLESS = -1


class Limits(SimpleNamespace):
    """As the module `resource`: refuses what is above `real` though the hard limit allows it (macOS)."""

    RLIMIT_NOFILE, RLIM_INFINITY = 7, ENDLESS

    def getrlimit(self, which: int) -> tuple[int, int]:
        return self.soft, self.hard

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        if limits[0] > self.real:
            raise ValueError("current limit exceeds maximum limit")
        self.soft = limits[0]


@pytest.mark.parametrize(
    ("soft", "hard", "real", "expected"),
    [
        (1024, 4096, 4096, 4096),
        (1024, 1048576, 1048576, 65536),
        (256, ENDLESS, 10240, 10240),
        (256, ENDLESS, 1 << 30, 65536),
        (100_000, 200_000, 200_000, 100_000),
        (64, 64, 64, 64),
        (1024, 4096, 0, 1024),
        (ENDLESS, ENDLESS, 1 << 30, None),
    ],
)
def test_the_soft_limit_is_raised_as_far_as_the_hard_one_allows(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, real: int, expected: Optional[int]
) -> None:
    limits = Limits(soft=soft, hard=hard, real=real)
    monkeypatch.setattr(descriptors, "resource", limits)
    assert raise_descriptor_limit() == expected
    assert limits.soft == (ENDLESS if expected is None else expected)


def test_a_system_without_such_limits_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(descriptors, "resource", None)
    assert raise_descriptor_limit() is None


def test_a_spare_one_is_given_once_and_taken_back() -> None:
    spare = SpareDescriptor()
    assert [spare.release(), spare.release()] == [True, False]
    spare.reacquire()
    spare.reacquire()
    assert [spare.release(), spare.release()] == [True, False]


def test_a_spare_one_that_is_not_to_be_had_is_had_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*about: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        spare = SpareDescriptor()
    assert not spare.release()
    spare.reacquire()
    assert spare.release()
