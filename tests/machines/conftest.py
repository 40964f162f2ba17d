"""Three servers and a certificate, for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines.servers import Pool
from tests.proxy.conftest import pem as pem


@pytest.fixture
def pool(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Three servers with three accounts each, or with as many as the test says."""
    made = Pool(tmp_path, getattr(request, "param", 3))
    yield made
    made.close()
