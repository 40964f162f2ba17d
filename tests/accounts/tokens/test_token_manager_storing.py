"""What the keeper makes of interrupted refreshes, and of tokens that can't be stored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config import config_file
from teamclaude.accounts.tokens.refresh_journal import RefreshJournal, token_side_path
from teamclaude.accounts.tokens.token_store import ConfigStore
from teamclaude.errors import ConfigError


def stored_is_current(logins: Any, keeper: Any) -> bool:
    return bool(keeper.access_token(logins.key()) == logins.entry()["accessToken"])


# --- what an earlier process left -----------------------------------------------------------------


def note_of(logins: Any, token: str) -> RefreshJournal:
    return RefreshJournal(os.path.dirname(token_side_path(logins.shelf.path, "fake-person-anna")), token)


def test_an_interrupted_refresh_is_finished_at_the_first_beat(logins: Any) -> None:
    logins.put("anna")
    note_of(logins, logins.entry()["refreshToken"]).write_start(logins.clock.now)
    keeper = logins.keeper()
    keeper.run_due()
    assert logins.server.granted == 1
    assert stored_is_current(logins, keeper)
    assert "was never stored" in logins.said[0]
    assert "was still good" in logins.said[0]
    keeper.run_due()
    assert len(logins.server.calls) == 1


def test_a_lost_login_is_told_at_the_first_beat(logins: Any) -> None:
    logins.put("anna")
    token = logins.entry()["refreshToken"]
    note_of(logins, token).write_start(logins.clock.now)
    logins.server.issuer.refresh({"refresh_token": token}, logins.clock.now)  # whose answer was lost
    keeper = logins.keeper()
    keeper.run_due()
    assert logins.said[0].startswith("anna: re-login needed: the answer to a refresh at 20")
    assert "that answer probably held the new tokens" in logins.said[0]
    keeper.run_due()
    assert len(logins.server.calls) == 1


def test_a_note_of_a_token_that_was_replaced_means_nothing(logins: Any) -> None:
    logins.put("anna")
    note_of(logins, "sk-ant-ort01-FAKE-of-before").write_start(logins.clock.now)
    logins.keeper().run_due()
    assert logins.server.calls == ()
    assert logins.said == []


# --- storing --------------------------------------------------------------------------------------


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> Any:
    """`full(True)`: from now on the config file can't be written."""
    write = ConfigStore.write

    def switch(on: bool) -> None:
        def broken(*args: Any) -> Any:
            raise ConfigError("can't write it: No space left on device")

        monkeypatch.setattr(ConfigStore, "write", broken if on else write)

    return switch


