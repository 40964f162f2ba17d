"""The source distribution and the wheel: their contents, their bytes, the tests of one, a start of the other.

`make test-sdist`: builds with the real tools.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from archives import source_files

from teamclaude import __version__

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("error::DeprecationWarning")]
ROOT = Path(__file__).resolve().parents[2]
SOME_TESTS = (
    "tests/test_floors.py",
    "tests/test_docs.py",
    "tests/packing/test_archives.py",
    "tests/cli/test_main.py",
)


def run(*words: str, cwd: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(kind: str, source: Path, target: Path) -> Path:
    run("-m", "build", "--no-isolation", f"--{kind}", "--outdir", str(target), str(source), cwd=source)
    (made,) = target.glob("*.tar.gz" if kind == "sdist" else "*.whl")
    return made


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution of a copy: building leaves files beside the sources."""
    copy = tmp_path_factory.mktemp("copy")
    for entry in source_files():
        file = copy / entry.name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(entry.data)
        file.chmod(0o700 if entry.runs else 0o600)
    return build("sdist", copy, tmp_path_factory.mktemp("sdist"))


@pytest.fixture(scope="module")
def unpacked(sdist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The source distribution, unpacked."""
    target = tmp_path_factory.mktemp("unpacked")
    # 3.12 and 3.13 warn without a filter; of 3.9 and 3.11 only later releases know any.
    filtered: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(sdist) as archive:
        archive.extractall(target, **filtered)
    return target / f"teamclaude-{__version__}"


def test_the_source_distribution_is_the_clone(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names == {entry.name for entry in source_files()} | {"PKG-INFO"}


def test_its_tests_run(unpacked: Path) -> None:
    assert "passed" in run("-m", "pytest", "-p", "no:cacheprovider", *SOME_TESTS, "-rN", "-v", cwd=unpacked)


def test_a_source_distribution_of_it_has_the_same_bytes(sdist: Path, unpacked: Path, tmp_path: Path) -> None:
    (unpacked / "PKG-INFO").chmod(0o444)
    assert build("sdist", unpacked, tmp_path / "again").read_bytes() == sdist.read_bytes()


def test_the_wheel_has_the_program_alone_and_the_same_bytes(unpacked: Path, tmp_path: Path) -> None:
    wheel = build("wheel", unpacked, tmp_path / "one")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    wanted = {entry.name for entry in source_files() if entry.name.startswith("teamclaude/")}
    page = f"teamclaude-{__version__}.data/data/share/man/man1/teamclaude.1"
    assert {name for name in names if ".dist-info/" not in name} == {*wanted, page}
    copy = shutil.copytree(unpacked, tmp_path / "elsewhere")
    assert build("wheel", copy, tmp_path / "two").read_bytes() == wheel.read_bytes()

    target = tmp_path / "installed"
    run("-m", "venv", "--without-pip", str(target), cwd=tmp_path)
    python = next((target / "lib").glob("python*"))
    run(
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--target",
        str(python / "site-packages"),
        str(wheel),
        cwd=tmp_path,
    )
    assert next(target.rglob("teamclaude.1")).read_text().startswith(".TH TEAMCLAUDE 1")
    done = subprocess.run(
        [target / "bin" / "python", "-m", "teamclaude", "help", "design"],
        cwd="/",
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("Design: how TeamClaude is built")


def test_twine_finds_nothing_to_complain_of(sdist: Path, unpacked: Path, tmp_path: Path) -> None:
    wheel = build("wheel", unpacked, tmp_path)
    assert run("-m", "twine", "check", "--strict", str(sdist), str(wheel), cwd=tmp_path).count("PASSED") == 2
