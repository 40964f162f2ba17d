from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from teamclaude.accounts import files


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_writes_a_new_file_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    files.write_private(str(path), b"one")
    assert path.read_bytes() == b"one"
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


def test_a_loose_file_becomes_private_when_it_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    files.write_private(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600


def test_a_symlink_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_bytes(b"old")
    link = tmp_path / "link.json"
    link.symlink_to(real)
    files.write_private(str(link), b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failure_keeps_the_old_file_and_leaves_no_temporary_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, step, full)
    with pytest.raises(OSError, match="No space"):
        files.write_private(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_the_data_is_on_disk_before_the_name_points_to_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(files.os, "fsync", lambda fd: (steps.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(files.os, "replace", lambda a, b: (steps.append("replace"), replace(a, b))[1])
    files.write_private(str(tmp_path / "state.json"), b"new")
    assert steps[:2] == ["fsync", "replace"]


def test_the_temporary_file_lives_in_the_directory_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace = os.replace
    monkeypatch.setattr(files.os, "replace", lambda a, b: (seen.append(a), replace(a, b))[1])
    files.write_private(str(tmp_path / "state.json"), b"new")
    assert os.path.dirname(seen[0]) == str(tmp_path.resolve())
