"""Writing the file: only what changed, whole, and never at the price of what was there."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.config.edits import set_priority

ROOT = Path(__file__).resolve().parents[3]
posix = pytest.mark.skipif(os.name == "nt", reason="modes and symlinks are POSIX")


def test_an_update_changes_what_it_changes_and_nothing_else(shelf: Any) -> None:
    before = shelf.put(json.dumps(shelf.good(), indent=2, ensure_ascii=False) + "\n")
    assert shelf.file.update(lambda raw: set_priority(raw, "bob", 3)).name == "bob"
    added = '"expiresAt": 1774384968427,\n      "priority": 3\n'
    assert shelf.text == before.replace('"expiresAt": 1774384968427\n', added)
    assert "Zoë" in shelf.text
    assert shelf.others == set()
    assert shelf.mode == 0o600


def test_an_update_that_changes_nothing_writes_nothing(shelf: Any) -> None:
    text = shelf.put('{"accounts":[{"name":"bob","accessToken":"sk-FAKE"}]}')
    stamp = shelf.file.stamp()
    assert shelf.file.update(lambda raw: set_priority(raw, "bob", 0)).name == "bob"
    assert (shelf.text, shelf.file.stamp()) == (text, stamp)


def test_true_and_1_are_different_contents(shelf: Any) -> None:
    shelf.put({"other": 1})
    shelf.file.update(lambda raw: raw.update(other=True))
    assert shelf.json["other"] is True


@pytest.mark.parametrize(
    "end", [lambda raw: raw.update(proxy=5), lambda raw: raw["accounts"][0].pop("accessToken")]
)
def test_nothing_invalid_is_ever_written(shelf: Any, end: Any) -> None:
    text = shelf.put(shelf.good())
    assert "(not changed): " in shelf.fault(shelf.file.update, end)
    assert shelf.text == text
    assert shelf.others == set()


def test_a_change_that_fails_leaves_the_file_and_frees_the_lock(shelf: Any) -> None:
    text = shelf.put(shelf.good())

    def change(raw: dict[str, Any]) -> None:
        raw.clear()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        shelf.file.update(change)
    assert shelf.text == text
    shelf.file.update(lambda raw: set_priority(raw, "bob", 1))


def test_the_stamp_changes_with_every_write(shelf: Any) -> None:
    shelf.put(shelf.good())
    for priority in range(1, 6):  # the same size, perhaps in the same tick of the file system's clock
        before = shelf.file.stamp()
        shelf.file.update(lambda raw, priority=priority: set_priority(raw, "bob", priority))
        assert shelf.file.stamp() != before


@posix
def test_a_symlink_stays_one_and_its_target_is_replaced(tmp_path: Path, shelf: Any) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "real.json"
    shelf.path.symlink_to(Path("dotfiles") / "real.json")
    config = shelf.file.load_or_create()  # the target does not exist yet
    assert shelf.path.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    shelf.file.update(lambda raw: raw.update(switchThreshold=0.9))
    assert shelf.path.is_symlink()
    assert not target.is_symlink()
    assert json.loads(target.read_text())["switchThreshold"] == 0.9
    assert ConfigFile(target, print).load().proxy == config.proxy
    assert not shelf.path.with_name("teamclaude.json.lock").exists()
    assert {path.name for path in target.parent.iterdir()} == {"real.json", "real.json.lock"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failing_write_is_one_line_and_the_file_as_it_was(shelf: Any, monkeypatch: Any, call: str) -> None:
    text = shelf.put(shelf.good())

    def fail(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        problem = shelf.fault(shelf.file.update, lambda raw: set_priority(raw, "bob", 1))
    assert problem == f"{shelf.path}: can't write it: No space left on device"
    assert shelf.text == text
    assert shelf.others == set()


FULL_DISK = """
import resource, sys
from pathlib import Path
from teamclaude.accounts.config.config_file import ConfigFile
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
ConfigFile(Path(sys.argv[1]), print).update(lambda raw: raw.update(other="x" * 5000))
"""


@posix
def test_a_real_limit_on_file_size_loses_nothing(shelf: Any) -> None:
    text = shelf.put(shelf.good())
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(shelf.path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "ConfigError" in done.stderr
    assert "can't write it: File too large" in done.stderr
    assert shelf.text == text
    assert shelf.others == set()


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_one_line(shelf: Any) -> None:
    text = shelf.put(shelf.good())
    shelf.path.parent.chmod(0o500)
    try:
        problem = shelf.fault(shelf.file.update, lambda raw: set_priority(raw, "bob", 1))
        assert shelf.file.load().accounts[0].name == "bob"
    finally:
        shelf.path.parent.chmod(0o700)
    assert problem == f"{shelf.path}: can't change it (its directory must be writable): Permission denied"
    assert shelf.text == text


def test_a_directory_where_no_lock_can_be_made_is_one_line(shelf: Any, monkeypatch: Any) -> None:
    shelf.put(shelf.good())
    real = os.open

    def read_only(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    problem = shelf.fault(shelf.file.update, lambda raw: set_priority(raw, "bob", 1))
    assert problem == f"{shelf.path}: can't change it (its directory must be writable): Read-only file system"
    assert shelf.file.load().accounts[0].priority == 0


def test_a_lock_held_too_long_is_one_line_that_says_so(shelf: Any) -> None:
    shelf.put(shelf.good())
    impatient = ConfigFile(shelf.path, print, lock_timeout_s=0.0)
    problem = shelf.file.update(lambda raw: shelf.fault(impatient.update, dict.clear))
    assert problem == f"{shelf.path}: another process has held {shelf.path}.lock for 0 s; try again"


def test_what_a_killed_writer_left_is_removed_by_the_next_one(shelf: Any) -> None:
    shelf.put(shelf.good())
    (shelf.path.parent / ".teamclaude.json.abc123.tmp").write_text("credentials")
    (shelf.path.parent / ".other.json.abc123.tmp").write_text("somebody else's")
    shelf.file.update(lambda raw: set_priority(raw, "bob", 1))
    assert shelf.others == {".other.json.abc123.tmp"}


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_root_does_not_take_the_file_from_its_owner(shelf: Any) -> None:
    shelf.put(shelf.good())
    os.chown(shelf.path, 12345, 12346)
    shelf.file.update(lambda raw: set_priority(raw, "bob", 1))
    found = shelf.path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12346, 0o600)
