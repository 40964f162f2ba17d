"""The keeper in virtual time: who may use which token, what is renewed when, what its owner hears."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.oauth.token_response import read_grant
from teamclaude.errors import TokenEndpointUnavailableError
from teamclaude.fakeapi.fault import Fault
from tests.fakeapi.authserver import TOKEN_PATH


def stored_is_current(logins: Any, keeper: Any, name: str = "anna") -> bool:
    return bool(keeper.access_token(logins.key(name)) == logins.entry(name)["accessToken"])


def test_a_fresh_token_is_served_as_it_is(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    assert keeper.access_token(logins.key()) == logins.entry()["accessToken"]
    assert keeper.before_dispatch(logins.key())
    assert keeper.statuses()[logins.key()].state == "valid"
    assert logins.server.calls == ()
    assert logins.new == []


def test_an_account_that_is_no_login_is_none_of_its_business(logins: Any) -> None:
    logins.write({"accounts": [{"name": "key", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"}]})
    keeper = logins.keeper()
    assert keeper.statuses() == {}
    assert keeper.access_token("key") is None
    assert keeper.before_dispatch("key")
    assert not keeper.after_401("key", "sk-ant-api03-FAKE")
    assert keeper.run_due() == 10.0


def test_a_due_token_serves_on_while_it_is_renewed_beside(logins: Any) -> None:
    logins.put("anna")
    work: list[Any] = []
    keeper = logins.keeper(spawn=work.append)
    old = keeper.access_token(logins.key())
    logins.later(8 - 0.05)
    assert keeper.before_dispatch(logins.key())
    assert keeper.access_token(logins.key()) == old
    assert keeper.statuses()[logins.key()].state == "refresh due"
    assert len(work) == 1
    assert logins.server.calls == ()
    work.pop()()
    assert keeper.access_token(logins.key()) != old
    assert stored_is_current(logins, keeper)
    assert logins.new == [logins.key()]
    assert logins.server.granted == 1
    assert keeper.before_dispatch(logins.key())
    assert keeper.run_due()
    assert work == []


def test_an_expired_token_is_renewed_first(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper(spawn=lambda work: pytest.fail("not beside: first"))
    logins.later(9)
    assert keeper.before_dispatch(logins.key())
    assert logins.server.accepts(keeper.access_token(logins.key()))


def test_a_refused_token_is_renewed_once_and_only_while_it_is_current(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    old = keeper.access_token(logins.key())
    logins.later(1)
    assert keeper.after_401(logins.key(), old)
    new = keeper.access_token(logins.key())
    assert new != old
    assert logins.server.accepts(new)
    assert keeper.after_401(logins.key(), old)  # of a burst: the others find the new one
    assert logins.server.granted == 1
    again = keeper.after_401(logins.key(), new)
    assert not again
    assert again.retry_at is None
    assert "renewed just now" in again.reason
    assert logins.server.granted == 1


def test_an_idle_night_is_renewed_ahead(logins: Any) -> None:
    logins.put("anna", "bob")
    keeper = logins.keeper()
    end = logins.clock.now + 50 * 3600
    while logins.clock.now < end:
        pause = keeper.run_due()
        assert 1.0 <= pause <= 10.0
        logins.clock.now += pause
        for name in ("anna", "bob"):
            assert logins.server.accepts(keeper.access_token(logins.key(name)))
    assert logins.server.granted == 12
    assert len(logins.server.calls) == 12
    assert logins.said == []
    assert logins.out == []


def test_a_disabled_account_is_not_renewed_ahead(logins: Any) -> None:
    logins.put("anna", disabled=True)
    keeper = logins.keeper()
    logins.pass_time(keeper, 9)
    assert logins.server.calls == ()
    assert keeper.run_due() == 10.0
    assert keeper.before_dispatch(logins.key())
    assert logins.server.granted == 1


# --- tokens that live shortly ---------------------------------------------------------------------


def busy_hour(logins: Any, keepers: list[Any], life: float, granted: Any = None) -> None:
    """An hour of a request each second, at tokens that live `life` seconds; each finds a good one."""
    logins.server.issuer.access_life = life
    for _ in range(3600):
        logins.clock.now += 1
        for keeper in keepers:
            assert keeper.before_dispatch(logins.key())
            keeper.configure(logins.shelf.file.load())
            keeper.run_due()


@pytest.mark.parametrize(
    ("life", "least", "most"),
    [(3600, 1, 2), (600, 6, 7), (240, 16, 18), (60, 66, 68), (10, 360, 400)],
)
def test_tokens_that_live_shortly_are_renewed_once_a_life_not_once_a_request(
    logins: Any, life: float, least: int, most: int
) -> None:
    logins.put("anna")
    logins.later(8)
    busy_hour(logins, [logins.keeper()], life)
    assert least <= logins.server.granted <= most
    assert logins.said == []


def test_two_servers_renew_tokens_that_live_shortly_once_between_them(logins: Any) -> None:
    logins.put("anna")
    logins.later(8)
    busy_hour(logins, [logins.keeper(), logins.keeper()], 240)
    assert 16 <= logins.server.granted <= 18


def test_a_restart_renews_no_token_that_lives_shortly(logins: Any) -> None:
    logins.put("anna")
    logins.later(8)
    busy_hour(logins, [logins.keeper()], 240)
    granted = logins.server.granted
    for _ in range(5):
        logins.keeper().run_due()
    assert logins.server.granted <= granted + 1


@pytest.mark.parametrize("told", [0, -1, 1, 9.9, None, "soon", "", True, float("nan"), [240]])
def test_a_life_that_is_no_statement_is_taken_for_an_hour(logins: Any, told: Any) -> None:
    def grant(config: Any, token: str) -> Any:
        granted.append(logins.clock.now)
        answer = {"access_token": f"a{len(granted)}", "refresh_token": f"r{len(granted)}", "expires_in": told}
        return read_grant(answer, logins.clock.now)

    granted: list[float] = []
    logins.put("anna")
    keeper = logins.keeper(spend=grant)
    logins.later(8)
    for _ in range(3600):
        logins.clock.now += 1
        assert keeper.before_dispatch(logins.key())
    assert len(granted) == 2
    assert granted[1] - granted[0] == pytest.approx(3300, abs=1)


def test_two_renewals_keep_their_distance_whatever_the_file_says_of_the_end(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.later(8)
    for _ in range(60):
        logins.clock.now += 1
        keeper.before_dispatch(logins.key())
        raw = logins.shelf.json
        raw["accounts"][0]["expiresAt"] = round((logins.clock.now - 1) * 1000)
        logins.shelf.put(raw)
        keeper.configure(logins.shelf.file.load())
    assert logins.server.granted == 6


# --- a busy token endpoint ------------------------------------------------------------------------


def test_a_busy_server_is_asked_less_and_less_while_the_token_serves(logins: Any) -> None:
    logins.put("anna")
    asked: list[float] = []

    def busy(config: Any, token: str) -> Any:
        asked.append(round(logins.clock.now - began))
        raise TokenEndpointUnavailableError("the token endpoint failed (503)", may_be_spent=False)

    keeper = logins.keeper(spend=busy)
    logins.later(8 - 299 / 3600)
    began = logins.clock.now
    while logins.clock.now < began + 299:
        assert keeper.before_dispatch(logins.key())
        logins.clock.now += keeper.run_due()
    logins.pass_time(keeper, 0.5)
    assert asked[:7] == [0, 5, 15, 35, 75, 155, 315]
    assert max(after - before for before, after in zip(asked[6:], asked[7:])) <= 310
    standing = keeper.before_dispatch(logins.key())
    assert not standing
    assert standing.retry_at > logins.clock.now
    assert "503" in standing.reason
    assert keeper.statuses()[logins.key()].state == "refresh due"
    assert len(logins.said) == 1
    assert logins.out == []


def test_a_server_that_is_back_heals_everything(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.later(9)
    logins.server.script.once(Fault.status(503), path=TOKEN_PATH)
    assert not keeper.before_dispatch(logins.key())
    logins.clock.now += 5
    assert keeper.before_dispatch(logins.key())
    assert "was still good" in logins.said[-1]
    assert keeper.statuses()[logins.key()] == logins.keeper().statuses()[logins.key()]


def test_until_the_pause_is_over_requests_ask_nobody(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.later(9)
    logins.server.script.once(Fault.status(429, retry_after=60), path=TOKEN_PATH)
    standing = keeper.before_dispatch(logins.key())
    assert standing.retry_at == logins.clock.now + 60
    assert "oauth.userAgent" in standing.reason
    for _ in range(5):
        assert not keeper.before_dispatch(logins.key())
    assert len(logins.server.log) == 1
    logins.clock.now += 61
    assert keeper.before_dispatch(logins.key())


def test_a_401_while_the_server_is_busy_is_followed_up_later(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.later(1)
    logins.server.script.once(Fault.status(429), path=TOKEN_PATH)
    old = keeper.access_token(logins.key())
    standing = keeper.after_401(logins.key(), old)
    assert not standing
    assert standing.retry_at == logins.clock.now + 5
    assert not keeper.before_dispatch(logins.key())  # it will not be sent again
    logins.pass_time(keeper, 0.01)
    assert keeper.before_dispatch(logins.key())
    assert keeper.access_token(logins.key()) != old


def test_an_error_nobody_foresaw_is_told_and_not_repeated_at_once(logins: Any) -> None:
    logins.put("anna")
    calls: list[str] = []

    def broken(config: Any, token: str) -> Any:
        calls.append(token)
        raise ZeroDivisionError

    keeper = logins.keeper(spend=broken)
    logins.later(8 - 0.05)
    keeper.run_due()
    keeper.run_due()
    assert len(calls) == 1
    assert logins.said == ["internal error while renewing tokens: ZeroDivisionError"]


# --- a login that is over -------------------------------------------------------------------------


def test_a_refused_login_serves_to_its_end_and_then_is_out(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.server.revoke(logins.server.users[0])
    logins.later(8 - 0.05)
    keeper.run_due()
    assert logins.said == [
        "anna: re-login needed: the login is not valid any more (token endpoint: 400 invalid_grant); "
        "log in again: teamclaude login"
    ]
    assert keeper.before_dispatch(logins.key())
    assert logins.out == []
    assert keeper.statuses()[logins.key()].state == "re-login needed"
    logins.pass_time(keeper, 1)
    assert [key for key, _ in logins.out] == [logins.key()]
    assert keeper.run_due() == 10.0
    standing = keeper.before_dispatch(logins.key())
    assert not standing
    assert standing.retry_at is None
    assert "log in again" in standing.reason
    assert len(logins.server.calls) == 1


def test_a_refused_login_is_known_after_a_restart_and_heals_by_a_new_one(logins: Any) -> None:
    logins.put("anna")
    logins.later(9)
    logins.server.revoke(logins.server.users[0])
    assert not logins.keeper().before_dispatch(logins.key())
    keeper = logins.keeper()
    assert keeper.statuses()[logins.key()].state == "re-login needed"
    assert not keeper.before_dispatch(logins.key())
    assert len(logins.server.calls) == 1
    logins.put("anna")
    assert keeper.configure(logins.shelf.file.load()) == [logins.key()]
    assert keeper.before_dispatch(logins.key())
    assert keeper.statuses()[logins.key()].state == "valid"


def test_a_token_without_a_refresh_token_ends_with_words(logins: Any) -> None:
    logins.put("anna", refreshToken=None, refreshTokenExpiresAt=None)
    keeper = logins.keeper()
    keeper.run_due()
    assert logins.said == ["anna: its login ends in 8 hours; before that, log in again: teamclaude login"]
    logins.pass_time(keeper, 9)
    assert "no refresh token" in logins.said[1]
    assert "no refresh token" in logins.out[0][1]
    assert logins.server.calls == ()


def test_the_end_of_the_login_is_told_three_days_before_and_once(logins: Any) -> None:
    logins.put("anna", disabled=True)
    keeper = logins.keeper()
    keeper.run_due()
    logins.later(26.9 * 24)
    keeper.run_due()
    assert logins.said == []
    logins.later(0.2 * 24)
    keeper.run_due()
    keeper.run_due()
    assert logins.said == ["anna: its login ends in 3 days; before that, log in again: teamclaude login"]


# --- reloads --------------------------------------------------------------------------------------


def test_a_reload_that_began_before_a_renewal_brings_no_old_token_back(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    before = logins.shelf.file.load()
    logins.later(9)
    keeper.before_dispatch(logins.key())
    assert keeper.configure(before) == []
    assert stored_is_current(logins, keeper)
    assert keeper.configure(logins.shelf.file.load()) == []


def test_accounts_come_and_go(logins: Any) -> None:
    logins.put("anna")
    keeper = logins.keeper()
    logins.put("bob")
    assert keeper.configure(logins.shelf.file.load()) == []
    assert list(keeper.statuses()) == [logins.key("bob")]
    assert keeper.access_token(logins.key()) is None
    assert keeper.before_dispatch(logins.key())


def test_the_timer_runs_in_the_background_and_survives_an_error(logins: Any) -> None:
    import threading

    logins.put("anna")
    logins.later(7.99)
    renewed, reached = threading.Event(), threading.Event()

    def said(line: str) -> None:
        logins.said.append(line)
        reached.set()

    def on_new_tokens(key: str) -> None:
        renewed.set()
        raise ZeroDivisionError

    keeper = logins.keeper(on_new_tokens=on_new_tokens, warn=said, spawn=None)
    keeper.start()
    assert renewed.wait(5)
    assert reached.wait(5)
    keeper.stop()
    assert logins.said == ["internal error while renewing tokens: ZeroDivisionError"]
    assert stored_is_current(logins, keeper)
