"""A config file, a proxy to talk to, and a way to run a command in this process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli import main
from tests.cli.support import ALICE, BOB, KEY, PAID, Ended, Stub, free_port


@pytest.fixture
def config(private_home: Path) -> Callable[..., Path]:
    """Write the config file: `config(ALICE, BOB, port=1234)`."""

    def write(*accounts: dict[str, Any], port: int = 1, **proxy: Any) -> Path:
        path = private_home / ".config" / "teamclaude.json"
        path.parent.mkdir(mode=0o700, exist_ok=True)
        text = {"proxy": {"port": port, "apiKey": KEY, **proxy}, "accounts": list(accounts)}
        path.write_text(json.dumps(text, indent=2) + "\n")
        path.chmod(0o600)
        return path

    return write


@pytest.fixture
def stub(config: Callable[..., Path]) -> Iterator[Stub]:
    """A proxy that the config file names, with the accounts alice, bob and paid."""
    stub = Stub()
    config(ALICE, BOB, PAID, port=stub.port)
    yield stub
    stub.stop()


@pytest.fixture
def down(config: Callable[..., Path]) -> Path:
    """The same config file, and nothing listening on its port."""
    return config(ALICE, BOB, PAID, port=free_port())


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ended]:
    """Run a command: `cli("status", "--json")`."""

    def run(*words: str) -> Ended:
        capsys.readouterr()
        status = main(list(words))
        out, err = capsys.readouterr()
        return Ended(status, out, err)

    return run
