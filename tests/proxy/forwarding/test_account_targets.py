"""Which credential is sent where, for which account."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from teamclaude.accounts.config.config import parse_config
from teamclaude.accounts.tokens.account_tokens import AccountTokens
from teamclaude.accounts.tokens.refreshers import TokenRefresher
from teamclaude.accounts.tokens.token_manager import TokenManager
from teamclaude.accounts.tokens.token_pair import TokenPair
from teamclaude.errors import ConfigError
from teamclaude.proxy.forwarding.account_targets import AccountTargets
from teamclaude.proxy.http.origin import Origin

ALICE = {
    "name": "alice",
    "accountUuid": "u1",
    "orgUuid": "o1",
    "accessToken": "sk-ant-oat01-FAKE-a",
    "priority": 2,
}
KEY = {"name": "key", "type": "apikey", "apiKey": "sk-ant-api03-FAKE", "upstream": "http://own.example:81/x/"}


def book_of(*accounts: dict[str, Any], upstream: str = "https://api.example/base") -> AccountTargets:
    config = parse_config({"upstream": upstream, "accounts": list(accounts)}, "test")
    tokens = AccountTokens(cast("TokenRefresher", None))
    tokens.adopt(TokenPair("sk-ant-oat01-FAKE-now"))
    manager = SimpleNamespace(tokens={"u1/o1": tokens})
    return AccountTargets(config, config.accounts, cast("TokenManager", manager))


def test_a_login_goes_to_the_upstream_of_all() -> None:
    book = book_of(ALICE, KEY)
    way = book.target("u1/o1")
    assert way is not None
    assert (way.name, way.credential, way.prefix) == ("alice", ("oauth", "sk-ant-oat01-FAKE-now"), "/base")
    assert way.origin == book.origin == Origin("https", "api.example", 443)
    assert way.account_uuid == "u1"


def test_an_account_s_own_upstream_is_its_alone() -> None:
    way = book_of(ALICE, KEY).target("key")
    assert way is not None
    assert (way.credential, way.origin, way.prefix) == (
        ("apikey", "sk-ant-api03-FAKE"),
        Origin("http", "own.example", 81),
        "/x",
    )


def test_names_and_keys_lead_to_each_other() -> None:
    book = book_of(ALICE, KEY)
    assert book.names() == {"u1/o1": "alice", "key": "key"}
    assert (book.key_of("alice"), book.key_of("nobody"), book.target("nobody")) == ("u1/o1", None, None)


def test_routing_learns_what_it_needs_and_no_secret() -> None:
    alice, key, off = book_of(
        ALICE, KEY, {**KEY, "name": "member", "lastResort": False, "disabled": True}
    ).specs
    assert (alice.key, alice.kind, alice.priority, alice.enabled, alice.last_resort) == (
        "u1/o1",
        "oauth",
        2,
        True,
        False,
    )
    assert (key.kind, key.last_resort, key.enabled) == ("apikey", True, True)
    assert (off.last_resort, off.enabled) == (False, False)
    assert "FAKE" not in repr([alice, key, off]) + repr(book_of(ALICE, KEY).target("key"))


def test_renewed_are_those_whose_key_changed() -> None:
    old = book_of(ALICE, KEY)
    other = {**KEY, "apiKey": "sk-ant-api03-FAKE-2"}
    new = book_of({**ALICE, "accessToken": "sk-ant-oat01-FAKE-b"}, other, {**KEY, "name": "new"})
    assert new.changed_api_keys(old) == ["key"]
    assert old.changed_api_keys(old) == []


@pytest.mark.parametrize("upstream", ["nothing", "https://x/?q=1"])
def test_an_invalid_base_url_is_an_error(upstream: str) -> None:
    with pytest.raises(ConfigError):
        book_of(ALICE, upstream=upstream)
    with pytest.raises(ConfigError):
        book_of({**KEY, "upstream": upstream})
