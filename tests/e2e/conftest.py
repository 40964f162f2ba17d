"""Fixtures of the end-to-end tests: the client, and the chain client → proxy → fake API."""

from __future__ import annotations

import json
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
def environment(tmp_path: Path, private_home: Path, program: Path) -> Iterator[ClientEnvironment]:
    """The client with the proxy's key in ANTHROPIC_AUTH_TOKEN."""
    environment = ClientEnvironment(tmp_path, private_home, program)
    yield environment
    environment.close()


@pytest.fixture(params=["token", "login"])
def either(request: pytest.FixtureRequest, environment: ClientEnvironment) -> ClientEnvironment:
    """Run with both ways to send the key: as a token, and as a header beside the client's own login."""
    if request.param == "login":
        environment.log_in()
    return environment


@pytest.fixture(params=packages.CLAUDE_VERSIONS)
def new_client(
    request: pytest.FixtureRequest, tmp_path: Path, private_home: Path
) -> Iterator[ClientEnvironment]:
    """A client that has never been started, in its newest and an old version."""
    try:
        program = packages.claude_version(request.param)
    except packages.NotInstalledError as refusal:
        pytest.skip(f"the client could not be installed: {refusal}")
    environment = ClientEnvironment(tmp_path, private_home, program)
    yield environment
    environment.close()


@pytest.fixture
def client(new_client: ClientEnvironment, private_home: Path) -> ClientEnvironment:
    """A logged-in client that has been used before, in its newest and an old version."""
    new_client.log_in()
    used = {
        "hasCompletedOnboarding": True,
        "theme": "dark",
        "projects": {str(new_client.project): {"hasTrustDialogAccepted": True}},
    }
    (private_home / ".claude.json").write_text(json.dumps(used))
    return new_client
