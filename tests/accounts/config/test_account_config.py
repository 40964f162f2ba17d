"""One account of the config file: a credential that a program prints."""

from __future__ import annotations

import contextlib
import os
import re
from typing import Any

import pytest

from teamclaude.accounts.config.account_config import program_name
from teamclaude.accounts.config.config import AccountConfig, parse_config
from teamclaude.accounts.config.config_file import ConfigFile
from teamclaude.accounts.config.edits import add_or_replace_account
from teamclaude.errors import ConfigError
from tests.accounts.support import ConfigDir

COMMAND = ["pass", "show", "anthropic/key"]
KEY: dict[str, Any] = {"name": "k", "type": "apikey", "credentialCommand": COMMAND}


def read(**changes: Any) -> AccountConfig:
    return parse_config({"accounts": [{**KEY, **changes}]}, "f").accounts[0]


def fault(**changes: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(**changes)
    assert "SECRET" not in str(caught.value)
    return str(caught.value).removeprefix("f: ")


def test_a_program_stands_for_a_key_or_a_token() -> None:
    assert read().credential_command == tuple(COMMAND)
    assert read(type="oauth", credentialTtlSec=60).credential_ttl_sec == 60
    assert read(credentialCommand="security").credential_command == ("security",)
    assert read().key == "k"
    assert read(type="oauth", accountUuid="p", orgUuid="o").key == "p/o"


@pytest.mark.parametrize("key", ["apiKey", "accessToken", "refreshToken", "importFrom"])
def test_there_is_no_other_credential_beside_it(key: str) -> None:
    text = f'accounts[0]: account "k" has credentialCommand and {key}; remove one of them'
    assert fault(**{key: "sk-SECRET"}) == text


@pytest.mark.parametrize("name", ["./key", "bin/key", "../key"])
def test_a_relative_path_is_refused(name: str) -> None:
    assert fault(credentialCommand=[name, "x"]) == (
        f'accounts[0]: credentialCommand: "{name}" is a relative path; '
        "write the whole path, or a name on PATH"
    )


@pytest.mark.parametrize("command", [3, [3], {"a": 1}, ["a", None], [["a"]]])
def test_other_values_are_errors_with_their_path(command: Any) -> None:
    assert fault(credentialCommand=command).startswith("accounts[0].credentialCommand")


def test_no_program_is_no_credential() -> None:
    assert "has no apiKey" in fault(credentialCommand=[])


def test_a_login_takes_the_place_of_the_program() -> None:
    raw: dict[str, Any] = {"accounts": [{**KEY, "priority": 3}]}
    new = {"name": "k", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"}
    assert add_or_replace_account(raw, new).outcome == "updated"
    assert raw["accounts"] == [{**new, "priority": 3}]


@pytest.mark.parametrize(
    ("word", "shown"),
    [("/opt/bin/get-the-key-of-the-team", None), ("sk-ant-FAKE", "***"), ("a\x1b[2J\n", "a[2J")],
)
def test_the_name_that_is_shown(word: str, shown: Any) -> None:
    assert program_name([word, "sk-FAKE"]) == (shown or word)


# --- whose file it is -------------------------------------------------------------------------------------

posix = pytest.mark.skipif(os.name == "nt", reason="there are no such modes")


@posix
@pytest.mark.parametrize("mode", [0o622, 0o602, 0o666])
def test_a_file_that_others_could_write_runs_nothing(config_dir: ConfigDir, mode: int) -> None:
    config_dir.write({"accounts": [KEY]}, mode)
    said = config_dir.error_of(config_dir.file.load)
    assert said == (
        f"{config_dir.path}: it has a credentialCommand, which would be run, but other users could write it: "
        f"look whether it is as you left it, then run: chmod 600 {config_dir.path}"
    )
    # Neither a reload nor another command takes the file for looked at.
    assert config_dir.mode == mode
    for file in (config_dir.file, ConfigFile(config_dir.path, config_dir.warnings.append)):
        assert config_dir.error_of(file.load) == said
        assert config_dir.error_of(file.update, lambda raw: raw.update(record=True)) == said
    config_dir.path.chmod(0o600)
    assert config_dir.file.load().accounts[0].credential_command


@posix
@pytest.mark.parametrize(
    "text", ['{"accounts": []}', '{"accounts": 3}', "[", '{"accounts": [7, {"name": 1}]}']
)
def test_another_file_that_others_could_write_is_closed_to_them(config_dir: ConfigDir, text: str) -> None:
    config_dir.write(text, 0o666)
    with contextlib.suppress(ConfigError):
        config_dir.file.load()
    assert config_dir.mode == 0o600


@posix
def test_an_edit_does_not_take_such_a_file_for_ours(config_dir: ConfigDir) -> None:
    config_dir.write({"accounts": []})
    config_dir.file.load()
    before = config_dir.write({"accounts": [KEY]}, 0o666)
    said = config_dir.error_of(config_dir.file.update, lambda raw: raw.update(record=True))
    assert "other users could write it" in said
    assert config_dir.text == before


@posix
def test_others_may_have_read_it(config_dir: ConfigDir) -> None:
    config_dir.write({"accounts": [KEY]}, 0o644)
    assert config_dir.file.load().accounts


@posix
def test_a_directory_that_others_can_write_to_runs_nothing(config_dir: ConfigDir) -> None:
    config_dir.write({"accounts": [KEY]})
    config_dir.path.parent.chmod(0o777)
    assert "other users can replace the files in" in config_dir.error_of(config_dir.file.load)
    config_dir.write({"accounts": []})
    assert config_dir.file.load().accounts == ()
    config_dir.path.parent.chmod(0o700)


@posix
def test_a_file_of_another_user_runs_nothing(config_dir: ConfigDir, monkeypatch: pytest.MonkeyPatch) -> None:
    config_dir.write({"accounts": [KEY]})
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    monkeypatch.setattr(config_dir.file, "permission_warnings", list)
    if config_dir.path.stat().st_uid == 0:
        os.chown(config_dir.path, 54322, -1)
    assert "but it belongs to another user (" in config_dir.error_of(config_dir.file.load)


@pytest.mark.parametrize(
    ("spend", "said"),
    [
        ({"week": 5}, "accounts[0].maxSpend.week: is not a setting; here are day, month"),
        ({"day": ""}, 'accounts[0].maxSpend.day: expected a value, got ""; leave the key out'),
    ],
)
def test_a_limit_of_dollars_that_is_none_is_an_error(spend: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        parse_config({"accounts": [{"name": "a", "accessToken": "t", "maxSpend": spend}]}, "f")
