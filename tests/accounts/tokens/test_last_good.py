"""What is no edit of the config file costs a running server no login."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.accounts.tokens.last_good import LastGoodConfig
from teamclaude.accounts.tokens.token_pair import TokenPair
from teamclaude.errors import ConfigError

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
def kept(shelf: Any) -> LastGoodConfig:
    """Of a server that renewed the tokens of `a`, and follows those of `b`."""
    shelf.put(OURS)
    pairs = {"a": NEW, "b": TokenPair("sk-ant-oat01-FAKE-b"), "gone": NEW}
    return LastGoodConfig(shelf.file, shelf.file.load(), lambda: pairs, shelf.said.append)


EMPTY = ["", "  \n", "\0" * 512]
ANEW = ["{}", '{"accounts": []}', '{"proxy": {"port": 3456, "apiKey": "tc-NEW"}, "accounts": []}']


@pytest.mark.parametrize("content", [None, *EMPTY, *ANEW])
def test_a_lost_file_is_written_again_with_the_tokens_of_now(
    kept: LastGoodConfig, shelf: Any, content: Any
) -> None:
    shelf.path.unlink()
    if content is not None:
        shelf.put(content)
    config = kept.load()
    a = {
        **OURS["accounts"][0],
        "accessToken": NEW.access_token,
        "refreshToken": NEW.refresh_token,
        "expiresAt": 2_000_000_000_000,
        "refreshTokenExpiresAt": 3_000_000_000_000,
        "issuedAt": 1_900_000_000_000,
    }
    assert shelf.json == {**OURS, "accounts": [a, *OURS["accounts"][1:]]}
    assert shelf.mode == 0o600
    assert config.accounts[0].access_token == NEW.access_token
    assert len(shelf.said) == 1
    assert "written again, with the 3 accounts in use" in shelf.said[0]


@pytest.mark.parametrize("content", [None, *EMPTY, *ANEW])
def test_as_long_as_somebody_may_be_writing_it_nothing_is_done(
    kept: LastGoodConfig, shelf: Any, content: Any
) -> None:
    shelf.path.unlink()
    if content is not None:
        shelf.put(content)
    shelf.fault(kept.load, False)
    assert shelf.path.exists() == (content is not None)
    assert shelf.said == []


@pytest.mark.parametrize(
    "edit",
    [
        {"proxy": {"apiKey": "tc-OURS"}, "accounts": []},
        {"proxy": {"apiKey": "tc-OURS"}, "accounts": OURS["accounts"][1:]},
        {"proxy": {"apiKey": "tc-NEW"}, "accounts": OURS["accounts"][2:]},
        {"proxy": {"apiKey": "tc-OURS"}, "accounts": OTHERS},
    ],
)
def test_an_edit_is_taken_as_it_is(kept: LastGoodConfig, shelf: Any, edit: Any) -> None:
    text = shelf.put(edit)
    assert len(kept.load().accounts) == len(edit["accounts"])
    assert shelf.text == text
    assert shelf.others == set()
    assert shelf.said == []


@pytest.mark.parametrize("content", ['{"accounts": [{"na', '{"accounts": 5}', "[]", '{"upstream": "x"}'])
def test_what_cannot_be_understood_may_be_half_an_edit_and_stays(
    kept: LastGoodConfig, shelf: Any, content: str
) -> None:
    shelf.put(content)
    shelf.fault(kept.load)
    assert shelf.text == content
    assert shelf.others == set()


def test_another_pool_in_the_place_of_ours_is_meant_and_ours_is_kept_beside_it(
    kept: LastGoodConfig, shelf: Any
) -> None:
    text = shelf.put({"proxy": {"apiKey": "tc-NEW"}, "accounts": OTHERS})
    assert [account.name for account in kept.load().accounts] == ["x"]
    assert shelf.text == text
    (aside,) = shelf.others
    assert aside.startswith("teamclaude.replaced-")
    assert NEW.refresh_token in (shelf.path.with_name(aside).read_text())
    assert shelf.path.with_name(aside).stat().st_mode & 0o777 == 0o600
    kept.accept()
    kept.load()
    assert shelf.others == {aside}


def test_another_process_that_was_first_is_not_overwritten(
    kept: LastGoodConfig, shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.path.unlink()
    theirs = {**OURS, "zeta": "written by the other server"}
    restore = type(shelf.file).restore

    def overtaken(file: Any, raw: Any, is_lost: Any) -> bool:
        shelf.put(theirs)
        return bool(restore(file, raw, is_lost))

    monkeypatch.setattr(type(shelf.file), "restore", overtaken)
    with pytest.raises(ConfigError):  # the next look finds it
        kept.load()
    assert kept.load()
    assert shelf.json == theirs


def test_a_server_without_accounts_has_nothing_to_write_again(shelf: Any) -> None:
    shelf.put({"proxy": {"apiKey": "tc-OURS"}})
    kept = LastGoodConfig(shelf.file, shelf.file.load(), dict, shelf.said.append)
    shelf.path.unlink()
    assert shelf.fault(kept.load) == f"{shelf.path}: there is no such file"


def test_what_was_accepted_last_is_what_is_written_again(kept: LastGoodConfig, shelf: Any) -> None:
    newer = {**OURS, "zeta": "newer"}
    shelf.put(newer)
    kept.load()
    kept.accept()
    shelf.put("")
    kept.load()
    assert shelf.json["zeta"] == "newer"


def test_a_link_stays_a_link_also_when_its_target_is_gone(
    kept: LastGoodConfig, shelf: Any, tmp_path: Any
) -> None:
    (tmp_path / "dotfiles").mkdir()
    shelf.path.unlink()
    shelf.path.symlink_to(tmp_path / "dotfiles" / "real.json")
    kept.load()
    assert shelf.path.is_symlink()
    assert json.loads((tmp_path / "dotfiles" / "real.json").read_text())["zeta"]
