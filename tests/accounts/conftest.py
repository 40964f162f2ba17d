"""A config file in a directory of its own, for the tests of whoever reads or writes it."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.store import ConfigFile
from teamclaude.errors import ConfigError

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
