"""A `teamclaude server` in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.commands.server.running import Server


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    """Servers of a test: what it appends is ended with it."""
    started: list[Server] = []
    yield started
    for server in started:
        server.process.kill()
        server.process.communicate()
        server.timer.cancel()
