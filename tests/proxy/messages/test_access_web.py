"""Host names and web pages: DNS rebinding and cross-site requests are refused."""

from __future__ import annotations

from typing import Literal

import pytest

from teamclaude.accounts.config.config import ClientKey, ProxyConfig
from teamclaude.errors import (
    BadRequestError,
    ConfigError,
    ForbiddenError,
    MisdirectedRequestError,
    TeamClaudeError,
)
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.messages.access import AccessPolicy, Caller

KEY = "tc-FAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE"
ALICE = "tc-alice-FAKE"
HOST = ("Host", "localhost:3456")
PROXY = Caller(None, True, "operator")
EXEMPT = Caller(None, False, "operator")
NOBODY = Caller(None, False, "")


def head(*fields: tuple[str, str], host: tuple[str, str] = HOST, method: str = "POST") -> RequestHead:
    return RequestHead(method, "/v1/messages", 1, [host, *fields])


def bare(*fields: tuple[str, str], minor: int = 1) -> RequestHead:
    return RequestHead("POST", "/v1/messages", minor, list(fields))


def policy(trust_loopback: Literal[True, False, "any"] = True, host: str = "localhost") -> AccessPolicy:
    return AccessPolicy(
        ProxyConfig(
            host=host, api_key=KEY, clients=(ClientKey("alice", ALICE),), trust_loopback=trust_loopback
        )
    )


def yes() -> bool | None:
    return True


def never_asked() -> bool | None:
    raise AssertionError("a key decides without a look at the peer's owner")


# --- Host -------------------------------------------------------------------------------------------

OURS = [
    "localhost",
    "localhost:3456",
    "LocalHost:1",
    "localhost.",
    "localhost.:3456",
    "localhost:",
    "127.0.0.1",
    "127.0.0.1:3456",
    "127.8.8.8:80",
    "[::1]",
    "[::1]:3456",
    "[0:0:0:0:0:0:0:1]:3456",
    "[::ffff:127.0.0.1]:3456",
    "proxy.lan:3456",
    "PROXY.lan.",
    "team.example",
    "team.example:9999",
    "other.example:8080",
    "[FD00:0::5]:3456",
    "[fe80::7%25eth0]:3456",
    "192.168.1.9",
    "172.17.0.2:3456",  # the address the connection came in on
    "[::ffff:172.17.0.2]:3456",
    "[::ffff:192.168.1.9]",
    "a.wild.example",
    "B.a.Wild.example.:80",
]
NOT_OURS = [
    "evil.example",
    "localhost.evil.example:3456",
    "127.0.0.1.evil.example",
    "xlocalhost",
    "proxy.lan.evil.example",
    "10.0.0.1:3456",
    "wild.example",
    "xwild.example",
    "a.wild.example.evil.example",
    "172.17.0.3",
    "0.0.0.0:3456",
    "[::]:3456",
    "[fe80::1]:3456",
    "2130706433",
    "127.1",
    "localhost..",
    ".",
]
MALFORMED = [
    "",
    ":3456",
    "a@localhost",
    "localhost:port",
    "localhost:123456",
    "localhost, evil.example",
    "local host",
    "localhost/",
    "http://localhost",
    "::1",
    "[::1",
    "[]",
    "[localhost]",
    "localhost:3456:1",
    "localhost\\@evil",
    "localhost#",
    "loc\xe4lhost",
]


def guarded() -> AccessPolicy:
    names = ("team.example", "*.wild.example", "other.example:1", "fd00::5", "fe80::7%eth0", "192.168.1.9")
    return AccessPolicy(ProxyConfig(host="proxy.lan", api_key=KEY, allowed_hosts=names))


@pytest.mark.parametrize("host", OURS)
def test_a_host_of_ours(host: str) -> None:
    assert guarded().authorize(head(host=("host", host)), "127.0.0.1", yes, "172.17.0.2") == EXEMPT


