"""A lost config file costs a running server no login."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.accounts.tokens.last_good import LastGoodConfig
from teamclaude.accounts.tokens.token_pair import TokenPair
from teamclaude.errors import ConfigError
from tests.accounts.support import ConfigDir

OURS: dict[str, Any] = {
    "zeta": ["of another version"],
    "proxy": {"apiKey": "tc-OURS"},
    "accounts": [
        {"name": "a", "accessToken": "sk-ant-oat01-FAKE-a", "refreshToken": "sk-ant-ort01-FAKE-a"},
        {"name": "b", "importFrom": "/nowhere"},
        {"name": "paid", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"},
    ],
}
OTHERS = [{"name": "x", "accessToken": "sk-ant-oat01-FAKE-x"}]
NEW = TokenPair("sk-ant-oat01-FAKE-new", "sk-ant-ort01-FAKE-new", 2e9, 3e9, 1.9e9)


@pytest.fixture
def last_good(config_dir: ConfigDir) -> LastGoodConfig:
    """The last good config of a server that refreshed the tokens of `a` and follows those of `b`."""
    config_dir.write(OURS)
    pairs = {"a": NEW, "b": TokenPair("sk-ant-oat01-FAKE-b"), "gone": NEW}
    return LastGoodConfig(config_dir.file, config_dir.file.load(), lambda: pairs, config_dir.warnings.append)


EMPTY = ["", "  \n", "\0" * 512]
ANEW = ["{}", '{"accounts": []}', '{"proxy": {"port": 3456, "apiKey": "tc-NEW"}, "accounts": []}']


@pytest.mark.parametrize("content", [None, *EMPTY, *ANEW])
def test_a_lost_file_is_restored_with_the_current_tokens(
    last_good: LastGoodConfig, config_dir: ConfigDir, content: Any
) -> None:
    config_dir.path.unlink()
    if content is not None:
        config_dir.write(content)
    config = last_good.load()
    a = {
        **OURS["accounts"][0],
        "accessToken": NEW.access_token,
        "refreshToken": NEW.refresh_token,
        "expiresAt": 2_000_000_000_000,
        "refreshTokenExpiresAt": 3_000_000_000_000,
        "issuedAt": 1_900_000_000_000,
    }
    assert config_dir.json == {**OURS, "accounts": [a, *OURS["accounts"][1:]]}
    assert config_dir.mode == 0o600
    assert config.accounts[0].access_token == NEW.access_token
    assert len(config_dir.warnings) == 1
    assert "written again, with the 3 accounts in use" in config_dir.warnings[0]


@pytest.mark.parametrize("content", [None, *EMPTY, *ANEW])
def test_a_file_that_may_be_being_written_is_left_alone(
    last_good: LastGoodConfig, config_dir: ConfigDir, content: Any
) -> None:
    config_dir.path.unlink()
    if content is not None:
        config_dir.write(content)
    config_dir.error_of(last_good.load, False)
    assert config_dir.path.exists() == (content is not None)
    assert config_dir.warnings == []


@pytest.mark.parametrize(
    "edit",
    [
        {"proxy": {"apiKey": "tc-OURS"}, "accounts": []},
        {"proxy": {"apiKey": "tc-OURS"}, "accounts": OURS["accounts"][1:]},
        {"proxy": {"apiKey": "tc-NEW"}, "accounts": OURS["accounts"][2:]},
        {"proxy": {"apiKey": "tc-OURS"}, "accounts": OTHERS},
    ],
)
def test_an_edit_is_taken_as_it_is(last_good: LastGoodConfig, config_dir: ConfigDir, edit: Any) -> None:
    text = config_dir.write(edit)
    assert len(last_good.load().accounts) == len(edit["accounts"])
    assert config_dir.text == text
    assert config_dir.other_files == set()
    assert config_dir.warnings == []


@pytest.mark.parametrize("content", ['{"accounts": [{"na', '{"accounts": 5}', "[]", '{"upstream": "x"}'])
def test_an_invalid_file_may_be_half_an_edit_and_stays(
    last_good: LastGoodConfig, config_dir: ConfigDir, content: str
) -> None:
    config_dir.write(content)
    config_dir.error_of(last_good.load)
    assert config_dir.text == content
    assert config_dir.other_files == set()


def test_a_replacement_with_other_accounts_is_adopted_and_ours_saved_beside_it(
    last_good: LastGoodConfig, config_dir: ConfigDir
) -> None:
    text = config_dir.write({"proxy": {"apiKey": "tc-NEW"}, "accounts": OTHERS})
    assert [account.name for account in last_good.load().accounts] == ["x"]
    assert config_dir.text == text
    (aside,) = config_dir.other_files
    assert aside.startswith("teamclaude.replaced-")
    assert str(NEW.refresh_token) in config_dir.path.with_name(aside).read_text()
    assert config_dir.path.with_name(aside).stat().st_mode & 0o777 == 0o600
    last_good.accept()
    last_good.load()
    assert config_dir.other_files == {aside}


def test_another_process_that_was_first_is_not_overwritten(
    last_good: LastGoodConfig, config_dir: ConfigDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    config_dir.path.unlink()
    theirs = {**OURS, "zeta": "written by the other server"}
    restore = type(config_dir.file).restore

    def overtaken(file: Any, raw: Any, is_lost: Any) -> bool:
        config_dir.write(theirs)
        return bool(restore(file, raw, is_lost))

    monkeypatch.setattr(type(config_dir.file), "restore", overtaken)
    with pytest.raises(ConfigError):  # the next look finds it
        last_good.load()
    assert last_good.load()
    assert config_dir.json == theirs


def test_a_server_without_accounts_has_nothing_to_write_again(config_dir: ConfigDir) -> None:
    config_dir.write({"proxy": {"apiKey": "tc-OURS"}})
    last_good = LastGoodConfig(config_dir.file, config_dir.file.load(), dict, config_dir.warnings.append)
    config_dir.path.unlink()
    assert config_dir.error_of(last_good.load) == f"{config_dir.path}: there is no such file"


def test_the_content_accepted_last_is_restored(last_good: LastGoodConfig, config_dir: ConfigDir) -> None:
    newer = {**OURS, "zeta": "newer"}
    config_dir.write(newer)
    last_good.load()
    last_good.accept()
    config_dir.write("")
    last_good.load()
    assert config_dir.json["zeta"] == "newer"


def test_a_link_stays_a_link_also_when_its_target_is_gone(
    last_good: LastGoodConfig, config_dir: ConfigDir, tmp_path: Any
) -> None:
    (tmp_path / "dotfiles").mkdir()
    config_dir.path.unlink()
    config_dir.path.symlink_to(tmp_path / "dotfiles" / "real.json")
    last_good.load()
    assert config_dir.path.is_symlink()
    assert json.loads((tmp_path / "dotfiles" / "real.json").read_text())["zeta"]
