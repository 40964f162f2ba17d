from __future__ import annotations

import hmac
from typing import Callable, Literal

import pytest

from teamclaude.accounts.config import ClientKey, ProxyConfig
from teamclaude.errors import BadRequest, ConfigError, Forbidden, Misdirected, TeamClaudeError, Unauthorized
from teamclaude.proxy import entry
from teamclaude.proxy.entry import Door, Visitor
from teamclaude.proxy.head import RequestHead

KEY = "tc-FAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE"
ALICE = "tc-alice-FAKE"
FOREIGN = "sk-ant-oat01-FAKE"
HOST = ("Host", "localhost:3456")
PROXY = Visitor(None, True)
EXEMPT = Visitor(None, False)


def head(*fields: tuple[str, str], host: tuple[str, str] = HOST, method: str = "POST") -> RequestHead:
    return RequestHead(method, "/v1/messages", 1, [host, *fields])


def bare(*fields: tuple[str, str], minor: int = 1) -> RequestHead:
    return RequestHead("POST", "/v1/messages", minor, list(fields))


def door(trust_loopback: Literal[True, False, "any"] = True, host: str = "localhost") -> Door:
    return Door(
        ProxyConfig(
            host=host, api_key=KEY, clients=(ClientKey("alice", ALICE),), trust_loopback=trust_loopback
        )
    )


def yes() -> bool | None:
    return True


def no() -> bool | None:
    return False


def unknown() -> bool | None:
    return None


def never_asked() -> bool | None:
    raise AssertionError("a key decides without a look at the peer's owner")


REMOTE = "10.0.0.7"


# --- keys -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "field",
    [
        ("x-teamclaude-key", KEY),
        ("X-TeamClaude-Key", KEY),
        ("x-api-key", KEY),
        ("Authorization", f"Bearer {KEY}"),
        ("authorization", f"bearer  {KEY} "),
    ],
)
def test_the_proxy_key_opens_in_each_field_from_anywhere(field: tuple[str, str]) -> None:
    assert door().admit(head(field), REMOTE, never_asked) == PROXY


def test_a_client_key_opens_under_its_name() -> None:
    assert door().admit(head(("x-api-key", ALICE)), REMOTE, never_asked) == Visitor("alice", True)


def test_our_key_counts_beside_a_foreign_token() -> None:
    fields = ("Authorization", f"Bearer {FOREIGN}"), ("x-api-key", "other"), ("x-teamclaude-key", ALICE)
    assert door().admit(head(*fields), REMOTE, never_asked) == Visitor("alice", True)


@pytest.mark.parametrize(
    "fields",
    [
        (),
        (("x-teamclaude-key", KEY[:-1]),),
        (("x-teamclaude-key", KEY + "x"),),
        (("x-teamclaude-key", KEY.lower()),),
        (("x-teamclaude-key", ""),),
        (("Authorization", KEY),),
        (("Authorization", f"Basic {KEY}"),),
        (("Authorization", "Bearer"),),
        (("Authorization", f"Bearer {FOREIGN}"),),
        (("Cookie", f"x-teamclaude-key={KEY}"),),
        (("x-api-key", "schl\xfcssel"),),
    ],
)
def test_no_key_or_a_wrong_one_from_elsewhere_is_refused_with_both_ways_to_pass_it(
    fields: tuple[tuple[str, str], ...],
) -> None:
    with pytest.raises(Unauthorized) as refusal:
        door().admit(head(*fields), REMOTE, never_asked)
    assert "Authorization: Bearer" in str(refusal.value)
    assert "x-teamclaude-key" in str(refusal.value)
    assert KEY not in str(refusal.value)
    assert (refusal.value.status, refusal.value.kind) == (401, "authentication_error")


@pytest.mark.parametrize("unset", ["", None])
@pytest.mark.parametrize("field", [("x-api-key", ""), ("Authorization", "Bearer "), ("x-api-key", "None")])
def test_a_key_that_is_not_set_opens_to_nobody(unset: str | None, field: tuple[str, str]) -> None:
    keyless = Door(ProxyConfig(api_key=unset, clients=(ClientKey("bob", ""),)))
    with pytest.raises(Unauthorized):
        keyless.admit(head(field), REMOTE, no)


