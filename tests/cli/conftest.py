"""A config file, a proxy to talk to, and a way to run a command in this process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.cli import main
from tests.cli.support import ALICE, BOB, KEY, PAID, Ended, Stub, free_port
from tests.fakeapi.authserver import AuthServer
from tests.fakeapi.token_issuer import FakeUser


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


@pytest.fixture
def auth() -> Iterator[AuthServer]:
    """A fake authorization server where ann logs in."""
    server = AuthServer([FakeUser("ann", account_uuid="p-1", org_uuid="o-1", org_name="Acme")])
    with server:
        yield server


@pytest.fixture
def file(auth: AuthServer, config: Callable[..., Path]) -> Path:
    """A config file without accounts, whose logins are made at `auth`; no proxy runs."""
    path = config(port=free_port())
    text = {**json.loads(path.read_text()), "oauth": auth.oauth}
    path.write_text(json.dumps(text, indent=2) + "\n")
    return path


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """A stdin to type on: `keyboard("line")`; `keyboard(end=True)` closes it."""
    there, here = os.pipe()
    stdin = os.fdopen(there, "r")
    monkeypatch.setattr(sys, "stdin", stdin)
    ends = [here]

    def types(line: str = "", end: bool = False) -> None:
        if line:
            os.write(here, line.encode() + b"\n")
        if end:
            os.close(ends.pop())

    yield types
    if ends:
        os.close(ends[0])
    for thread in threading.enumerate():
        if thread.name == "typed":  # it must not read from whatever gets this number next
            thread.join(30)
    stdin.close()


@pytest.fixture(scope="session")
def make_certificate(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., tuple[Path, Path]]:
    """Return what makes a certificate that signs itself, for the names given; (certificate, key)."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificates of these tests")

    def make(names: str = "IP:127.0.0.1", days: int = 30) -> tuple[Path, Path]:
        place = tmp_path_factory.mktemp("tls")
        cert, key = place / "cert.pem", place / "key.pem"
        subprocess.run(
            [
                *(
                    "openssl",
                    "req",
                    "-x509",
                    "-newkey",
                    "ec",
                    "-pkeyopt",
                    "ec_paramgen_curve:P-256",
                    "-nodes",
                ),
                *("-days", str(days), "-subj", "/CN=teamclaude", "-addext", f"subjectAltName={names}"),
                *("-keyout", str(key), "-out", str(cert)),
            ],
            check=True,
            capture_output=True,
        )
        return cert, key

    return make
