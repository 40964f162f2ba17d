"""The file that is given as --settings: merged, private, and kept while a client may read it again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from teamclaude.accounts.config.state_place import state_path
from teamclaude.cli.commands.client.run import log_path
from teamclaude.cli.launch.settings_option import (
    KEEP_SEC,
    merged_settings,
    settings_directory,
    write_settings_file,
)
from teamclaude.cli.settings_edit.edited_files import undo_directory
from teamclaude.proxy.connect.certificates import tls_directory
from teamclaude.proxy.records.traffic_recorder import trace_directory

NOW = 2_000_000_000.0


def test_ours_are_over_theirs_variable_by_variable() -> None:
    theirs = {"model": "opus", "apiKeyHelper": "vault", "env": {"A": "1", "B": "2"}}
    assert merged_settings(theirs, {"apiKeyHelper": "", "env": {"B": "3"}}) == {
        "model": "opus",
        "apiKeyHelper": "",
        "env": {"A": "1", "B": "3"},
    }
    assert theirs["env"] == {"A": "1", "B": "2"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_it_is_private(tmp_path: Path) -> None:
    file = write_settings_file(tmp_path / "teamclaude.json", {"env": {}}, lambda: NOW)
    assert json.loads(file.read_text()) == {"env": {}}
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent == tmp_path / "teamclaude.run"
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_the_same_settings_are_the_same_file(tmp_path: Path) -> None:
    config = tmp_path / "teamclaude.json"
    first = write_settings_file(config, {"env": {"A": "1"}}, lambda: NOW)
    inode = first.stat().st_ino
    assert write_settings_file(config, {"env": {"A": "1"}}, lambda: NOW + 5) == first
    assert first.stat().st_ino == inode
    assert first.stat().st_mtime == NOW + 5
    assert write_settings_file(config, {"env": {"A": "2"}}, lambda: NOW) != first


def test_a_changed_file_is_written_again(tmp_path: Path) -> None:
    config = tmp_path / "teamclaude.json"
    file = write_settings_file(config, {"env": {"A": "1"}}, lambda: NOW)
    file.write_text("{}")
    write_settings_file(config, {"env": {"A": "1"}}, lambda: NOW)
    assert json.loads(file.read_text()) == {"env": {"A": "1"}}


def test_only_our_files_that_nobody_used_for_long_are_removed(tmp_path: Path) -> None:
    config = tmp_path / "teamclaude.json"
    old, used = (write_settings_file(config, {"n": n}, lambda: NOW) for n in range(2))
    other = old.with_name("mine.json")
    other.write_text("{}")
    os.utime(other, (0, 0))
    later = NOW + KEEP_SEC + 1
    write_settings_file(config, {"n": 1}, lambda: later)
    new = write_settings_file(config, {"n": 2}, lambda: later)
    assert set(old.parent.iterdir()) == {used, new, other}


def test_config_files_whose_names_differ_share_nothing() -> None:
    for place in (settings_directory, undo_directory, log_path, tls_directory, trace_directory, state_path):
        assert place(Path("/d/pool.json")) != place(Path("/d/pool.conf"))
