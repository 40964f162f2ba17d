"""The manager in virtual time: which tokens are usable, when they are refreshed, what is reported."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.oauth.token_response import read_grant
from teamclaude.accounts.tokens.refresh import USED_ELSEWHERE
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.errors import TokenEndpointUnavailableError
from teamclaude.fakeapi.fault import Fault
from tests.accounts.support import Logins
from tests.fakeapi.authserver import TOKEN_PATH


def stored_is_current(logins: Logins, manager: TokenManager, name: str = "anna") -> bool:
    return bool(logins.token(manager, name) == logins.entry(name)["accessToken"])


def test_a_fresh_token_is_served_as_it_is(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    assert logins.token(manager) == logins.entry()["accessToken"]
    assert manager.before_dispatch(logins.key())
    assert manager.statuses()[logins.key()].state == "valid"
    assert logins.server.calls == ()
    assert logins.changed_keys == []


def test_accounts_without_a_login_are_ignored(logins: Logins) -> None:
    logins.write_config({"accounts": [{"name": "key", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"}]})
    manager = logins.manager()
    assert manager.statuses() == {}
    assert not manager.tokens
    assert manager.before_dispatch("key")
    assert not manager.after_401("key", "sk-ant-api03-FAKE")
    assert manager.run_due() == 10.0


def test_a_due_token_stays_in_use_while_it_is_refreshed_in_the_background(logins: Logins) -> None:
    logins.log_in("anna")
    work: list[Any] = []
    manager = logins.manager(spawn=work.append)
    old = logins.token(manager)
    logins.advance(8 - 0.05)
    assert manager.before_dispatch(logins.key())
    assert logins.token(manager) == old
    assert manager.statuses()[logins.key()].state == "refresh due"
    assert len(work) == 1
    assert logins.server.calls == ()
    work.pop()()
    assert logins.token(manager) != old
    assert stored_is_current(logins, manager)
    assert logins.changed_keys == [logins.key()]
    assert logins.server.granted == 1
    assert manager.before_dispatch(logins.key())
    assert manager.run_due()
    assert work == []


def test_an_expired_token_is_renewed_first(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager(spawn=lambda work: pytest.fail("not beside: first"))
    logins.advance(9)
    assert manager.before_dispatch(logins.key())
    assert logins.server.accepts(logins.token(manager))


def test_a_refused_token_is_renewed_once_and_only_while_it_is_current(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    old = logins.token(manager)
    logins.advance(1)
    assert manager.after_401(logins.key(), old)
    new = logins.token(manager)
    assert new != old
    assert logins.server.accepts(new)
    assert manager.after_401(logins.key(), old)  # of a burst: the others find the new one
    assert logins.server.granted == 1
    again = manager.after_401(logins.key(), new)
    assert not again
    assert again.retry_at is None
    assert "renewed just now" in again.reason
    assert logins.server.granted == 1


def test_an_idle_night_is_renewed_ahead(logins: Logins) -> None:
    logins.log_in("anna", "bob")
    manager = logins.manager()
    end = logins.clock.now + 26 * 3600
    while logins.clock.now < end:
        pause = manager.run_due()
        assert 1.0 <= pause <= 10.0
        logins.clock.now += pause
        for name in ("anna", "bob"):
            assert logins.server.accepts(logins.token(manager, name))
    assert logins.server.granted == 6
    assert len(logins.server.calls) == 6
    assert logins.warnings == []
    assert logins.auth_failures == []


def test_a_disabled_account_is_not_renewed_ahead(logins: Logins) -> None:
    logins.log_in("anna", disabled=True)
    manager = logins.manager()
    logins.run_timer(manager, 9)
    assert logins.server.calls == ()
    assert manager.run_due() == 10.0
    assert manager.before_dispatch(logins.key())
    assert logins.server.granted == 1


# --- tokens that live shortly ---------------------------------------------------------------------


def busy(logins: Logins, managers: list[TokenManager], life: float, seconds: int = 3600) -> None:
    """A request each second, at tokens that live `life` seconds; each finds a good one."""
    logins.server.issuer.access_life = life
    for _ in range(seconds):
        logins.clock.now += 1
        for manager in managers:
            assert manager.before_dispatch(logins.key())
            manager.configure(logins.config_dir.file.load())
            manager.run_due()


@pytest.mark.parametrize(
    ("life", "seconds", "least", "most"),
    [(3600, 3600, 1, 2), (240, 1200, 5, 6), (60, 600, 11, 12), (10, 300, 30, 34)],
)
def test_short_lived_tokens_are_refreshed_once_per_lifetime(
    logins: Logins, life: float, seconds: int, least: int, most: int
) -> None:
    logins.log_in("anna")
    logins.advance(8)
    busy(logins, [logins.manager()], life, seconds)
    assert least <= logins.server.granted <= most
    assert logins.warnings == []


def test_two_servers_share_one_refresh_of_short_lived_tokens(logins: Logins) -> None:
    logins.log_in("anna")
    logins.advance(8)
    busy(logins, [logins.manager(), logins.manager()], 240, 1200)
    assert 5 <= logins.server.granted <= 6


def test_a_restart_does_not_refresh_a_short_lived_token(logins: Logins) -> None:
    logins.log_in("anna")
    logins.advance(8)
    busy(logins, [logins.manager()], 240, 600)
    granted = logins.server.granted
    for _ in range(5):
        logins.manager().run_due()
    assert logins.server.granted <= granted + 1


@pytest.mark.parametrize("told", [0, -1, 1, 9.9, None, "soon", "", True, float("nan"), [240]])
def test_an_implausible_lifetime_counts_as_an_hour(logins: Logins, told: Any) -> None:
    def grant(config: Any, route: Any, token: str) -> Any:
        granted.append(logins.clock.now)
        answer = {"access_token": f"a{len(granted)}", "refresh_token": f"r{len(granted)}", "expires_in": told}
        return read_grant(answer, logins.clock.now)

    granted: list[float] = []
    logins.log_in("anna")
    manager = logins.manager(spend=grant)
    logins.advance(8)
    for _ in range(3600):
        logins.clock.now += 1
        assert manager.before_dispatch(logins.key())
    assert len(granted) == 2
    assert granted[1] - granted[0] == pytest.approx(3300, abs=1)


def test_two_refreshes_keep_their_interval_whatever_the_expiry(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(8)
    for _ in range(60):
        logins.clock.now += 1
        manager.before_dispatch(logins.key())
        raw = logins.config_dir.json
        raw["accounts"][0]["expiresAt"] = round((logins.clock.now - 1) * 1000)
        logins.config_dir.write(raw)
        manager.configure(logins.config_dir.file.load())
    assert logins.server.granted == 6


# --- a busy token endpoint ------------------------------------------------------------------------


def test_backoff_grows_while_the_server_is_busy(logins: Logins) -> None:
    logins.log_in("anna")
    asked: list[float] = []

    def busy(config: Any, route: Any, token: str) -> Any:
        asked.append(round(logins.clock.now - began))
        raise TokenEndpointUnavailableError("the token endpoint failed (503)", may_be_spent=False)

    manager = logins.manager(spend=busy)
    logins.advance(8 - 299 / 3600)
    began = logins.clock.now
    while logins.clock.now < began + 299:
        assert manager.before_dispatch(logins.key())
        logins.clock.now += manager.run_due()
    logins.run_timer(manager, 0.5)
    assert asked[:7] == [0, 5, 15, 35, 75, 155, 315]
    assert max(after - before for before, after in zip(asked[6:], asked[7:])) <= 310
    usable = manager.before_dispatch(logins.key())
    assert not usable
    assert usable.retry_at is not None
    assert usable.retry_at > logins.clock.now
    assert "503" in usable.reason
    assert manager.statuses()[logins.key()].state == "refresh due"
    assert len(logins.warnings) == 1
    assert logins.auth_failures == []


def test_a_recovered_server_clears_every_error(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(9)
    logins.server.script.once(Fault.status(503), path=TOKEN_PATH)
    assert not manager.before_dispatch(logins.key())
    logins.clock.now += 5
    assert manager.before_dispatch(logins.key())
    assert "was still good" in logins.warnings[-1]
    assert manager.statuses()[logins.key()] == logins.manager().statuses()[logins.key()]


def test_during_backoff_requests_call_no_server(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(9)
    logins.server.script.once(Fault.status(429, retry_after=60), path=TOKEN_PATH)
    usable = manager.before_dispatch(logins.key())
    assert usable.retry_at == logins.clock.now + 60
    assert "oauth.userAgent" in usable.reason
    for _ in range(5):
        assert not manager.before_dispatch(logins.key())
    assert logins.server.arrived == 1
    logins.clock.now += 61
    assert manager.before_dispatch(logins.key())


def test_a_401_while_the_server_is_busy_is_followed_up_later(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.advance(1)
    logins.server.script.once(Fault.status(429), path=TOKEN_PATH)
    old = logins.token(manager)
    usable = manager.after_401(logins.key(), old)
    assert not usable
    assert usable.retry_at == logins.clock.now + 5
    assert not manager.before_dispatch(logins.key())  # it is not sent again
    logins.run_timer(manager, 0.01)
    assert manager.before_dispatch(logins.key())
    assert logins.token(manager) != old


def test_an_unforeseen_error_is_reported_and_backs_off(logins: Logins) -> None:
    logins.log_in("anna")
    calls: list[str] = []

    def broken(config: Any, route: Any, token: str) -> Any:
        calls.append(token)
        raise ZeroDivisionError

    manager = logins.manager(spend=broken)
    logins.advance(8 - 0.05)
    manager.run_due()
    manager.run_due()
    assert len(calls) == 1
    assert logins.warnings == ["internal error while renewing tokens: ZeroDivisionError"]


# --- a login that is over -------------------------------------------------------------------------


def test_a_refused_login_serves_until_its_token_expires(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.server.revoke(logins.server.users[0])
    logins.advance(8 - 0.05)
    manager.run_due()
    assert logins.warnings == [
        "anna: re-login needed: the login is not valid any more (token endpoint: 400 invalid_grant); "
        f"log in again: teamclaude login. {USED_ELSEWHERE}"
    ]
    assert manager.before_dispatch(logins.key())
    assert logins.auth_failures == []
    assert manager.statuses()[logins.key()].state == "re-login needed"
    logins.run_timer(manager, 1)
    assert [key for key, _ in logins.auth_failures] == [logins.key()]
    assert manager.run_due() == 10.0
    usable = manager.before_dispatch(logins.key())
    assert not usable
    assert usable.retry_at is None
    assert "log in again" in usable.reason
    assert len(logins.server.calls) == 1


def test_a_refused_login_survives_a_restart_and_a_new_login_clears_it(logins: Logins) -> None:
    logins.log_in("anna")
    logins.advance(9)
    logins.server.revoke(logins.server.users[0])
    assert not logins.manager().before_dispatch(logins.key())
    manager = logins.manager()
    assert manager.statuses()[logins.key()].state == "re-login needed"
    assert not manager.before_dispatch(logins.key())
    assert len(logins.server.calls) == 1
    logins.log_in("anna")
    assert manager.configure(logins.config_dir.file.load()) == [logins.key()]
    assert manager.before_dispatch(logins.key())
    assert manager.statuses()[logins.key()].state == "valid"


def test_a_token_without_a_refresh_token_ends_with_a_reason(logins: Logins) -> None:
    logins.log_in("anna", refreshToken=None, refreshTokenExpiresAt=None)
    manager = logins.manager()
    manager.run_due()
    assert logins.warnings == ["anna: its login ends in 8 hours; before that, log in again: teamclaude login"]
    logins.run_timer(manager, 9)
    assert "no refresh token" in logins.warnings[1]
    assert "no refresh token" in logins.auth_failures[0][1]
    assert logins.server.calls == ()


def test_the_end_of_the_login_is_announced_once_three_days_before(logins: Logins) -> None:
    logins.log_in("anna", disabled=True)
    manager = logins.manager()
    manager.run_due()
    logins.advance(26.9 * 24)
    manager.run_due()
    assert logins.warnings == []
    logins.advance(0.2 * 24)
    manager.run_due()
    manager.run_due()
    assert logins.warnings == ["anna: its login ends in 3 days; before that, log in again: teamclaude login"]


# --- reloads --------------------------------------------------------------------------------------


def test_a_reload_from_before_a_refresh_restores_no_old_token(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    before = logins.config_dir.file.load()
    logins.advance(9)
    manager.before_dispatch(logins.key())
    assert manager.configure(before) == []
    assert stored_is_current(logins, manager)
    assert manager.configure(logins.config_dir.file.load()) == []


def test_accounts_come_and_go(logins: Logins) -> None:
    logins.log_in("anna")
    manager = logins.manager()
    logins.log_in("bob")
    assert manager.configure(logins.config_dir.file.load()) == []
    assert list(manager.statuses()) == [logins.key("bob")]
    assert list(manager.tokens) == [logins.key("bob")]
    assert manager.before_dispatch(logins.key())


def test_the_timer_runs_in_the_background_and_survives_an_error(logins: Logins) -> None:
    import threading

    logins.log_in("anna")
    logins.advance(7.99)
    renewed, reached = threading.Event(), threading.Event()

    def said(line: str) -> None:
        logins.warnings.append(line)
        reached.set()

    def on_new_tokens(key: str) -> None:
        renewed.set()
        raise ZeroDivisionError

    manager = logins.manager(on_new_tokens=on_new_tokens, warn=said, spawn=None)
    manager.start()
    assert renewed.wait(30)
    assert reached.wait(30)
    manager.stop()
    assert logins.warnings == ["internal error while renewing tokens: ZeroDivisionError"]
    assert stored_is_current(logins, manager)
