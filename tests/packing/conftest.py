"""The program as one file, built once for all tests of this folder."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from make_zipapp import zipapp_bytes

from tests.packing.bytecode import with_bytecode

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The archive's bytes."""
    return zipapp_bytes()


@pytest.fixture(scope="session")
def compiled(built: bytes) -> bytes:
    """The same with compiled modules."""
    return with_bytecode(built)


@pytest.fixture
def archive(compiled: bytes, tmp_path: Path) -> Path:
    """`teamclaude.pyz` in a directory with an odd name."""
    path = tmp_path / "it's a 100% % $HOME é" / "teamclaude.pyz"
    path.parent.mkdir()
    path.write_bytes(compiled)
    path.chmod(0o755)
    return path


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty HOME."""
    path = tmp_path / "home"
    path.mkdir()
    return path


@pytest.fixture
def pyz(archive: Path, home: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command from the archive, in an empty HOME and another directory."""

    def run(*words: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(archive), *words],
            cwd="/",
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "PYTHONUTF8": "1", **env},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run
