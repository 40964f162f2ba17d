"""A config file in a directory of its own, for the tests of whoever reads or writes it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.errors import ConfigError
from tests.fakeapi.authserver import AuthServer
from tests.fakeapi.token_issuer import FakeUser

GOOD: dict[str, Any] = {
    "zeta": {"of": ["another", "version"]},
    "proxy": {"port": 3456, "apiKey": "tc-FAKE"},
    "accounts": [
        {"name": "bob", "mood": "Zoë", "accessToken": "sk-ant-oat01-FAKE", "expiresAt": 1774384968427}
    ],
}


class Shelf:
    """A config file in a directory of its own, and what was said about it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "teamclaude.json"
        self.said: list[str] = []
        self.file = ConfigFile(self.path, self.said.append)

    def good(self) -> dict[str, Any]:
        """A file with an account, characters outside ASCII and keys of another version."""
        return copy.deepcopy(GOOD)

    def put(self, value: Any, mode: int = 0o600) -> str:
        text = value if isinstance(value, str) else json.dumps(value, indent=2) + "\n"
        self.path.write_text(text, "utf-8")
        self.path.chmod(mode)
        return text

    def fault(self, call: Any, *args: Any) -> str:
        """The one line that `call` fails with."""
        with pytest.raises(ConfigError) as caught:
            call(*args)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    @property
    def mode(self) -> int:
        return self.path.stat().st_mode & 0o777

    @property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def others(self) -> set[str]:
        """What else lies in the directory, the lock aside."""
        names = {path.name for path in self.path.parent.iterdir()}
        return names - {self.path.name, f"{self.path.name}.lock"}


@pytest.fixture
def new_shelf() -> Any:
    return Shelf


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


class VirtualClock:
    """Epoch seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Logins:
    """Accounts in a config file that were logged in at a fake authorization server, in virtual time."""

    def __init__(self, shelf: Shelf, server: AuthServer, clock: VirtualClock) -> None:
        self.shelf = shelf
        self.server = server
        self.clock = clock
        self.said: list[str] = []
        self.new: list[str] = []
        self.out: list[tuple[str, str]] = []

    def put(self, *names: str, **changes: Any) -> None:
        """A config file with one account for each name, logged in now."""
        entries = [{**self.server.log_in(FakeUser(name)), **changes} for name in names]
        self.write({"proxy": {"port": 0, "apiKey": "tc-FAKE"}, "accounts": entries})

    def write(self, raw: dict[str, Any]) -> None:
        self.shelf.put({**raw, "oauth": self.server.oauth})

    def entry(self, name: str = "anna") -> Any:
        return next(entry for entry in self.shelf.json["accounts"] if entry["name"] == name)

    def key(self, name: str = "anna") -> str:
        return f"fake-person-{name}/fake-org-{name}"

    def keeper(self, **changes: Any) -> TokenManager:
        """A keeper whose background is the foreground."""
        parts: dict[str, Any] = {
            "on_new_tokens": self.new.append,
            "on_auth_failed": lambda key, words: self.out.append((key, words)),
            "warn": self.said.append,
            "clock": self.clock,
            "spawn": lambda work: work(),
            **changes,
        }
        return TokenManager(self.shelf.file, self.shelf.file.load(), **parts)

    def later(self, hours: float) -> None:
        self.clock.now += hours * 3600

    def pass_time(self, keeper: TokenManager, hours: float) -> None:
        """Let the keeper's timer run through some hours."""
        end = self.clock.now + hours * 3600
        while self.clock.now < end:
            self.clock.now += keeper.run_due()

    @property
    def secrets(self) -> set[str]:
        """Every token that was ever issued."""
        families = self.server.issuer.families
        return {
            token for family in families for token in (family.refresh_token, *family.spent, *family.access)
        }


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def logins(shelf: Shelf, clock: VirtualClock) -> Iterator[Logins]:
    with AuthServer([FakeUser("anna")], clock=clock) as server:
        bench = Logins(shelf, server, clock)
        yield bench
        told = [*bench.said, *shelf.said, *(words for _, words in bench.out)]
        assert not any(secret in line for secret in bench.secrets for line in told)
        assert not any("\n" in line for line in told)
