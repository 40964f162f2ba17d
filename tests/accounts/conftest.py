"""Fixtures: a config directory, a virtual clock, and accounts that are logged in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.accounts.support import ConfigDir, Logins, VirtualClock
from tests.fakeapi.authserver import AuthServer
from tests.fakeapi.token_issuer import FakeUser


@pytest.fixture
def new_config_dir() -> type[ConfigDir]:
    return ConfigDir


@pytest.fixture
def config_dir(tmp_path: Path) -> ConfigDir:
    return ConfigDir(tmp_path)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def logins(config_dir: ConfigDir, clock: VirtualClock) -> Iterator[Logins]:
    server = AuthServer([FakeUser("anna")], clock=clock)
    with server:
        logins = Logins(config_dir, server, clock)
        yield logins
        lines = [*logins.warnings, *config_dir.warnings, *(reason for _, reason in logins.auth_failures)]
        assert not any(secret in line for secret in logins.secrets for line in lines)
        assert not any("\n" in line for line in lines)