def test_tokens_that_cannot_be_stored_are_used_told_and_stored_later(logins: Any, full: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.later(9)
    full(True)
    assert keeper.before_dispatch(logins.key())
    token = keeper.access_token(logins.key())
    assert logins.server.accepts(token)
    assert not stored_is_current(logins, keeper)
    assert len(logins.said) == 1
    assert "can't be stored and are kept in" in logins.said[0]
    assert "can't be stored" in str(keeper.statuses()[logins.key()].reason)
    logins.pass_time(keeper, 0.1)
    assert keeper.configure(logins.shelf.file.load()) == []  # a reload brings no old token back
    assert keeper.access_token(logins.key()) == token
    assert len(logins.said) == 1
    full(False)
    logins.pass_time(keeper, 0.1)
    assert stored_is_current(logins, keeper)
    assert logins.said[1:] == ["anna: the new tokens are stored now"]
    logins.later(9)
    assert keeper.before_dispatch(logins.key())
    assert logins.server.granted == 2


def test_unstored_tokens_are_stored_at_the_end(logins: Any, full: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.later(9)
    full(True)
    keeper.before_dispatch(logins.key())
    full(False)
    keeper.stop()
    assert stored_is_current(logins, keeper)
    assert not keeper.after_401(logins.key(), keeper.access_token(logins.key()))  # nothing begins any more
    assert logins.server.granted == 1


def test_a_new_login_beats_tokens_that_could_not_be_stored(logins: Any, full: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.later(9)
    full(True)
    keeper.before_dispatch(logins.key())
    full(False)
    logins.put("anna")
    assert keeper.configure(logins.shelf.file.load()) == [logins.key()]
    keeper.run_due()
    assert stored_is_current(logins, keeper)
    logins.later(9)
    assert keeper.before_dispatch(logins.key())  # the lock is free again


def test_where_nothing_can_be_noted_the_token_serves_to_its_end_and_is_kept(
    logins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: str, data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    logins.put("anna")
    keeper = logins.keeper()
    logins.later(8 - 0.05)
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.tokens.refresh_journal.write_private", read_only)
        logins.pass_time(keeper, 0.04)
        assert keeper.before_dispatch(logins.key())
        logins.pass_time(keeper, 0.1)
        assert not keeper.before_dispatch(logins.key())
    assert len(logins.said) == 1
    assert "Read-only file system; no refresh token is spent" in logins.said[0]
    assert logins.server.calls == ()
    logins.later(0.1)
    assert keeper.before_dispatch(logins.key())


def test_a_linked_file_that_is_read_only_is_renewed_in_its_place(logins: Any, tmp_path: Path) -> None:
    logins.put("anna")
    target = tmp_path / "dotfiles" / "real.json"
    target.parent.mkdir()
    logins.shelf.path.rename(target)
    logins.shelf.path.symlink_to(target)
    target.chmod(0o400)
    keeper = logins.keeper()
    logins.later(9)
    assert keeper.before_dispatch(logins.key())
    assert stored_is_current(logins, keeper)
    assert logins.shelf.path.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in target.parent.iterdir()} == {"real.json", "real.json.lock", "real.tokens"}


# --- a config file that is gone, or no good -------------------------------------------------------


@pytest.mark.parametrize("content", [None, "", '{"accounts": [{"na'])
def test_a_login_goes_on_while_the_file_is_gone_or_no_good_and_is_stored_when_it_is_back(
    logins: Any, content: Any
) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    good = logins.shelf.text
    logins.later(9)
    logins.shelf.path.unlink()
    if content is not None:
        logins.shelf.put(content)
    for _ in range(3):
        assert keeper.before_dispatch(logins.key())
        assert logins.server.accepts(keeper.access_token(logins.key()))
        assert "can't be stored and are kept in" in str(keeper.statuses()[logins.key()].reason)
        logins.clock.now += 60
    logins.shelf.put(good)
    assert keeper.configure(logins.shelf.file.load()) == []  # an old token is not taken back
    logins.pass_time(keeper, 0.2)
    assert stored_is_current(logins, keeper)
    assert logins.server.granted == 1
    logins.later(9)
    assert keeper.before_dispatch(logins.key())
    assert logins.server.granted == 2


def test_a_server_that_ends_while_the_file_is_no_good_finds_its_tokens_at_the_next_start(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    good = logins.shelf.text
    logins.later(9)
    logins.shelf.put("half an edit")
    assert keeper.before_dispatch(logins.key())
    token = keeper.access_token(logins.key())
    keeper.stop()
    logins.shelf.put(good)
    again = logins.keeper()
    assert again.before_dispatch(logins.key())
    assert again.access_token(logins.key()) == token
    assert logins.server.granted == 1
    assert logins.entry()["accessToken"] == token


# --- what a renewal costs -------------------------------------------------------------------------


def test_a_renewal_is_one_read_and_one_write_of_the_config_also_with_sixteen_accounts(
    logins: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"user{number}" for number in range(16)]
    logins.put(*names)
    os.utime(logins.shelf.path, (1, 1))  # not written just now
    keeper = logins.keeper()
    counts = dict.fromkeys(("reads", "writes", "parses"), 0)

    def counted(name: str, of: Any) -> Any:
        def count(*args: Any) -> Any:
            counts[name] += 1
            return of(*args)

        return count

    monkeypatch.setattr(config_file.ConfigFile, "_read", counted("reads", config_file.ConfigFile._read))
    monkeypatch.setattr(config_file, "write_private", counted("writes", config_file.write_private))
    monkeypatch.setattr(config_file, "parse_config", counted("parses", config_file.parse_config))
    logins.later(9)
    for name in names:
        assert keeper.before_dispatch(logins.key(name))
        assert keeper.configure(logins.shelf.file.load()) == []  # as the server does after each change
        keeper.run_due()
    assert logins.server.granted == 16
    assert counts == {"reads": 16, "writes": 16, "parses": 16}
