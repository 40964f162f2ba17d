"""Accounts that follow Claude Code's credentials file: read when it changes, renewed only on request."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.tokens import claude_credentials
from teamclaude.accounts.tokens.claude_credentials import ClaudeCredentialsFile
from teamclaude.accounts.tokens.token_pair import TokenPair
from teamclaude.errors import ConfigError
from teamclaude.fakeapi.fault import Fault
from tests.accounts.support import Logins
from tests.fakeapi.authserver import TOKEN_PATH
from tests.fakeapi.token_issuer import FakeUser


class Shared:
    """A login that Claude Code keeps in its own file, and an account that follows it."""

    def __init__(self, logins: Logins, directory: Path) -> None:
        self.logins = logins
        self.path = directory / ".claude" / ".credentials.json"
        self.path.parent.mkdir()
        self.renew()

    def follow(self, **settings: Any) -> None:
        account = {"name": "anna", "type": "oauth", "importFrom": str(self.path)}
        who = {"accountUuid": "fake-person-anna", "orgUuid": "fake-org-anna"}
        self.logins.write_config({"accounts": [{**account, **who}], **settings})

    def renew(self) -> None:
        """Claude Code logs in or renews: another pair is in its file."""
        entry = self.logins.server.log_in(FakeUser("anna"))
        names = ("accessToken", "refreshToken", "expiresAt", "refreshTokenExpiresAt")
        login = {name: entry[name] for name in names}
        self.path.write_text(json.dumps({"claudeAiOauth": {**login, "scopes": ["a"]}, "other": 1}))
        os.utime(self.path, ns=(time.time_ns(), time.time_ns()))

    @property
    def login(self) -> Any:
        return json.loads(self.path.read_text())["claudeAiOauth"]


@pytest.fixture
def shared(logins: Logins, tmp_path: Path) -> Shared:
    return Shared(logins, tmp_path)


def test_its_tokens_are_read_from_the_file_and_never_stored_elsewhere(shared: Shared) -> None:
    shared.follow()
    manager = shared.logins.manager()
    assert shared.logins.token(manager) == shared.login["accessToken"]
    assert manager.before_dispatch(shared.logins.key())
    assert manager.statuses()[shared.logins.key()].state == "valid"
    assert "accessToken" not in shared.logins.entry()


def test_a_changed_file_is_reread_at_the_next_tick(shared: Shared) -> None:
    shared.follow()
    manager = shared.logins.manager()
    manager.run_due()
    assert shared.logins.changed_keys == []
    shared.renew()
    manager.run_due()
    assert shared.logins.token(manager) == shared.login["accessToken"]
    assert shared.logins.changed_keys == [shared.logins.key()]


def test_an_expired_token_waits_for_claude_code(shared: Shared) -> None:
    shared.follow()
    manager = shared.logins.manager()
    shared.logins.run_timer(manager, 9)
    usable = manager.before_dispatch(shared.logins.key())
    assert not usable
    assert usable.retry_at is not None
    assert usable.retry_at > shared.logins.clock.now
    assert "has expired: run claude, which renews it, or set refreshImported" in usable.reason
    assert shared.logins.server.calls == ()
    assert shared.logins.auth_failures == []
    shared.renew()
    shared.logins.clock.now = usable.retry_at
    assert manager.before_dispatch(shared.logins.key())
    assert shared.logins.token(manager) == shared.login["accessToken"]


def test_a_refused_token_is_out_until_the_file_changes(shared: Shared) -> None:
    shared.follow()
    manager = shared.logins.manager()
    usable = manager.after_401(shared.logins.key(), shared.login["accessToken"])
    assert not usable
    assert usable.retry_at is None
    assert "was refused" in usable.reason
    shared.renew()
    shared.logins.run_timer(manager, 0.1)
    assert manager.before_dispatch(shared.logins.key())
    assert shared.logins.changed_keys == [shared.logins.key()]
    assert shared.logins.server.calls == ()


def test_a_missing_or_invalid_file_is_reported_once_and_recovers(shared: Shared) -> None:
    shared.follow()
    shared.path.write_text("{ not JSON")
    manager = shared.logins.manager()
    assert len(shared.logins.warnings) == 1
    assert str(shared.path) in shared.logins.warnings[0]
    assert not manager.before_dispatch(shared.logins.key())
    shared.path.unlink()
    shared.logins.run_timer(manager, 0.1)
    assert any("can't read it" in line for line in shared.logins.warnings)
    assert not manager.before_dispatch(shared.logins.key())
    shared.renew()
    manager.run_due()
    assert manager.before_dispatch(shared.logins.key())


def test_the_configs_tokens_serve_until_the_file_can_be_read(shared: Shared) -> None:
    entry = shared.logins.server.log_in(FakeUser("anna"))
    shared.path.unlink()
    shared.logins.write_config({"accounts": [{**entry, "importFrom": str(shared.path)}]})
    manager = shared.logins.manager()
    assert shared.logins.token(manager) == entry["accessToken"]
    shared.renew()
    manager.run_due()
    assert shared.logins.token(manager) == shared.login["accessToken"]
    manager.configure(shared.logins.config_dir.file.load())
    assert shared.logins.token(manager) == shared.login["accessToken"]


def odd_files(login: dict[str, Any]) -> dict[str, bytes]:
    """The same login as other programs write it."""
    nested = json.dumps({"claudeAiOauth": login})
    quoted = {**login, "expiresAt": f" {login['expiresAt']} ", "scopes": "user:inference", "extra": {"a": 1}}
    return {
        "UTF-16": b"\xff\xfe" + nested.encode("utf-16-le"),
        "a byte order mark": nested.encode("utf-8-sig"),
        "NULs": nested.encode() + b"\0" * 9,
        "flat": json.dumps(login).encode(),
        "quotes": json.dumps(quoted).encode(),
        "no end": json.dumps({**login, "expiresAt": 0}).encode(),
        "no refresh token": json.dumps({**login, "refreshToken": None}).encode(),
    }


@pytest.mark.parametrize("kind", list(odd_files({"expiresAt": 1})))
def test_a_followed_file_is_read_as_it_comes(shared: Shared, kind: str) -> None:
    shared.follow()
    token = shared.login["accessToken"]
    shared.path.write_bytes(odd_files(shared.login)[kind])
    manager = shared.logins.manager()
    assert shared.logins.token(manager) == token
    assert manager.before_dispatch(shared.logins.key())
    assert shared.logins.warnings == []


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ({"accessToken": "", "refreshToken": "", "expiresAt": 0}, "Claude Code's login there has ended"),
        ({"accessToken": None, "refreshToken": "sk-ant-ort01-FAKE"}, "has expired: run claude"),
    ],
)
def test_a_followed_login_that_has_ended(shared: Shared, login: dict[str, Any], said: str) -> None:
    shared.follow()
    shared.path.write_text(json.dumps({"claudeAiOauth": login}))
    manager = shared.logins.manager()
    usable = manager.before_dispatch(shared.logins.key())
    assert not usable
    assert said in usable.reason
    shared.renew()
    shared.logins.run_timer(manager, 0.1)
    assert manager.before_dispatch(shared.logins.key())


# --- refreshImported ------------------------------------------------------------------------------


def test_on_request_it_is_renewed_into_claude_codes_own_file(shared: Shared) -> None:
    shared.follow(refreshImported=True)
    old = shared.login
    manager = shared.logins.manager()
    shared.logins.advance(9)
    assert manager.before_dispatch(shared.logins.key())
    new = shared.login
    assert new["refreshToken"] != old["refreshToken"]
    assert new["scopes"] == ["a"]
    assert new["expiresAt"] == round((shared.logins.clock.now + 8 * 3600) * 1000)
    assert shared.logins.token(manager) == new["accessToken"]
    assert shared.logins.server.can_refresh(new["refreshToken"])
    assert json.loads(shared.path.read_text())["other"] == 1
    assert shared.path.stat().st_mode & 0o777 == 0o600
    manager.run_due()
    assert shared.logins.server.granted == 1
    assert shared.logins.changed_keys == [shared.logins.key()]
    assert sorted(path.name for path in shared.path.parent.iterdir()) == [".credentials.json"]


def test_what_claude_code_renewed_meanwhile_is_adopted(shared: Shared) -> None:
    shared.follow(refreshImported=True)
    manager = shared.logins.manager()
    shared.logins.advance(9)
    shared.renew()
    assert manager.before_dispatch(shared.logins.key())
    assert shared.logins.token(manager) == shared.login["accessToken"]
    assert shared.logins.server.calls == ()


def test_switching_it_on_takes_a_reload(shared: Shared) -> None:
    shared.follow()
    manager = shared.logins.manager()
    shared.logins.advance(9)
    assert not manager.before_dispatch(shared.logins.key())
    shared.follow(refreshImported=True)
    manager.configure(shared.logins.config_dir.file.load())
    assert manager.before_dispatch(shared.logins.key())
    assert shared.logins.server.granted == 1


def test_nothing_is_spent_while_claude_code_renews(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claude_credentials, "LOCK_TIMEOUT_SEC", 0.0)
    shared.follow(refreshImported=True)
    manager = shared.logins.manager()
    shared.logins.advance(9)
    for lock in (shared.path.parent / ".oauth_refresh.lock", Path(f"{shared.path.parent}.lock")):
        lock.mkdir()
        usable = manager.before_dispatch(shared.logins.key())
        assert not usable
        assert f"{lock}: Claude Code has held it" in usable.reason
        lock.rmdir()
        shared.logins.advance(0.1)
    assert shared.logins.server.calls == ()
    assert manager.before_dispatch(shared.logins.key())


def test_its_lock_is_waited_for_and_a_stale_one_is_broken(shared: Shared) -> None:
    file = ClaudeCredentialsFile(str(shared.path))
    lock = shared.path.parent / ".oauth_refresh.lock"
    lock.mkdir()
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        lock.rmdir()

    file._sleep = sleep
    with file.exclude_other_programs():
        assert lock.is_dir()
        assert Path(f"{shared.path.parent}.lock").is_dir()
    assert len(naps) == 1
    assert not lock.exists()
    lock.mkdir()
    os.utime(lock, (time.time() - 61, time.time() - 61))
    with file.exclude_other_programs():
        assert lock.is_dir()
        assert len(naps) == 1
    assert not lock.exists()


def test_a_directory_that_cannot_be_locked_is_named(shared: Shared) -> None:
    file = ClaudeCredentialsFile(str(shared.path.parent / "missing" / ".credentials.json"))
    with pytest.raises(ConfigError, match="can't make it"), file.exclude_other_programs():
        pass


def test_a_flat_file_stays_flat_and_a_newer_login_stays(shared: Shared) -> None:
    flat = {"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE-1", "expiresAt": 5000}
    shared.path.write_text(json.dumps(flat))
    file = ClaudeCredentialsFile(str(shared.path))
    pair = TokenPair("sk-ant-oat01-FAKE-2", "sk-ant-ort01-FAKE-2", 1_800_000_000.0)
    assert file.write("sk-ant-ort01-FAKE-0", pair).access_token == "sk-ant-oat01-FAKE"
    assert json.loads(shared.path.read_text()) == flat
    assert file.write("sk-ant-ort01-FAKE-1", pair) == pair
    assert json.loads(shared.path.read_text()) == {
        "accessToken": "sk-ant-oat01-FAKE-2",
        "refreshToken": "sk-ant-ort01-FAKE-2",
        "expiresAt": 1_800_000_000_000,
    }


def test_a_lost_answer_is_reported_for_followed_files_too(shared: Shared) -> None:
    shared.follow(refreshImported=True)
    manager = shared.logins.manager()
    shared.logins.advance(9)
    shared.logins.server.script.once(Fault.no_head(), path=TOKEN_PATH)
    assert not manager.before_dispatch(shared.logins.key())
    shared.logins.clock.now += 6
    usable = manager.before_dispatch(shared.logins.key())
    assert "that answer probably held the new tokens" in usable.reason