@pytest.mark.parametrize(
    ("host", "error"),
    [(h, MisdirectedRequestError) for h in NOT_OURS] + [(h, BadRequestError) for h in MALFORMED],
)
def test_another_host_or_none_that_makes_sense(host: str, error: type[TeamClaudeError]) -> None:
    for fields in ((), (("x-api-key", "wrong"),)):
        with pytest.raises(error) as refusal:
            guarded().authorize(head(*fields, host=("Host", host)), "127.0.0.1", yes, "172.17.0.2")
        assert refusal.value.status == (421 if error is MisdirectedRequestError else 400)


@pytest.mark.parametrize("host", NOT_OURS)
def test_with_a_key_any_host_will_do(host: str) -> None:
    fields = ("x-api-key", KEY), ("X-Forwarded-For", "10.0.0.7")
    assert guarded().authorize(head(*fields, host=("Host", host)), "127.0.0.1", never_asked) == PROXY


@pytest.mark.parametrize("host", MALFORMED)
def test_not_even_a_key_makes_sense_of_a_malformed_host(host: str) -> None:
    with pytest.raises(BadRequestError):
        guarded().authorize(head(("x-api-key", KEY), host=("Host", host)), "127.0.0.1", yes)


@pytest.mark.parametrize(
    ("local", "host", "ours"),
    [
        ("192.168.1.5", "192.168.1.5:3456", True),
        ("::ffff:192.168.1.5", "192.168.1.5:3456", True),
        ("192.168.1.5", "[::ffff:192.168.1.5]", True),
        ("fe80::7%eth0", "[fe80::7]:3456", True),
        ("fe80::7%eth0", "[FE80:0::7%25eth0]:3456", True),
        ("2001:db8::1", "[2001:db8:0:0::1]", True),
        ("192.168.1.5", "192.168.1.6", False),
        ("192.168.1.5", "192.168.1.5.evil.example", False),
        ("2001:db8::1", "[2001:db8::2]", False),
        ("0.0.0.0", "0.0.0.1", False),
        ("", "192.168.1.5", False),
        ("/run/socket", "run", False),
    ],
)
def test_an_address_is_ours_when_the_connection_came_in_on_it(local: str, host: str, ours: bool) -> None:
    for bind in ("0.0.0.0", "localhost"):
        asked = head(host=("Host", host))
        if ours:
            assert policy(host=bind).authorize(asked, "127.0.0.1", yes, local) == EXEMPT
        else:
            with pytest.raises(MisdirectedRequestError):
                policy(host=bind).authorize(asked, "127.0.0.1", yes, local)


def test_the_name_the_server_was_started_with_counts_beside_the_configured_one() -> None:
    started = AccessPolicy(ProxyConfig(host="configured.lan"), "Flag.lan")
    for name in ("flag.lan:3456", "configured.lan"):
        assert started.authorize(head(host=("Host", name)), "127.0.0.1", yes) == EXEMPT
    with pytest.raises(MisdirectedRequestError):
        AccessPolicy(ProxyConfig(host="configured.lan"), "0.0.0.0").check_origin(
            head(host=("Host", "0.0.0.0"))
        )


def test_a_refused_host_says_where_to_allow_it() -> None:
    with pytest.raises(MisdirectedRequestError, match=r"evil\.example.*allowedHosts"):
        guarded().authorize(head(host=("Host", "Evil.example:3456")), "127.0.0.1", yes)


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "[::]", ""])
def test_a_wildcard_address_is_no_name(bind: str) -> None:
    for host in ("0.0.0.0:3456", "[::]:3456"):
        with pytest.raises(MisdirectedRequestError):
            policy(host=bind).authorize(head(host=("Host", host)), "127.0.0.1", yes)


def test_exactly_one_host() -> None:
    with pytest.raises(BadRequestError):
        policy().authorize(bare(), "127.0.0.1", yes)
    with pytest.raises(BadRequestError):
        policy().authorize(head(HOST), "127.0.0.1", yes)
    assert policy().authorize(bare(minor=0), "127.0.0.1", yes) == EXEMPT
    with pytest.raises(BadRequestError):
        policy().authorize(bare(HOST, HOST, minor=0), "127.0.0.1", yes)