def test_a_key_that_is_not_ascii_is_compared_as_its_bytes_on_the_wire() -> None:
    wire = "schlüssel".encode().decode("latin-1")
    german = Door(ProxyConfig(api_key="schlüssel"))
    assert german.admit(head(("x-api-key", wire)), REMOTE, never_asked) == PROXY


def test_every_candidate_is_compared_with_every_key_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    digest = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return digest(a, b)

    monkeypatch.setattr(entry.hmac, "compare_digest", watched)
    fields = ("x-teamclaude-key", KEY), ("x-api-key", "wrong"), ("Authorization", f"Bearer {FOREIGN}")
    assert door().admit(head(*fields), REMOTE, never_asked) == PROXY
    keys, candidates = {KEY.encode(), ALICE.encode()}, {KEY.encode(), b"wrong", FOREIGN.encode()}
    assert set(compared) == {(candidate, key) for candidate in candidates for key in keys}


def test_a_match_counts_only_if_the_constant_time_comparison_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry.hmac, "compare_digest", lambda a, b: False)
    with pytest.raises(Unauthorized):
        door().admit(head(("x-api-key", KEY)), REMOTE, no)


@pytest.mark.parametrize(
    ("value", "ours"),
    [
        (KEY, True),
        (f"Bearer {KEY}", True),
        (f"  bearer {ALICE}", True),
        (FOREIGN, False),
        (f"Bearer {FOREIGN}", False),
        ("", False),
        ("Bearer ", False),
    ],
)
def test_our_own_keys_are_told_from_a_clients_credentials(value: str, ours: bool) -> None:
    assert door().is_proxy_secret(value) is ours
    assert not Door(ProxyConfig()).is_proxy_secret(value)


# --- the loopback exemption -------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_our_own_user_on_loopback_needs_no_key(peer: str) -> None:
    assert door().admit(head(), peer, yes) == EXEMPT


@pytest.mark.parametrize("field", [("Authorization", f"Bearer {FOREIGN}"), ("x-api-key", FOREIGN)])
def test_a_claude_logins_own_token_does_not_shut_the_exempt_out(field: tuple[str, str]) -> None:
    assert door().admit(head(field), "127.0.0.1", yes) == EXEMPT


def test_the_first_fetch_mode_header_of_a_node_client_is_no_browser() -> None:
    node = ("sec-fetch-mode", "cors"), ("accept-language", "*")
    assert door().admit(head(*node), "127.0.0.1", yes) == EXEMPT


@pytest.mark.parametrize(
    ("trust", "peer", "same_user", "exempt"),
    [
        (True, "127.0.0.1", yes, True),
        (True, "127.0.0.1", no, False),
        (True, "127.0.0.1", unknown, False),
        ("any", "127.0.0.1", yes, True),
        ("any", "127.0.0.1", unknown, True),
        ("any", "127.0.0.1", no, False),
        (False, "127.0.0.1", yes, False),
        (True, REMOTE, yes, False),
        ("any", REMOTE, yes, False),
        ("any", "::ffff:10.0.0.7", yes, False),
        ("any", "", yes, False),
    ],
)
def test_the_exemption_table(
    trust: Literal[True, False, "any"], peer: str, same_user: Callable[[], bool | None], exempt: bool
) -> None:
    if exempt:
        assert door(trust).admit(head(), peer, same_user) == EXEMPT
    else:
        with pytest.raises(Unauthorized):
            door(trust).admit(head(), peer, same_user)


@pytest.mark.parametrize("trust", [True, "any"])
@pytest.mark.parametrize(
    "field",
    [
        ("Forwarded", "for=10.0.0.7"),
        ("X-Forwarded-For", "10.0.0.7"),
        ("x-forwarded-for", ""),
        ("X-Real-IP", "10.0.0.7"),
        ("X-Forwarded-Host", "proxy.lan"),
        ("Via", "1.1 gate"),
        ("Sec-Fetch-Site", "none"),
        ("Sec-Fetch-Site", "same-origin"),
    ],
)
def test_a_forwarded_request_or_a_browsers_needs_the_key(
    trust: Literal[True, False, "any"], field: tuple[str, str]
) -> None:
    with pytest.raises(Unauthorized):
        door(trust).admit(head(field), "127.0.0.1", yes)
    assert door(trust).admit(head(field, ("x-api-key", KEY)), "127.0.0.1", never_asked) == PROXY


