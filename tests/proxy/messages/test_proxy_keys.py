"""Which key of ours a request carries, and whether it carries another credential."""

from __future__ import annotations

import base64

import pytest

from teamclaude.accounts.config.config import ClientKey, ProxyConfig
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.messages.proxy_keys import Caller, ProxyKeys

KEY, NAMED, FOREIGN = "tc-own-key-\xfc", "tc-named-key", "sk-ant-oat01-FAKE"
KEYS = ProxyKeys(ProxyConfig(api_key=KEY, clients=(ClientKey("ci", NAMED),)))


def head(*fields: tuple[str, str]) -> RequestHead:
    return RequestHead("GET", "/", 1, list(fields))


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def wire(text: str) -> str:
    """UTF-8 bytes as a head has them: decoded as latin-1."""
    return text.encode().decode("latin-1")


@pytest.mark.parametrize("field", ["x-api-key", "X-TeamClaude-Key"])
def test_a_key_stands_in_its_field(field: str) -> None:
    assert KEYS.identify(head((field, wire(KEY)))) == Caller(None, True, "operator")
    assert KEYS.identify(head((field, NAMED))) == Caller("ci", True, "client")
    assert KEYS.identify(head((field, FOREIGN))) is None


def test_a_bearer_is_one_and_basic_is_none_for_a_plain_request() -> None:
    assert KEYS.identify(head(("Authorization", f"bearer {NAMED}"))) == Caller("ci", True, "client")
    assert KEYS.identify(head(("Authorization", basic(f"x:{NAMED}")))) is None


def test_the_first_key_that_is_ours_counts() -> None:
    fields = ("x-api-key", FOREIGN), ("Authorization", f"Bearer {NAMED}"), ("x-api-key", wire(KEY))
    assert KEYS.identify(head(*fields)) == Caller(None, True, "operator")


@pytest.mark.parametrize(
    "value",
    [basic(f"teamclaude:{NAMED}"), basic(f"{NAMED}:"), basic(f"{NAMED}:x"), basic(NAMED), f"Bearer {NAMED}"],
)
def test_a_connect_has_it_as_user_or_password(value: str) -> None:
    assert KEYS.identify_connect(head(("Proxy-Authorization", value))) == Caller("ci", True, "client")
    assert KEYS.identify_connect(head(("Authorization", value))) is None


def test_a_key_beyond_ascii_works_in_basic() -> None:
    assert KEYS.identify_connect(head(("Proxy-Authorization", basic(f"u:{KEY}")))) == Caller(
        None, True, "operator"
    )


@pytest.mark.parametrize(
    "value", ["", "Basic", "Basic !", "Basic \xff", basic("a:b:c"), f"Digest {NAMED}", NAMED]
)
def test_anything_else_is_none(value: str) -> None:
    assert KEYS.identify_connect(head(("Proxy-Authorization", value))) is None


@pytest.mark.parametrize(
    "value", [NAMED, f" {NAMED} ", f"Bearer {NAMED}", basic(f"a:{NAMED}"), basic(f"{NAMED}:")]
)
def test_a_value_is_recognised_in_every_form(value: str) -> None:
    assert KEYS.is_own(value)
    assert not KEYS.has_other(head(("Authorization", value), ("x-api-key", value)))


def test_another_credential_is_seen_beside_ours() -> None:
    assert KEYS.has_other(head(("Authorization", f"Bearer {FOREIGN}")))
    assert KEYS.has_other(head(("x-api-key", NAMED), ("Authorization", f"Bearer {FOREIGN}")))
    assert not KEYS.has_other(head(("x-teamclaude-key", NAMED)))
    assert not KEYS.is_own(f"Bearer {FOREIGN}")


def test_an_empty_key_is_none() -> None:
    nobody = ProxyKeys(ProxyConfig(api_key=""))
    assert nobody.identify(head(("x-api-key", ""))) is None
    assert nobody.identify_connect(head(("Proxy-Authorization", basic(":")))) is None
