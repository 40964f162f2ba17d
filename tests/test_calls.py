"""What a warm small request takes, counted: the figures of today, so that no change adds to them unseen."""

from __future__ import annotations

import sys

import pytest

from tests.bench import calls

# By the thread that serves the request.  They differ from one version of Python to the next.  Lower them when
# there are fewer, raise them only for a reason that is written down.
PYTHON_CALLS = {(3, 11): 150, (3, 13): 145}
TOLERATED = 0.03


@pytest.mark.skipif(sys.version_info[:2] not in PYTHON_CALLS, reason="not counted with this Python")
def test_a_warm_small_request_takes_no_more_calls_than_before() -> None:
    expected, cost = PYTHON_CALLS[sys.version_info[:2]], calls.count(with_system_calls=False)
    found = sum(cost.python.values())
    assert found == pytest.approx(expected, rel=TOLERATED), cost.python
    assert sum(cost.afterwards.values()) > 0
