"""The worlds of the end-to-end tests: the real client before the real proxy before the fake API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import packages
from tests.e2e.client_environment import ClientEnvironment


@pytest.fixture(scope="session")
def program() -> Path:
    """The client, from the npm registry; without it the test is skipped."""
    try:
        return packages.claude()
    except packages.NotInstalledError as refusal:
        pytest.skip(f"the client could not be installed: {refusal}")


@pytest.fixture
def world(tmp_path: Path, private_home: Path, program: Path) -> Iterator[ClientEnvironment]:
    """The client with the proxy's key in ANTHROPIC_AUTH_TOKEN."""
    world = ClientEnvironment(tmp_path, private_home, program)
    yield world
    world.close()


@pytest.fixture(params=["token", "login"])
def either(request: pytest.FixtureRequest, world: ClientEnvironment) -> ClientEnvironment:
    """Both ways to enter: the key as a token, and a login of the client's own with the key as a header."""
    if request.param == "login":
        world.log_in()
    return world
