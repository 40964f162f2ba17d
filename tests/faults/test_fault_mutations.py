"""Each deliberate bug is caught by the schedule that is known to show it."""

from __future__ import annotations

import pytest

from tests.faults.mutations import MUTATIONS, Mutation, caught


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.bug)
def test_a_deliberate_bug_is_caught(mutation: Mutation) -> None:
    violation = caught(mutation, mutation.seed)
    assert violation is not None, "look for another seed: python -m tests.faults.mutations --find 400"
