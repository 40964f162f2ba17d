"""Whose a login is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from teamclaude.accounts.config.config import AccountConfig, Config, OAuthConfig
from teamclaude.accounts.oauth.profile import account_from_grant, add_profile
from teamclaude.accounts.oauth.token_response import TokenGrant
from teamclaude.fakeapi.fault import Fault
from tests.fakeapi.authserver import PROFILE_PATH, AuthServer
from tests.fakeapi.token_issuer import FakeUser

USER = FakeUser("ann", account_uuid="p-1", org_uuid="o-1", org_name="Acme")


@pytest.fixture
def auth() -> Iterator[AuthServer]:
    with AuthServer([USER]) as server:
        yield server


def config_of(auth: AuthServer) -> Config:
    return Config(oauth=OAuthConfig(profile_url=auth.oauth["profileUrl"]))


def token_of(auth: AuthServer) -> AccountConfig:
    return AccountConfig(name="", access_token=auth.log_in(USER)["accessToken"])


def test_a_grant_as_an_account() -> None:
    grant = TokenGrant("sk-ant-oat01-FAKE", "sk-ant-ort01-FAKE", 10.0, 20.0, "p", "a@x.org", "o", "Acme")
    account = account_from_grant(grant)
    assert (account.name, account.source, account.org_name) == ("a@x.org", "login", "Acme")
    assert (account.expires_at, account.refresh_token_expires_at) == (10.0, 20.0)
    assert account_from_grant(grant._replace(email=None)).name == ""


def test_the_profile_tells_everything(auth: AuthServer) -> None:
    account, missing = add_profile(config_of(auth), token_of(auth))
    assert missing == ""
    assert (account.name, account.account_uuid, account.org_uuid) == ("ann@example.com", "p-1", "o-1")
    assert (account.org_name, account.subscription_type) == ("Acme", "max")
    assert account.rate_limit_tier == "default_claude_max_20x"


def test_what_is_known_stays(auth: AuthServer) -> None:
    known = replace(token_of(auth), name="n", account_uuid="q", subscription_type="pro", rate_limit_tier="t")
    account, _ = add_profile(config_of(auth), known)
    assert (account.name, account.account_uuid, account.org_uuid) == ("n", "q", "o-1")
    assert (account.subscription_type, account.rate_limit_tier) == ("pro", "t")


@pytest.mark.parametrize("fault", [Fault.status(401), Fault.status(500), Fault.no_head(), Fault.html()])
def test_no_profile_is_no_error(auth: AuthServer, fault: Fault) -> None:
    auth.script.always(fault, path=PROFILE_PATH)
    before = token_of(auth)
    account, missing = add_profile(config_of(auth), before)
    assert account == before
    assert "profile endpoint" in missing
    assert "\n" not in missing
