from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace

import pytest

from teamclaude.accounts.config import atomic_write


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_writes_a_new_file_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.json"
    atomic_write.write_private(str(path), b"one")
    assert path.read_bytes() == b"one"
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


def test_a_replaced_file_becomes_private(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"old")
    path.chmod(0o644)
    atomic_write.write_private(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert mode(path) == 0o600


def test_a_symlink_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    real = tmp_path / "real.json"
    real.write_bytes(b"old")
    link = tmp_path / "link.json"
    link.symlink_to(real)
    atomic_write.write_private(str(link), b"new")
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

    monkeypatch.setattr(os, step, full)
    with pytest.raises(OSError, match="No space"):
        atomic_write.write_private(str(path), b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["state.json"]


def test_the_data_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (steps.append("fsync"), fsync(fd))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (steps.append("replace"), replace(a, b))[1])
    atomic_write.write_private(str(tmp_path / "state.json"), b"new")
    assert steps[:2] == ["fsync", "replace"]


def test_the_temporary_file_is_in_the_directory_of_the_target(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []
    replace = os.replace
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append(a), replace(a, b))[1])
    atomic_write.write_private(str(tmp_path / "state.json"), b"new")
    assert os.path.dirname(seen[0]) == str(tmp_path.resolve())


# --- directories ----------------------------------------------------------------------------------


def test_new_directories_are_private_and_existing_ones_keep_their_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = os.umask(0)
    try:
        atomic_write.make_private_directory(str(tmp_path / "a" / "b" / "c"))
    finally:
        os.umask(before)
    assert [mode(tmp_path / part) for part in ("a", "a/b", "a/b/c")] == [0o700] * 3
    assert mode(tmp_path) == 0o755
    atomic_write.make_private_directory(str(tmp_path / "a" / "b" / "c"))


def test_a_relative_directory_is_made_in_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    atomic_write.make_private_directory("x/y")
    assert mode(tmp_path / "x") == mode(tmp_path / "x" / "y") == 0o700


@pytest.mark.parametrize("kind", ["file", "dangling link"])
def test_something_else_with_the_name_is_an_error(tmp_path: Path, kind: str) -> None:
    if kind == "file":
        (tmp_path / "a").write_text("")
    else:
        (tmp_path / "a").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        atomic_write.make_private_directory(str(tmp_path / "a" / "b"))


def test_a_directory_made_meanwhile_by_another_process_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir = os.mkdir

    def overtaken(path: str, mode: int = 0o777) -> None:
        mkdir(path, 0o700)
        mkdir(path, mode)

    monkeypatch.setattr(os, "mkdir", overtaken)
    atomic_write.make_private_directory(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()


class Stat:
    """What os.stat and the user database tell, as a test has it."""

    def __init__(self, bits: int, owner: int = 1000, group: int = 1000) -> None:
        self.st_mode, self.st_uid, self.st_gid = stat.S_IFDIR | bits, owner, group


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (Stat(0o700), ""),
        (Stat(0o755), ""),
        (Stat(0o755, owner=0), ""),
        (Stat(0o777), "other users can replace the files in /d; run: chmod go-w /d"),
        (Stat(0o702), "other users can replace the files in /d; run: chmod go-w /d"),
        (Stat(0o1777), ""),
        (Stat(0o775), ""),  # a group of the user's own name with nobody else in it
        (Stat(0o775, group=50), "other users can replace the files in /d; run: chmod go-w /d"),
        (Stat(0o775, group=51), "other users can replace the files in /d; run: chmod go-w /d"),
        (Stat(0o775, group=99), "other users can replace the files in /d; run: chmod go-w /d"),
        (
            Stat(0o700, owner=1001),
            "/d belongs to another user (eve), who can replace the files in it: use a directory of your own",
        ),
        (
            Stat(0o700, owner=4711),
            "/d belongs to another user (4711), who can replace the files in it: use a directory of your own",
        ),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_who_else_may_replace_files_in_a_directory(
    monkeypatch: pytest.MonkeyPatch, found: Stat, words: str
) -> None:
    import grp
    import pwd

    users = {1000: "ann", 1001: "eve"}
    groups = {1000: ("ann", []), 50: ("staff", []), 51: ("ann", ["eve"])}
    monkeypatch.setattr(os, "stat", lambda path: found)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: SimpleNamespace(pw_name=users[uid]))
    monkeypatch.setattr(
        grp, "getgrgid", lambda gid: SimpleNamespace(gr_name=groups[gid][0], gr_mem=groups[gid][1])
    )
    assert atomic_write.foreign_writer_warning("/d") == words


@pytest.mark.skipif(os.name == "nt", reason="modes are POSIX")
def test_sudo_does_not_warn_of_the_users_directories(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "stat", lambda path: Stat(0o700))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("SUDO_UID", "1000")
    assert atomic_write.foreign_writer_warning("/d") == ""
    monkeypatch.setenv("SUDO_UID", "1001")
    assert "belongs to another user" in atomic_write.foreign_writer_warning("/d")


def test_a_missing_directory_gives_no_warning(tmp_path: Path) -> None:
    assert atomic_write.foreign_writer_warning(str(tmp_path / "missing")) == ""