@pytest.mark.parametrize("entry_", ["*", "*.", "*lan", "*.*.lan", "a.*.lan", "http://proxy.lan", "", "a b"])
def test_a_configured_host_that_cannot_be_one_is_named(entry_: str) -> None:
    with pytest.raises(ConfigError, match=r"proxy\.allowedHosts"):
        AccessPolicy(ProxyConfig(allowed_hosts=(entry_,)))


# --- web pages --------------------------------------------------------------------------------------


def origin(value: str) -> tuple[str, str]:
    return ("Origin", value)


def site(value: str) -> tuple[str, str]:
    return ("Sec-Fetch-Site", value)


KEYED = ("x-teamclaude-key", KEY)
SELF = origin("http://localhost:3456")


@pytest.mark.parametrize(
    "fields",
    [
        (origin("https://evil.example"),),
        (origin("null"),),
        (origin(""),),
        (SELF,),
        (SELF, ("x-teamclaude-key", "wrong")),
        (site("cross-site"),),
        (site("same-site"),),
        (site("Cross-Site"),),
        (site("anything new"),),
        (site("none"), site("cross-site")),
        (origin("https://evil.example"), KEYED),
        (origin("http://localhost:8080"), KEYED),
        (origin("http://127.0.0.1:3456"), KEYED),
        (origin("http://localhost"), KEYED),
        (origin("chrome-extension://localhost:3456"), KEYED),
        (origin("http://localhost:3456.evil.example"), KEYED),
        (origin("null"), KEYED),
        (SELF, origin("https://evil.example"), KEYED),
        (SELF, site("cross-site"), KEYED),
        (site("cross-site"), KEYED),
        (site("same-site"), KEYED),
    ],
)
def test_calls_of_web_pages_are_refused(fields: tuple[tuple[str, str], ...]) -> None:
    for decide in (
        lambda: policy("any").authorize(head(*fields), "127.0.0.1", yes),
        lambda: policy("any").check_origin(head(*fields)),
    ):
        with pytest.raises(ForbiddenError) as refusal:
            decide()
        assert refusal.value.status == 403


@pytest.mark.parametrize(
    ("host", "fields"),
    [
        ("localhost:3456", (SELF, KEYED)),
        ("localhost:3456", (SELF, site("same-origin"), KEYED)),
        ("localhost:3456", (site("same-origin"), ("Authorization", f"Bearer {KEY}"))),
        ("localhost:3456", (site("none"), KEYED)),
        ("LOCALHOST:3456", (SELF, KEYED)),
        ("localhost", (origin("http://localhost"), KEYED)),
        ("localhost:443", (origin("https://localhost"), KEYED)),
        ("[::1]:3456", (origin("http://[::1]:3456"), KEYED)),
    ],
)
def test_our_own_page_with_the_key_is_served(host: str, fields: tuple[tuple[str, str], ...]) -> None:
    assert policy().authorize(head(*fields, host=("Host", host)), "127.0.0.1", never_asked) == PROXY


def test_an_http_1_0_client_without_host_has_no_own_page() -> None:
    with pytest.raises(ForbiddenError):
        policy().authorize(bare(SELF, KEYED, minor=0), "127.0.0.1", yes)


# --- endpoints open to all ----------------------------------------------------------------------------


def test_an_open_endpoint_needs_no_key_but_still_our_name() -> None:
    assert policy().check_origin(head()) == NOBODY
    assert policy().check_origin(head(("x-api-key", ALICE))) == Caller("alice", True, "client")
    with pytest.raises(MisdirectedRequestError):
        policy().check_origin(head(host=("Host", "evil.example")))


def test_health_may_be_asked_by_any_name_but_not_by_web_pages() -> None:
    balancer = ("Host", "10.1.2.3:3456")
    assert policy().check_origin(head(host=balancer), any_host=True) == NOBODY
    with pytest.raises(BadRequestError):
        policy().check_origin(head(host=("Host", "")), any_host=True)
    with pytest.raises(ForbiddenError):
        policy().check_origin(head(site("cross-site"), host=balancer), any_host=True)
