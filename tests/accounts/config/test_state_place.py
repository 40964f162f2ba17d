"""Where the state is: by the place of the config file, and by what is there already."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from teamclaude.accounts.config.config_file import config_path
from teamclaude.accounts.config.state_place import STATE_NAMES, state_directory, state_path, state_place


@pytest.mark.parametrize(
    ("env", "config", "directory"),
    [
        ({}, "~/.config/teamclaude.json", "~/.local/state/teamclaude"),
        ({"TEAMCLAUDE_CONFIG": "~/.config/teamclaude.json"}, None, "~/.local/state/teamclaude"),
        ({"XDG_STATE_HOME": "~/s"}, "~/.config/teamclaude.json", "~/s/teamclaude"),
        ({"XDG_STATE_HOME": "s"}, "~/.config/teamclaude.json", "~/.local/state/teamclaude"),
        ({"XDG_CONFIG_HOME": "~/.config/"}, "~/.config/teamclaude.json", "~/.local/state/teamclaude"),
        ({"XDG_CONFIG_HOME": "~/c", "XDG_STATE_HOME": "~/s"}, "~/c/teamclaude.json", "~/s/teamclaude"),
        ({"XDG_CONFIG_HOME": "~/c"}, "~/c/teamclaude.json", None),
        ({"XDG_CONFIG_HOME": "~/c"}, "~/.config/teamclaude.json", None),
        ({"TEAMCLAUDE_CONFIG": "~/c/teamclaude.json", "XDG_STATE_HOME": "~/s"}, None, None),
        ({}, "~/.config/other.json", None),
    ],
)
def test_only_the_config_file_at_its_default_place_has_a_directory(
    tmp_path: Path, env: dict[str, str], config: str, directory: str
) -> None:
    home = str(tmp_path)
    full = {name: value.replace("~", home) for name, value in {"HOME": "~", **env}.items()}
    path = config_path(full) if config is None else Path(config.replace("~", home))
    expected = None if directory is None else Path(directory.replace("~", home))
    assert state_directory(path, full) == expected
    beside = path.with_name(f"{path.name[:-5]}.history.db")
    place = beside if expected is None else expected / "history.db"
    assert state_place(path, "history.db", full) == place
    assert not os.path.lexists(tmp_path / ".local"), "a question makes nothing"


@pytest.mark.parametrize("name", STATE_NAMES)
def test_what_an_earlier_version_has_left_is_used_until_it_is_moved(private_home: Path, name: str) -> None:
    config = private_home / ".config" / "teamclaude.json"
    new = private_home / ".local" / "state" / "teamclaude" / name
    assert state_place(config, name) == new
    old = config.with_name(f"teamclaude.{name}")
    old.parent.mkdir()
    old.symlink_to("nowhere")
    assert state_place(config, name) == old, "also a symbolic link to a disk that is not mounted"
    new.parent.mkdir(parents=True)
    new.touch()
    assert state_place(config, name) == new


def test_where_the_directory_cannot_be_made_all_is_beside_the_config_file(private_home: Path) -> None:
    config = private_home / ".config" / "teamclaude.json"
    (private_home / ".local").mkdir()
    (private_home / ".local" / "state").touch()
    assert state_path(config) == config.with_name("teamclaude.state.json")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_to_has_no_directory(private_home: Path) -> None:
    private_home.chmod(0o500)
    try:
        config = private_home / ".config" / "teamclaude.json"
        assert state_path(config) == config.with_name("teamclaude.state.json")
    finally:
        private_home.chmod(0o700)
