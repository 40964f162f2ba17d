"""How many descriptors connections may take, and the spare one."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Optional

import pytest

from teamclaude.proxy.lifecycle import descriptors
from teamclaude.proxy.lifecycle.descriptors import SpareDescriptor, raise_descriptor_limit

ENDLESS = -1


class Limits(SimpleNamespace):
    """The module `resource`; refuses values above `real` though the hard limit allows them (macOS)."""

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


def test_the_spare_descriptor_is_released_once_and_reacquired() -> None:
    spare = SpareDescriptor()
    assert [spare.release(), spare.release()] == [True, False]
    spare.reacquire()
    spare.reacquire()
    assert [spare.release(), spare.release()] == [True, False]


def test_a_spare_descriptor_that_was_not_free_is_acquired_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*about: object) -> int:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", full)
        spare = SpareDescriptor()
    assert not spare.release()
    spare.reacquire()
    assert spare.release()
