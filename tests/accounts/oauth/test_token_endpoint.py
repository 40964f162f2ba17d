"""The token endpoint's client against the fake authorization server and its faults."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from teamclaude.accounts.config.config import Config, OAuthConfig, parse_config
from teamclaude.accounts.oauth import token_endpoint
from teamclaude.accounts.oauth.token_endpoint import (
    OutboundRoute,
    exchange_code,
    fetch_profile,
    refresh_tokens,
)
from teamclaude.accounts.oauth.token_response import read_grant, read_profile
from teamclaude.errors import LoginRefusedError, TokenEndpointUnavailableError
from teamclaude.fakeapi.api import FakeApi
from teamclaude.fakeapi.fault import Fault
from teamclaude.values import replace
from tests.fakeapi.authserver import PROFILE_PATH, AuthServer
from tests.fakeapi.token_issuer import FakeUser, challenge_of

NOW = 1_800_000_000.0
VERIFIER = "v" * 43


def clock() -> float:
    return NOW


@pytest.fixture
def auth() -> Iterator[AuthServer]:
    server = AuthServer([FakeUser("anna", org_name="Anna's")], clock=clock)
    with server:
        yield server


def config_of(auth: AuthServer) -> OAuthConfig:
    return parse_config({"oauth": auth.oauth}, "test").oauth


def code_for(auth: AuthServer) -> str:
    query = {
        "client_id": auth.client_id,
        "redirect_uri": "http://localhost:1/callback",
        "code_challenge": challenge_of(VERIFIER),
        "scope": "user:inference",
        "state": "s" * 43,
    }
    return auth.issuer.authorize(auth.users[0], query, NOW)


def test_a_code_becomes_tokens_and_a_person(auth: AuthServer) -> None:
    oauth = config_of(auth)
    code = code_for(auth)
    grant = exchange_code(oauth, code, VERIFIER, "http://localhost:1/callback", "s" * 43, clock=clock)
    assert grant.access_token.startswith("sk-ant-oat01-FAKE")
    assert grant.refresh_token is not None
    assert auth.can_refresh(grant.refresh_token)
    assert grant.expires_at == NOW + 8 * 3600
    assert grant.refresh_token_expires_at == NOW + 30 * 86400
    assert (grant.account_uuid, grant.email) == ("fake-person-anna", "anna@example.com")
    assert (grant.org_uuid, grant.org_name) == ("fake-org-anna", "Anna's")
    profile = fetch_profile(oauth, grant.access_token)
    assert (profile.email, profile.subscription_type) == ("anna@example.com", "max")
    assert (profile.org_uuid, profile.rate_limit_tier) == ("fake-org-anna", "default_claude_max_20x")
    assert "FAKE" not in repr(grant)
    with pytest.raises(LoginRefusedError, match="start the login again"):
        exchange_code(oauth, code, VERIFIER, "http://localhost:1/callback", "s" * 43)


def test_a_refresh_spends_the_token_and_says_who_we_are(auth: AuthServer) -> None:
    token = auth.log_in(auth.users[0])["refreshToken"]
    grant = refresh_tokens(config_of(auth), token, clock=clock)
    assert grant.refresh_token not in (None, token)
    assert auth.calls[0].user_agent == OAuthConfig().user_agent
    oauth = replace(config_of(auth), user_agent="other/1")
    refresh_tokens(oauth, grant.refresh_token or "")
    assert auth.calls[1].user_agent == "other/1"


REFUSED = [
    Fault.status(400, body=b'{"error":"invalid_grant"}'),
    Fault.status(400, body=b'{"error":{"type":"invalid_grant","message":"FAKE"}}'),
    Fault.status(401),
    Fault.status(403),
    Fault.status(403, body=b""),
]


@pytest.mark.parametrize("fault", REFUSED)
def test_refusals_that_need_a_new_login(auth: AuthServer, fault: Fault) -> None:
    auth.script.once(fault)
    with pytest.raises(LoginRefusedError, match="log in again") as caught:
        refresh_tokens(config_of(auth), "sk-ant-ort01-FAKEx")
    assert "FAKE" not in str(caught.value)
    assert "\n" not in str(caught.value)


# fault, whether the token may be spent, words
BUSY: list[tuple[Fault, bool, str]] = [
    (Fault.status(429), False, "oauth.userAgent"),
    (Fault.status(400, body=b'{"error":"invalid_scope"}'), False, "400 invalid_scope"),
    (Fault.status(400, body=b'{"error":"sk-ant-ort01-FAKEx"}'), False, r"failed \(400\)"),
    (Fault.status(404), False, "404"),
    (Fault.html(403), False, "403"),
    (Fault.status(302, headers={"location": "http://127.0.0.1:1/"}), False, "302"),
    (Fault.status(500), True, "500"),
    (Fault.overloaded(), True, "529"),
    (Fault.html(200), True, "not in JSON"),
    (Fault.status(200, body=b"[]"), True, "not in JSON"),
    (Fault.status(200, body=b'{"access_token":""}'), True, "without an access token"),
    (Fault.status(200, body=b'{"access_token":"a b"}'), True, "without an access token"),
    (Fault.status(200, body=b"[" * 100_000), True, "not in JSON"),
    (Fault.status(200, body=b" " * 1_100_000), True, "lost"),
    (Fault.no_head(), True, "lost"),
    (Fault.no_head("fin"), True, "lost: the connection was closed"),
    (Fault.garbage_head(), True, "lost: it is not HTTP"),
    (Fault.cut_head(20, "fin"), True, "not in JSON"),
    (Fault.cut_body(10), True, "broke off"),
]


@pytest.mark.parametrize(("fault", "spent", "words"), BUSY)
def test_failures_to_try_again_later(auth: AuthServer, fault: Fault, spent: bool, words: str) -> None:
    auth.script.once(fault)
    token = auth.log_in(auth.users[0])["refreshToken"]
    with pytest.raises(TokenEndpointUnavailableError, match=words) as caught:
        refresh_tokens(config_of(auth), token)
    assert caught.value.may_be_spent is spent
    assert "FAKE" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_silent_server_times_out(auth: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_endpoint, "TIMEOUT_SEC", 0.05)
    auth.script.once(Fault.never_answered())
    with pytest.raises(TokenEndpointUnavailableError, match="lost: no answer in") as caught:
        refresh_tokens(config_of(auth), auth.log_in(auth.users[0])["refreshToken"])
    assert caught.value.may_be_spent


def test_a_trickling_server_times_out(auth: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_endpoint, "TIMEOUT_SEC", 0.1)
    auth.script.once(Fault.small_writes(1, 0.001))
    with pytest.raises(TokenEndpointUnavailableError, match="lost"):
        refresh_tokens(config_of(auth), auth.log_in(auth.users[0])["refreshToken"])


def test_a_refused_connection_spends_nothing(auth: AuthServer) -> None:
    oauth = config_of(auth)
    auth.stop()
    with pytest.raises(TokenEndpointUnavailableError, match=r"reached: .*: Connection refused") as caught:
        refresh_tokens(oauth, "sk-ant-ort01-FAKEx")
    assert not caught.value.may_be_spent
    foreign = replace(oauth, token_url="https://nowhere.invalid/token")
    with pytest.raises(TokenEndpointUnavailableError, match="can't be reached") as caught:
        refresh_tokens(foreign, "sk-ant-ort01-FAKEx")
    assert not caught.value.may_be_spent


@pytest.mark.parametrize(
    ("value", "expected"),
    [("7", 7.0), ("0", 0.0), ("-3", 0.0), ("1e99", 86400.0), ("nan", None), ("soon", None), ("", None)],
)
def test_how_long_to_wait(auth: AuthServer, value: str, expected: float | None) -> None:
    auth.script.once(Fault.status(429, headers={"retry-after": value}))
    with pytest.raises(TokenEndpointUnavailableError) as caught:
        refresh_tokens(config_of(auth), "sk-ant-ort01-FAKEx")
    assert caught.value.pause_sec == expected


def test_how_long_to_wait_as_a_date(auth: AuthServer) -> None:
    auth.script.once(Fault.status(503, retry_after="Fri, 01 Jan 1999 00:00:00 GMT"))
    with pytest.raises(TokenEndpointUnavailableError) as caught:
        refresh_tokens(config_of(auth), "sk-ant-ort01-FAKEx")
    assert caught.value.pause_sec == 0.0


def test_a_redirect_is_not_followed(auth: AuthServer) -> None:
    with FakeApi([]) as elsewhere:
        auth.script.once(Fault.status(302, headers={"location": elsewhere.url + "/"}), path=PROFILE_PATH)
        token = auth.log_in(auth.users[0])["accessToken"]
        with pytest.raises(TokenEndpointUnavailableError):
            fetch_profile(config_of(auth), token)
        assert elsewhere.log == ()


def test_a_foreign_token_has_no_profile(auth: AuthServer) -> None:
    with pytest.raises(LoginRefusedError, match="access token is not accepted"):
        fetch_profile(config_of(auth), "sk-ant-oat01-FAKEx")


def test_the_route_can_be_a_proxy(auth: AuthServer, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def turn_away() -> None:
            for _ in range(2):
                peer, _ = listener.accept()
                with peer:
                    seen.append(peer.recv(65536))
                    peer.sendall(b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=turn_away, daemon=True).start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        oauth = OAuthConfig()  # https: a proxy sees a CONNECT and never the token
        way = OutboundRoute.from_config(Config(upstream_proxy=proxy))
        with pytest.raises(TokenEndpointUnavailableError, match="407") as caught:
            refresh_tokens(oauth, "sk-ant-ort01-FAKEx", route=way)
        assert not caught.value.may_be_spent
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        with pytest.raises(TokenEndpointUnavailableError, match="407"):
            refresh_tokens(oauth, "sk-ant-ort01-FAKEx")
    asked = [data.split(b" HTTP/1.")[0] for data in seen]
    assert asked == [b"CONNECT platform.claude.com:443"] * 2
    assert not any(b"FAKE" in data for data in seen)


def test_a_variable_that_can_t_be_used_spends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "socks4://me:hunter2@proxy")
    with pytest.raises(TokenEndpointUnavailableError, match="https_proxy: socks4:// is not spoken") as caught:
        refresh_tokens(OAuthConfig(), "sk-ant-ort01-FAKEx")
    assert not caught.value.may_be_spent
    assert "hunter2" not in str(caught.value)


def test_an_invalid_certificate_file_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "ca.pem"
    bad.write_text("nothing")
    for path in (str(bad), str(tmp_path / "missing.pem")):
        with pytest.raises(TokenEndpointUnavailableError, match=f"upstreamCaFile {path} can't be used"):
            refresh_tokens(OAuthConfig(), "sk-ant-ort01-FAKEx", route=OutboundRoute(ca_file=path))


# --- reading answers ------------------------------------------------------------------------------


@pytest.mark.parametrize("odd", [None, "8h", -1, 0, True, float("nan"), float("inf"), []])
def test_an_odd_lifetime_does_not_cost_the_login(odd: Any) -> None:
    grant = read_grant({"access_token": "a", "expires_in": odd, "refresh_token_expires_in": odd}, NOW)
    assert grant.expires_at == NOW + 3600
    assert grant.refresh_token_expires_at is None


@pytest.mark.parametrize(
    ("told", "life"),
    [(240, 240), (240.5, 240.5), ("240", 240), (10, 10), (9.9, 3600), (1, 3600), ("1e999", 3600)],
)
def test_how_long_an_access_token_lives(told: Any, life: float) -> None:
    grant = read_grant({"access_token": "a", "expires_in": told}, NOW)
    assert grant.expires_at == NOW + life
    assert grant.issued_at == NOW


@pytest.mark.parametrize("huge", [1e300, 10**400, "1e300"])
def test_an_endless_lifetime_is_ten_years(huge: Any) -> None:
    assert read_grant({"access_token": "a", "expires_in": huge}, NOW).expires_at == NOW + 10 * 365 * 86400


def test_missing_fields_are_none() -> None:
    odd = {
        "access_token": "a",
        "refresh_token": 7,
        "account": [],
        "organization": {"uuid": "", "name": "a\nb"},
    }
    grant = read_grant(odd, NOW)
    assert (grant.refresh_token, grant.account_uuid, grant.org_uuid, grant.org_name) == (
        None,
        None,
        None,
        "a b",
    )
    assert read_grant({"access_token": "a", "expires_in": 1e300}, NOW).expires_at < 253_402_300_799


def test_a_login_without_an_end_lasts_thirty_days() -> None:
    assert (
        read_grant({"access_token": "a"}, NOW, login_lifetime=30 * 86400).refresh_token_expires_at
        == NOW + 2592000
    )


@pytest.mark.parametrize(
    ("account", "organization", "plan"),
    [
        ({}, {"organization_type": "claude_team"}, "team"),
        ({"has_claude_max": True, "has_claude_pro": True}, {"organization_type": "other"}, "max"),
        ({"has_claude_pro": True}, {}, "pro"),
        ({}, {"organization_type": "claude_"}, None),
        ({}, {}, None),
    ],
)
def test_the_plan_in_a_profile(account: Any, organization: Any, plan: str | None) -> None:
    assert read_profile({"account": account, "organization": organization}).subscription_type == plan
