"""The manager with interrupted refreshes and with tokens that can't be stored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config import config_file
from teamclaude.accounts.config.atomic_write import replace_keeping_owner
from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.tokens.refresh_journal import RefreshJournal, token_side_path
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.accounts.tokens.token_store import ConfigStore
from teamclaude.errors import ConfigError
from tests.accounts.support import Logins


def stored_is_current(logins: Logins, manager: TokenManager) -> bool:
    return bool(logins.token(manager) == logins.entry()["accessToken"])


# --- what an earlier process left -----------------------------------------------------------------


def journal_of(logins: Logins, token: str) -> RefreshJournal:
    return RefreshJournal(os.path.dirname(token_side_path(logins.config_dir.path, "fake-person-anna")), token)


def test_an_interrupted_refresh_is_finished_at_the_first_tick(logins: Logins) -> None:
    logins.log_in("anna")
    journal_of(logins, logins.entry()["refreshToken"]).write_start(logins.clock.now)
    manager = logins.manager()
    manager.run_due()
    assert logins.server.granted == 1
    assert stored_is_current(logins, manager)
    assert "was never stored" in logins.warnings[0]
    assert "was still good" in logins.warnings[0]
    manager.run_due()
    assert len(logins.server.calls) == 1


def test_a_lost_login_is_reported_at_the_first_tick(logins: Logins) -> None:
    logins.log_in("anna")
    token = logins.entry()["refreshToken"]
    journal_of(logins, token).write_start(logins.clock.now)
    logins.server.issuer.refresh({"refresh_token": token}, logins.clock.now)  # whose answer was lost
    manager = logins.manager()
    manager.run_due()
    assert logins.warnings[0].startswith("anna: re-login needed: the answer to a refresh at 20")
    assert "that answer probably held the new tokens" in logins.warnings[0]
    manager.run_due()
    assert len(logins.server.calls) == 1


def test_a_journal_of_a_replaced_token_is_ignored(logins: Logins) -> None:
    logins.log_in("anna")
    journal_of(logins, "sk-ant-ort01-FAKE-of-before").write_start(logins.clock.now)
    logins.manager().run_due()
    assert logins.server.calls == ()
    assert logins.warnings == []


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


def test_unstorable_tokens_are_used_reported_and_stored_later(logins: Logins, full: Any) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(9)
    full(True)
    assert manager.before_dispatch(logins.key())
    token = logins.token(manager)
    assert logins.server.accepts(token)
    assert not stored_is_current(logins, manager)
    assert len(logins.warnings) == 1
    assert "can't be stored and are kept in" in logins.warnings[0]
    assert "can't be stored" in str(manager.statuses()[logins.key()].reason)
    logins.run_timer(manager, 0.1)
    assert manager.configure(logins.config_dir.file.load()) == []  # a reload brings no old token back
    assert logins.token(manager) == token
    assert len(logins.warnings) == 1
    full(False)
    logins.run_timer(manager, 0.1)
    assert stored_is_current(logins, manager)
    assert logins.warnings[1:] == ["anna: the new tokens are stored now"]
    logins.advance(9)
    assert manager.before_dispatch(logins.key())
    assert logins.server.granted == 2


def test_unstored_tokens_are_stored_at_shutdown(logins: Logins, full: Any) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(9)
    full(True)
    manager.before_dispatch(logins.key())
    full(False)
    manager.stop()
    assert stored_is_current(logins, manager)
    assert not manager.after_401(logins.key(), logins.token(manager))  # nothing begins any more
    assert logins.server.granted == 1


def test_a_new_login_beats_tokens_that_could_not_be_stored(logins: Logins, full: Any) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(9)
    full(True)
    manager.before_dispatch(logins.key())
    full(False)
    logins.log_in("anna")
    assert manager.configure(logins.config_dir.file.load()) == [logins.key()]
    manager.run_due()
    assert stored_is_current(logins, manager)
    logins.advance(9)
    assert manager.before_dispatch(logins.key())  # the lock is free again


def test_without_a_journal_the_token_serves_until_it_expires(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(path: str, data: bytes) -> None:
        raise OSError(30, "Read-only file system")

    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(8 - 0.05)
    with monkeypatch.context() as patch:
        patch.setattr("teamclaude.accounts.tokens.refresh_journal.write_private", read_only)
        logins.run_timer(manager, 0.04)
        assert manager.before_dispatch(logins.key())
        logins.run_timer(manager, 0.1)
        assert not manager.before_dispatch(logins.key())
    assert len(logins.warnings) == 1
    assert "Read-only file system; no refresh token is spent" in logins.warnings[0]
    assert logins.server.calls == ()
    logins.advance(0.1)
    assert manager.before_dispatch(logins.key())


def test_a_symlinked_read_only_file_is_replaced_at_its_target(logins: Logins, tmp_path: Path) -> None:
    logins.log_in("anna")
    target = tmp_path / "dotfiles" / "real.json"
    target.parent.mkdir()
    logins.config_dir.path.rename(target)
    logins.config_dir.path.symlink_to(target)
    target.chmod(0o400)
    manager = logins.manager()
    logins.advance(9)
    assert manager.before_dispatch(logins.key())
    assert stored_is_current(logins, manager)
    assert logins.config_dir.path.is_symlink()
    assert target.stat().st_mode & 0o777 == 0o600
    assert {path.name for path in target.parent.iterdir()} == {"real.json", "real.json.lock", "real.tokens"}


# --- a config file that is gone, or no good -------------------------------------------------------


@pytest.mark.parametrize("content", [None, "", '{"accounts": [{"na'])
def test_a_login_survives_a_missing_or_invalid_file_and_is_stored_later(logins: Logins, content: Any) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    good = logins.config_dir.text
    logins.advance(9)
    logins.config_dir.path.unlink()
    if content is not None:
        logins.config_dir.write(content)
    for _ in range(3):
        assert manager.before_dispatch(logins.key())
        assert logins.server.accepts(logins.token(manager))
        assert "can't be stored and are kept in" in str(manager.statuses()[logins.key()].reason)
        logins.clock.now += 60
    logins.config_dir.write(good)
    assert manager.configure(logins.config_dir.file.load()) == []  # an old token is not taken back
    logins.run_timer(manager, 0.2)
    assert stored_is_current(logins, manager)
    assert logins.server.granted == 1
    logins.advance(9)
    assert manager.before_dispatch(logins.key())
    assert logins.server.granted == 2


def test_tokens_of_a_shutdown_with_an_invalid_file_are_found_at_the_next_start(
    logins: Logins,
) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    good = logins.config_dir.text
    logins.advance(9)
    logins.config_dir.write("half an edit")
    assert manager.before_dispatch(logins.key())
    token = logins.token(manager)
    manager.stop()
    logins.config_dir.write(good)
    again = logins.manager()
    assert again.before_dispatch(logins.key())
    assert logins.token(again) == token
    assert logins.server.granted == 1
    assert logins.entry()["accessToken"] == token


# --- what a renewal costs -------------------------------------------------------------------------


def test_a_refresh_is_one_read_and_one_write_of_the_config_with_sixteen_accounts(
    logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"user{number}" for number in range(16)]
    logins.log_in(*names)
    os.utime(logins.config_dir.path, (1, 1))  # not written just now
    manager = logins.manager()
    counts = dict.fromkeys(("reads", "writes", "parses"), 0)

    def counted(name: str, of: Any) -> Any:
        def count(*args: Any) -> Any:
            counts[name] += 1
            return of(*args)

        return count

    monkeypatch.setattr(config_file.ConfigFile, "_read", counted("reads", config_file.ConfigFile._read))
    monkeypatch.setattr(config_file, "replace_keeping_owner", counted("writes", replace_keeping_owner))
    monkeypatch.setattr(config_file, "parse_config", counted("parses", parse_config))
    logins.advance(9)
    for name in names:
        assert manager.before_dispatch(logins.key(name))
        assert manager.configure(logins.config_dir.file.load()) == []  # as the server does after each change
        manager.run_due()
    assert logins.server.granted == 16
    assert counts == {"reads": 16, "writes": 16, "parses": 16}
