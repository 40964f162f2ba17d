from __future__ import annotations

import hmac
from typing import Callable, Literal

import pytest

from teamclaude.accounts.config.config import ClientKey, ProxyConfig
from teamclaude.errors import UnauthorizedError
from teamclaude.proxy.http.head import RequestHead
from teamclaude.proxy.messages.access import AccessPolicy, Caller

KEY = "tc-FAKEFAKEFAKEFAKEFAKEFAKEFAKEFAKE"
ALICE = "tc-alice-FAKE"
FOREIGN = "sk-ant-oat01-FAKE"
HOST = ("Host", "localhost:3456")
PROXY = Caller(None, True, "operator")
EXEMPT = Caller(None, False, "operator")


def head(*fields: tuple[str, str], host: tuple[str, str] = HOST, method: str = "POST") -> RequestHead:
    return RequestHead(method, "/v1/messages", 1, [host, *fields])


def policy(trust_loopback: Literal[True, False, "any"] = True, host: str = "localhost") -> AccessPolicy:
    return AccessPolicy(
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
    assert policy().authorize(head(field), REMOTE, never_asked) == PROXY


def test_a_client_key_opens_under_its_name() -> None:
    assert policy().authorize(head(("x-api-key", ALICE)), REMOTE, never_asked) == Caller(
        "alice", True, "client"
    )


def test_our_key_counts_beside_a_foreign_token() -> None:
    fields = ("Authorization", f"Bearer {FOREIGN}"), ("x-api-key", "other"), ("x-teamclaude-key", ALICE)
    assert policy().authorize(head(*fields), REMOTE, never_asked) == Caller("alice", True, "client")


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
    with pytest.raises(UnauthorizedError) as refusal:
        policy().authorize(head(*fields), REMOTE, never_asked)
    assert "Authorization: Bearer" in str(refusal.value)
    assert "x-teamclaude-key" in str(refusal.value)
    assert KEY not in str(refusal.value)
    assert (refusal.value.status, refusal.value.kind) == (401, "authentication_error")


@pytest.mark.parametrize("unset", ["", None])
@pytest.mark.parametrize("field", [("x-api-key", ""), ("Authorization", "Bearer "), ("x-api-key", "None")])
def test_a_key_that_is_not_set_authorizes_nobody(unset: str | None, field: tuple[str, str]) -> None:
    keyless = AccessPolicy(ProxyConfig(api_key=unset, clients=(ClientKey("bob", ""),)))
    with pytest.raises(UnauthorizedError):
        keyless.authorize(head(field), REMOTE, no)


def test_a_key_that_is_not_ascii_is_compared_as_its_bytes_on_the_wire() -> None:
    wire = "schlüssel".encode().decode("latin-1")
    german = AccessPolicy(ProxyConfig(api_key="schlüssel"))
    assert german.authorize(head(("x-api-key", wire)), REMOTE, never_asked) == PROXY


def test_every_candidate_is_compared_with_every_key_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    digest = hmac.compare_digest

    def watched(a: bytes, b: bytes) -> bool:
        compared.append((a, b))
        return digest(a, b)

    monkeypatch.setattr(hmac, "compare_digest", watched)
    fields = ("x-teamclaude-key", KEY), ("x-api-key", "wrong"), ("Authorization", f"Bearer {FOREIGN}")
    assert policy().authorize(head(*fields), REMOTE, never_asked) == PROXY
    keys, candidates = {KEY.encode(), ALICE.encode()}, {KEY.encode(), b"wrong", FOREIGN.encode()}
    assert set(compared) == {(candidate, key) for candidate in candidates for key in keys}


def test_a_match_counts_only_if_the_constant_time_comparison_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: False)
    with pytest.raises(UnauthorizedError):
        policy().authorize(head(("x-api-key", KEY)), REMOTE, no)


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
def test_our_own_keys_are_distinguished_from_a_clients_credentials(value: str, ours: bool) -> None:
    assert policy().is_proxy_secret(value) is ours
    assert not AccessPolicy(ProxyConfig()).is_proxy_secret(value)


# --- the loopback exemption -------------------------------------------------------------------------


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.3.2.1", "::1", "::ffff:127.0.0.1"])
def test_our_own_user_on_loopback_needs_no_key(peer: str) -> None:
    assert policy().authorize(head(), peer, yes) == EXEMPT


@pytest.mark.parametrize("field", [("Authorization", f"Bearer {FOREIGN}"), ("x-api-key", FOREIGN)])
def test_a_claude_logins_own_token_does_not_shut_the_exempt_out(field: tuple[str, str]) -> None:
    assert policy().authorize(head(field), "127.0.0.1", yes) == EXEMPT


def test_the_first_fetch_mode_header_of_a_node_client_is_no_browser() -> None:
    node = ("sec-fetch-mode", "cors"), ("accept-language", "*")
    assert policy().authorize(head(*node), "127.0.0.1", yes) == EXEMPT


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
        assert policy(trust).authorize(head(), peer, same_user) == EXEMPT
    else:
        with pytest.raises(UnauthorizedError):
            policy(trust).authorize(head(), peer, same_user)


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
    with pytest.raises(UnauthorizedError):
        policy(trust).authorize(head(field), "127.0.0.1", yes)
    assert policy(trust).authorize(head(field, ("x-api-key", KEY)), "127.0.0.1", never_asked) == PROXY


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
    with pytest.raises(UnauthorizedError, match=reason):
        policy().authorize(head(*fields), "127.0.0.1", same_user)


def test_the_names_that_a_request_without_a_key_may_use() -> None:
    access = AccessPolicy(ProxyConfig(host="box.lan", allowed_hosts=("*.example", "other")))
    names = ("localhost", "Box.LAN.", "a.example", "other", "example", "evil.lan", "")
    assert [name for name in names if access.accepts_name(name)] == list(names[:4])
