"""The fake authorization server: what it grants, refuses and revokes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fault import Fault
from tests.fakeapi.authserver import (
    AUTHORIZE_PATH,
    CLIENT_ID,
    MANUAL_REDIRECT,
    PROFILE_PATH,
    REVOKE_PATH,
    TOKEN_PATH,
    AuthServer,
)
from tests.fakeapi.token_issuer import FakeUser, challenge_of

VERIFIER = "v" * 43
STATE = "s" * 43
REDIRECT = "http://localhost:4321/callback"


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(clock: Clock) -> Iterator[AuthServer]:
    users = [FakeUser("anna"), FakeUser("bob", organization_type="claude_pro")]
    with AuthServer(users, clock=clock) as server:
        yield server


def call(server: FakeApi, method: str, target: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    data = None if body is None else json.dumps(body)
    sent = {"content-type": "application/json", **headers}
    try:
        connection.request(method, target, data, sent)
        answer = connection.getresponse()
        text = answer.read().decode()
        return answer.status, answer.getheader("location") or "", text
    finally:
        connection.close()


def authorize(server: AuthServer, **changes: str) -> tuple[int, str, str]:
    query = {
        "code": "true",
        "client_id": CLIENT_ID,
        "response_type": "code",
        "redirect_uri": REDIRECT,
        "scope": "user:inference user:profile",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        "state": STATE,
        **changes,
    }
    return call(server, "GET", f"{AUTHORIZE_PATH}?{urlencode(query)}")


def code_of(location: str) -> str:
    return parse_qs(urlsplit(location).query)["code"][0]


def exchange(server: AuthServer, good: str, **changes: str) -> tuple[int, Any]:
    asked = {
        "grant_type": "authorization_code",
        "code": good,
        "redirect_uri": REDIRECT,
        "client_id": CLIENT_ID,
        "code_verifier": VERIFIER,
        "state": STATE,
        **changes,
    }
    status, _, text = call(server, "POST", TOKEN_PATH, asked)
    return status, json.loads(text)


def renew(server: AuthServer, token: str, **changes: str) -> tuple[int, Any]:
    asked = {"grant_type": "refresh_token", "refresh_token": token, "client_id": CLIENT_ID, **changes}
    status, _, text = call(server, "POST", TOKEN_PATH, asked)
    return status, json.loads(text)


def test_challenge_is_the_example_of_the_rfc() -> None:
    # RFC 7636, appendix B.
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_login_from_the_page_to_the_profile(auth: AuthServer) -> None:
    status, location, _ = authorize(auth)
    assert status == 302
    assert location.startswith(REDIRECT + "?")
    assert parse_qs(urlsplit(location).query)["state"] == [STATE]
    status, grant = exchange(auth, code_of(location))
    assert status == 200
    assert grant["expires_in"] == 8 * 3600
    assert grant["refresh_token_expires_in"] == 30 * 86400
    assert grant["account"] == {"uuid": "fake-person-anna", "email_address": "anna@example.com"}
    bearer = f"Bearer {grant['access_token']}"
    status, _, text = call(auth, "GET", PROFILE_PATH, Authorization=bearer)
    profile = json.loads(text)
    assert (status, profile["account"]["email"]) == (200, "anna@example.com")
    assert profile["organization"]["rate_limit_tier"] == "default_claude_max_20x"
    assert [call.outcome for call in auth.calls] == ["granted"]


def test_the_manual_redirect_shows_code_and_state(auth: AuthServer) -> None:
    status, location, text = authorize(auth, redirect_uri=MANUAL_REDIRECT)
    code, _, state = text.strip().partition("#")
    assert (status, location, state) == (200, "", STATE)
    assert exchange(auth, code, redirect_uri=MANUAL_REDIRECT)[0] == 200


def test_the_person_says_no_or_another_login_answers(auth: AuthServer) -> None:
    auth.consent = ["deny", "wrong state"]
    denied = parse_qs(urlsplit(authorize(auth)[1]).query)
    assert denied["error"] == ["access_denied"]
    assert denied["state"] == [STATE]
    assert "code" not in denied
    foreign = parse_qs(urlsplit(authorize(auth)[1]).query)
    assert foreign["state"] != [STATE]
    assert foreign["code"]
    auth.user = auth.users[1]
    grant = exchange(auth, code_of(authorize(auth)[1]))[1]
    assert grant["account"]["uuid"] == "fake-person-bob"


@pytest.mark.parametrize(
    "change",
    [
        {"code": "1"},
        {"client_id": "x"},
        {"response_type": "token"},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
        {"state": ""},
        {"scope": ""},
        {"redirect_uri": "http://evil.example/callback"},
        {"redirect_uri": "http://localhost/callback"},
    ],
)
def test_a_wrong_authorize_request_is_not_redirected(auth: AuthServer, change: dict[str, str]) -> None:
    status, location, text = authorize(auth, **change)
    assert (status, location) == (400, "")
    assert next(iter(change)) in text


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "w" * 43},
        {"redirect_uri": "http://localhost:4322/callback"},
        {"client_id": "x"},
        {"state": "t" * 43},
        {"code": "FAKEunknown"},
        {"grant_type": "password"},
    ],
)
def test_a_code_is_good_only_for_its_own_login(auth: AuthServer, change: dict[str, str]) -> None:
    status, answer = exchange(auth, code_of(authorize(auth)[1]), **change)
    assert status == 400
    assert answer["error"].startswith(("invalid_", "unsupported_"))
    assert auth.granted == 0


def test_a_code_is_good_once_and_for_five_minutes(auth: AuthServer, clock: Clock) -> None:
    code = code_of(authorize(auth)[1])
    assert exchange(auth, code)[0] == 200
    assert exchange(auth, code) == (
        400,
        {"error": "invalid_grant", "error_description": "unknown or used code"},
    )
    late = code_of(authorize(auth)[1])
    clock.now += 301
    assert exchange(auth, late)[1]["error"] == "invalid_grant"


def test_a_refresh_token_used_twice_ends_the_login(auth: AuthServer) -> None:
    entry = auth.log_in(auth.users[0])
    status, first = renew(auth, entry["refreshToken"])
    assert status == 200
    assert first["refresh_token"] != entry["refreshToken"]
    assert auth.accepts(entry["accessToken"])
    assert auth.accepts(first["access_token"])
    assert auth.can_refresh(first["refresh_token"])
    assert not auth.can_refresh(entry["refreshToken"])
    assert renew(auth, entry["refreshToken"])[1] == {
        "error": "invalid_grant",
        "error_description": "used twice",
    }
    assert renew(auth, first["refresh_token"])[0] == 400
    assert not auth.accepts(first["access_token"])
    assert not auth.can_refresh(first["refresh_token"])


def test_refreshing_does_not_prolong_the_login(auth: AuthServer, clock: Clock) -> None:
    token = auth.log_in(auth.users[0])["refreshToken"]
    clock.now += 29 * 86400
    _, grant = renew(auth, token)
    assert grant["refresh_token_expires_in"] == 86400
    clock.now += 86400
    assert renew(auth, grant["refresh_token"])[1]["error_description"] == "the login is over"


def test_more_rights_than_granted_are_refused_and_cost_nothing(auth: AuthServer) -> None:
    token = auth.log_in(auth.users[0])["refreshToken"]
    assert renew(auth, token, scope="org:create_api_key")[1]["error"] == "invalid_scope"
    assert renew(auth, token, scope="user:inference")[0] == 200


def test_a_refused_request_spends_nothing_a_lost_answer_does(auth: AuthServer) -> None:
    token = auth.log_in(auth.users[0])["refreshToken"]
    auth.script.once(Fault.status(429, retry_after=7), path=TOKEN_PATH)
    assert renew(auth, token)[0] == 429
    assert auth.can_refresh(token)
    assert auth.calls == ()
    auth.script.once(Fault.no_head(), path=TOKEN_PATH)
    with pytest.raises(ConnectionError):
        renew(auth, token)
    assert not auth.can_refresh(token)
    assert auth.granted == 1


def test_logging_out_ends_the_login(auth: AuthServer) -> None:
    entry = auth.log_in(auth.users[0])
    other = auth.log_in(auth.users[1])
    assert call(auth, "POST", REVOKE_PATH, {"token": entry["refreshToken"]})[0] == 200
    assert not auth.accepts(entry["accessToken"])
    assert auth.accepts(other["accessToken"])
    auth.revoke(auth.users[1])
    assert not auth.can_refresh(other["refreshToken"])


def test_the_fake_api_takes_the_tokens_issued_here_as_long_as_they_live(clock: Clock) -> None:
    ask = {"model": "claude-opus-4-8", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}

    def served(token: str) -> int:
        headers = {"Authorization": f"Bearer {token}", "anthropic-beta": "oauth-2025-04-20"}
        return call(api, "POST", "/v1/messages", ask, **headers)[0]

    with FakeApi([], clock=clock) as api, AuthServer([FakeUser("anna")], api=api, clock=clock) as auth:
        entry = auth.log_in(auth.users[0])
        assert served(entry["accessToken"]) == 200
        clock.now += 7 * 3600
        token = renew(auth, entry["refreshToken"])[1]["access_token"]
        clock.now += 2 * 3600
        auth.expire_tokens()
        assert (served(entry["accessToken"]), served(token)) == (401, 200)
        assert renew(auth, entry["refreshToken"])[0] == 400
        assert served(token) == 401
        assert api.wait_until(lambda api: not api.live)
        assert api.log[0].account == "anna"


def test_the_same_seed_issues_the_same_tokens() -> None:
    def tokens(seed: int) -> Any:
        return AuthServer([FakeUser("anna")], seed=seed, clock=Clock()).log_in(FakeUser("anna"))

    assert tokens(1) == tokens(1) != tokens(2)


def test_a_body_that_is_not_json_and_an_unknown_path(auth: AuthServer) -> None:
    assert call(auth, "GET", "/nothing")[0] == 404
    assert call(auth, "GET", TOKEN_PATH)[0] == 404
    assert call(auth, "POST", TOKEN_PATH, [1])[0] == 400
    assert (
        call(auth, "POST", TOKEN_PATH, {}, **{"content-type": "application/x-www-form-urlencoded"})[0] == 400
    )
    assert call(auth, "GET", PROFILE_PATH, Authorization="Bearer nobody")[0] == 401