@pytest.mark.parametrize(
    ("fields", "same_user", "reason"),
    [
        ((("X-Real-IP", "1.2.3.4"),), yes, "forwarded"),
        ((("Sec-Fetch-Site", "none"),), yes, "browser"),
        ((), no, "another user"),
        ((), unknown, 'trustLoopback "any"'),
    ],
)
def test_the_refusal_says_why_loopback_was_not_enough(
    fields: tuple[tuple[str, str], ...], same_user: Callable[[], bool | None], reason: str
) -> None:
    with pytest.raises(Unauthorized, match=reason):
        door().admit(head(*fields), "127.0.0.1", same_user)


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
]
NOT_OURS = [
    "evil.example",
    "localhost.evil.example:3456",
    "127.0.0.1.evil.example",
    "xlocalhost",
    "proxy.lan.evil.example",
    "10.0.0.1:3456",
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


def guarded() -> Door:
    names = ("team.example", "other.example:1", "fd00::5", "fe80::7%eth0", "192.168.1.9")
    return Door(ProxyConfig(host="proxy.lan", api_key=KEY, allowed_hosts=names))


@pytest.mark.parametrize("host", OURS)
def test_a_host_of_ours(host: str) -> None:
    assert guarded().admit(head(host=("host", host)), "127.0.0.1", yes) == EXEMPT


@pytest.mark.parametrize(
    ("host", "error"), [(h, Misdirected) for h in NOT_OURS] + [(h, BadRequest) for h in MALFORMED]
)
def test_another_host_or_none_that_makes_sense(host: str, error: type[TeamClaudeError]) -> None:
    for fields in ((), (("x-api-key", KEY),)):
        with pytest.raises(error) as refusal:
            guarded().admit(head(*fields, host=("Host", host)), "127.0.0.1", yes)
        assert refusal.value.status == (421 if error is Misdirected else 400)


def test_a_refused_host_says_where_to_allow_it() -> None:
    with pytest.raises(Misdirected, match=r"evil\.example.*allowedHosts"):
        guarded().admit(head(host=("Host", "Evil.example:3456")), "127.0.0.1", yes)


@pytest.mark.parametrize("bind", ["0.0.0.0", "::", "[::]", ""])
def test_a_wildcard_address_is_nobodys_name(bind: str) -> None:
    for host in ("0.0.0.0:3456", "[::]:3456"):
        with pytest.raises(Misdirected):
            door(host=bind).admit(head(host=("Host", host)), "127.0.0.1", yes)


def test_exactly_one_host() -> None:
    with pytest.raises(BadRequest):
        door().admit(bare(), "127.0.0.1", yes)
    with pytest.raises(BadRequest):
        door().admit(head(HOST), "127.0.0.1", yes)
    assert door().admit(bare(minor=0), "127.0.0.1", yes) == EXEMPT
    with pytest.raises(BadRequest):
        door().admit(bare(HOST, HOST, minor=0), "127.0.0.1", yes)


@pytest.mark.parametrize("entry_", ["*.lan", "http://proxy.lan", "", "a b"])
def test_a_configured_host_that_cannot_be_one_is_named(entry_: str) -> None:
    with pytest.raises(ConfigError, match=r"proxy\.allowedHosts"):
        Door(ProxyConfig(allowed_hosts=(entry_,)))


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
        lambda: door("any").admit(head(*fields), "127.0.0.1", yes),
        lambda: door("any").knock(head(*fields)),
    ):
        with pytest.raises(Forbidden) as refusal:
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
    assert door().admit(head(*fields, host=("Host", host)), "127.0.0.1", never_asked) == PROXY


def test_an_http_1_0_client_without_host_has_no_own_page() -> None:
    with pytest.raises(Forbidden):
        door().admit(bare(SELF, KEYED, minor=0), "127.0.0.1", yes)


# --- endpoints open to all ----------------------------------------------------------------------------


def test_an_open_endpoint_needs_no_key_but_still_our_name() -> None:
    assert door().knock(head()) == EXEMPT
    assert door().knock(head(("x-api-key", ALICE))) == Visitor("alice", True)
    with pytest.raises(Misdirected):
        door().knock(head(host=("Host", "evil.example")))
