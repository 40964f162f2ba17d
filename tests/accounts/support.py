"""What the tests of accounts share: a config directory, a virtual clock, and logins at a fake server."""

from __future__ import annotations

import copy
import json
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


class ConfigDir:
    """A config file in its own directory, and the warnings about it."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "teamclaude.json"
        self.warnings: list[str] = []
        self.file = ConfigFile(self.path, self.warnings.append)

    def sample(self) -> dict[str, Any]:
        """A file with an account, characters outside ASCII and keys of another version."""
        return copy.deepcopy(GOOD)

    def write(self, value: Any, mode: int = 0o600) -> str:
        text = value if isinstance(value, str) else json.dumps(value, indent=2) + "\n"
        self.path.write_text(text, "utf-8")
        self.path.chmod(mode)
        return text

    def error_of(self, call: Any, *args: Any) -> str:
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
    def other_files(self) -> set[str]:
        """The other files in the directory, except the lock."""
        names = {path.name for path in self.path.parent.iterdir()}
        return names - {self.path.name, f"{self.path.name}.lock"}


class VirtualClock:
    """Epoch seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Logins:
    """Accounts in a config file that were logged in at a fake authorization server, in virtual time."""

    def __init__(self, config_dir: ConfigDir, server: AuthServer, clock: VirtualClock) -> None:
        self.config_dir = config_dir
        self.server = server
        self.clock = clock
        self.warnings: list[str] = []
        self.changed_keys: list[str] = []
        self.auth_failures: list[tuple[str, str]] = []

    def log_in(self, *names: str, **changes: Any) -> None:
        """A config file with one account for each name, logged in now."""
        entries = [{**self.server.log_in(FakeUser(name)), **changes} for name in names]
        self.write_config({"proxy": {"port": 0, "apiKey": "tc-FAKE"}, "accounts": entries})

    def write_config(self, raw: dict[str, Any]) -> None:
        self.config_dir.write({**raw, "oauth": self.server.oauth})

    def entry(self, name: str = "anna") -> Any:
        return next(entry for entry in self.config_dir.json["accounts"] if entry["name"] == name)

    def key(self, name: str = "anna") -> str:
        return f"fake-person-{name}/fake-org-{name}"

    def token(self, manager: TokenManager, name: str = "anna") -> str:
        """The access token that a manager would send."""
        token = manager.tokens[self.key(name)].pair.access_token
        assert token is not None
        return token

    def manager(self, **changes: Any) -> TokenManager:
        """A manager that runs background work at once."""
        parts: dict[str, Any] = {
            "on_new_tokens": self.changed_keys.append,
            "on_auth_failed": lambda key, words: self.auth_failures.append((key, words)),
            "warn": self.warnings.append,
            "clock": self.clock,
            "spawn": lambda work: work(),
            **changes,
        }
        return TokenManager(self.config_dir.file, self.config_dir.file.load(), **parts)

    def advance(self, hours: float) -> None:
        self.clock.now += hours * 3600

    def run_timer(self, manager: TokenManager, hours: float) -> None:
        """Let the manager's timer run through some hours."""
        end = self.clock.now + hours * 3600
        while self.clock.now < end:
            self.clock.now += manager.run_due()

    @property
    def secrets(self) -> set[str]:
        """Every token that was ever issued."""
        families = self.server.issuer.families
        return {
            token for family in families for token in (family.refresh_token, *family.spent, *family.access)
        }
