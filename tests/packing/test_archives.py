"""Archives have the same bytes wherever they are built, and hold what the project holds."""

from __future__ import annotations

import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from archives import Entry, package_files, source_files, source_time, tar_gz_bytes, write, zip_bytes

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = [Entry("b/run", b"#!/bin/sh\n", True), Entry("a.txt", b"text")]


def tracked(below: str = "") -> set[str]:
    """The files that the project has under version control; skip the test where that is unknown."""
    listed = subprocess.run(["git", "ls-files", "-z", below or "."], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode or not (ROOT / ".git").exists():
        pytest.skip("not a clone")
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()}


def test_the_program_is_all_that_is_tracked_of_it() -> None:
    assert {entry.name for entry in package_files()} >= tracked("teamclaude")


def test_a_source_distribution_holds_what_is_tracked() -> None:
    names = {entry.name for entry in source_files()}
    assert names >= tracked() - {".github/CODEOWNERS"}
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_left_over_files_are_not_packed(tmp_path: Path) -> None:
    for name in ("a.py", "a.py~", "__pycache__/a.pyc", ".a.py.swp", ".hidden/b.py", "secret.key", "c.orig"):
        file = tmp_path / "teamclaude" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("x")
    assert [entry.name for entry in package_files(tmp_path)] == ["teamclaude/a.py"]


@pytest.mark.parametrize("pack", [zip_bytes, tar_gz_bytes])
def test_the_order_and_the_clock_change_no_byte(
    pack: Callable[[list[Entry]], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    first = pack(ENTRIES)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert pack(ENTRIES[::-1]) == first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert pack(ENTRIES) != first


def test_a_zip_archive_says_modes_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    data = zip_bytes(ENTRIES, b"#!/usr/bin/env python3\n")
    assert data.startswith(b"#!/usr/bin/env python3\nPK")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        found = [
            (each.filename, oct(each.external_attr >> 16), each.date_time) for each in archive.infolist()
        ]
    assert found == [
        ("a.txt", "0o100644", (2023, 11, 14, 22, 13, 20)),
        ("b/run", "0o100755", (2023, 11, 14, 22, 13, 20)),
    ]
    assert len(zip_bytes([Entry("z", b"x" * 9999)], compressed=True)) < 999


def test_a_tar_archive_says_modes_and_no_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(tar_gz_bytes(ENTRIES)))) as archive:
        found = [(each.name, oct(each.mode), each.mtime, each.uid, each.uname) for each in archive]
    assert found == [("a.txt", "0o644", 1700000000, 0, ""), ("b/run", "0o755", 1700000000, 0, "")]


@pytest.mark.parametrize(
    ("stated", "seconds"), [("", 315_532_800), ("5", 315_532_800), ("1700000000", 1.7e9)]
)
def test_the_time_is_one_that_an_archive_can_say(
    stated: str, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", stated)
    assert source_time() == seconds


def test_a_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "dist" / "x.pyz"
    write(path, b"one")
    write(path, b"two", runs=True)
    assert path.read_bytes() == b"two"
    assert [each.name for each in path.parent.iterdir()] == ["x.pyz"]
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o755


def test_another_directory_and_umask_build_the_same_file(built: bytes, tmp_path: Path) -> None:
    copy = tmp_path / "copy of it"
    umask = os.umask(0o077)
    try:
        for name in ("teamclaude", ".ci"):
            shutil.copytree(ROOT / name, copy / name, copy_function=shutil.copyfile)
        shutil.copyfile(ROOT / "LICENSE", copy / "LICENSE")
        made = copy / "x.pyz"
        subprocess.run(
            [sys.executable, str(copy / ".ci" / "packing" / "make_zipapp.py"), str(made)],
            cwd="/",
            check=True,
            capture_output=True,
            timeout=60,
        )
    finally:
        os.umask(umask)
    assert made.read_bytes() == built
