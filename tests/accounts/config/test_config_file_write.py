"""Writing the file: only the change, atomically, and without losing the old content."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.config.edits import edit_account
from tests.accounts.support import ConfigDir

ROOT = Path(__file__).resolve().parents[3]
posix = pytest.mark.skipif(os.name == "nt", reason="modes and symlinks are POSIX")


def test_an_update_changes_nothing_else(config_dir: ConfigDir) -> None:
    before = config_dir.write(json.dumps(config_dir.sample(), indent=2, ensure_ascii=False) + "\n")
    assert config_dir.file.update(lambda raw: edit_account(raw, "bob", priority=3)).name == "bob"
    added = '"expiresAt": 1774384968427,\n      "priority": 3\n'
    assert config_dir.text == before.replace('"expiresAt": 1774384968427\n', added)
    assert "Zoë" in config_dir.text
    assert config_dir.other_files == set()
    assert config_dir.mode == 0o600


def test_an_update_that_changes_nothing_writes_nothing(config_dir: ConfigDir) -> None:
    text = config_dir.write('{"accounts":[{"name":"bob","accessToken":"sk-FAKE"}]}')
    stamp = config_dir.file.stamp()
    assert config_dir.file.update(lambda raw: edit_account(raw, "bob", priority=0)).name == "bob"
    assert (config_dir.text, config_dir.file.stamp()) == (text, stamp)


def test_true_and_1_are_different_contents(config_dir: ConfigDir) -> None:
    config_dir.write({"other": 1})
    config_dir.file.update(lambda raw: raw.update(other=True))
    assert config_dir.json["other"] is True


@pytest.mark.parametrize(
    "end", [lambda raw: raw.update(proxy=5), lambda raw: raw["accounts"][0].pop("accessToken")]
)
def test_nothing_invalid_is_ever_written(config_dir: ConfigDir, end: Any) -> None:
    text = config_dir.write(config_dir.sample())
    assert "(not changed): " in config_dir.error_of(config_dir.file.update, end)
    assert config_dir.text == text
    assert config_dir.other_files == set()


def test_a_change_that_fails_leaves_the_file_and_frees_the_lock(config_dir: ConfigDir) -> None:
    text = config_dir.write(config_dir.sample())

    def change(raw: dict[str, Any]) -> None:
        raw.clear()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        config_dir.file.update(change)
    assert config_dir.text == text
    config_dir.file.update(lambda raw: edit_account(raw, "bob", priority=1))


def test_the_stamp_changes_with_every_write(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    for priority in range(1, 6):  # the same size, perhaps in the same tick of the file system's clock
        before = config_dir.file.stamp()
        config_dir.file.update(partial(edit_account, who="bob", priority=priority))
        assert config_dir.file.stamp() != before


@posix
def test_a_symlink_stays_one_and_its_target_is_replaced(tmp_path: Path, config_dir: ConfigDir) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "real.json"
    config_dir.path.symlink_to(Path("dotfiles") / "real.json")
    config = config_dir.file.load_or_create()  # the target does not exist yet
    assert config_dir.path.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    config_dir.file.update(lambda raw: raw.update(switchThreshold=0.9))
    assert config_dir.path.is_symlink()
    assert not target.is_symlink()
    assert json.loads(target.read_text())["switchThreshold"] == 0.9
    assert ConfigFile(target, print).load().proxy == config.proxy
    assert not config_dir.path.with_name("teamclaude.json.lock").exists()
    assert {path.name for path in target.parent.iterdir()} == {"real.json", "real.json.lock"}


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_is_one_line_and_keeps_the_file(
    config_dir: ConfigDir, monkeypatch: Any, call: str
) -> None:
    text = config_dir.write(config_dir.sample())

    def fail(*args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, fail)
        problem = config_dir.error_of(
            config_dir.file.update, lambda raw: edit_account(raw, "bob", priority=1)
        )
    assert problem == f"{config_dir.path}: can't write it: No space left on device"
    assert config_dir.text == text
    assert config_dir.other_files == set()


FULL_DISK = """
import resource, sys
from pathlib import Path
from teamclaude.accounts.config.config_file import ConfigFile
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
ConfigFile(Path(sys.argv[1]), print).update(lambda raw: raw.update(other="x" * 5000))
"""


@posix
def test_a_real_limit_on_file_size_loses_nothing(config_dir: ConfigDir) -> None:
    text = config_dir.write(config_dir.sample())
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(config_dir.path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert "ConfigError" in done.stderr
    assert "can't write it: File too large" in done.stderr
    assert config_dir.text == text
    assert config_dir.other_files == set()


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_one_line(config_dir: ConfigDir) -> None:
    text = config_dir.write(config_dir.sample())
    config_dir.path.parent.chmod(0o500)
    try:
        problem = config_dir.error_of(
            config_dir.file.update, lambda raw: edit_account(raw, "bob", priority=1)
        )
        assert config_dir.file.load().accounts[0].name == "bob"
    finally:
        config_dir.path.parent.chmod(0o700)
    assert (
        problem == f"{config_dir.path}: can't change it (its directory must be writable): Permission denied"
    )
    assert config_dir.text == text


def test_a_directory_where_no_lock_can_be_made_is_one_line(config_dir: ConfigDir, monkeypatch: Any) -> None:
    config_dir.write(config_dir.sample())
    real = os.open

    def read_only(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system")
        return real(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", read_only)
    problem = config_dir.error_of(config_dir.file.update, lambda raw: edit_account(raw, "bob", priority=1))
    assert (
        problem
        == f"{config_dir.path}: can't change it (its directory must be writable): Read-only file system"
    )
    assert config_dir.file.load().accounts[0].priority == 0


def test_a_lock_held_too_long_is_one_line_that_says_so(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    impatient = ConfigFile(config_dir.path, print, lock_timeout_s=0.0)
    problem = config_dir.file.update(lambda raw: config_dir.error_of(impatient.update, dict.clear))
    assert problem == f"{config_dir.path}: another process has held {config_dir.path}.lock for 0 s; try again"


def test_leftovers_of_a_killed_writer_are_removed_by_the_next(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    (config_dir.path.parent / ".teamclaude.json.abc123.tmp").write_text("credentials")
    (config_dir.path.parent / ".other.json.abc123.tmp").write_text("somebody else's")
    config_dir.file.update(lambda raw: edit_account(raw, "bob", priority=1))
    assert config_dir.other_files == {".other.json.abc123.tmp"}


@posix
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give files away")
def test_root_keeps_the_owner_of_the_file(config_dir: ConfigDir) -> None:
    config_dir.write(config_dir.sample())
    os.chown(config_dir.path, 12345, 12346)
    config_dir.file.update(lambda raw: edit_account(raw, "bob", priority=1))
    found = config_dir.path.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o777) == (12345, 12346, 0o600)
