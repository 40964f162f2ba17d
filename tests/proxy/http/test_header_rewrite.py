from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from teamclaude.accounts.oauth import usage_endpoint
from teamclaude.errors import TeamClaudeError
from teamclaude.fakeapi import api_endpoints
from teamclaude.proxy.http.framing import BodyKind, Framing
from teamclaude.proxy.http.head import RequestHead, parse_request_head
from teamclaude.proxy.http.header_rewrite import (
    OAUTH_BETA,
    Credential,
    client_response_headers,
    framing_for_client,
    header_value,
    render_request,
    render_response,
    token_request_headers,
    upstream_request_headers,
)
from teamclaude.proxy.http.response_head import parse_response_head

OURS = "tc-FAKE-proxy-key"
THEIRS = "sk-ant-oat01-FAKE-client"
POOLED = "sk-ant-oat01-FAKE-account"
OAUTH = Credential("oauth", POOLED)
APIKEY = Credential("apikey", "sk-ant-api03-FAKE-account")
CLIENT = Credential("client")
NONE = Framing(BodyKind.NONE)
CHUNKED = Framing(BodyKind.CHUNKED)
UNTIL_CLOSE = Framing(BodyKind.UNTIL_CLOSE)
HOST = "api.anthropic.com"


def length(n: int) -> Framing:
    return Framing(BodyKind.LENGTH, n)


def up(
    *headers: tuple[str, str], credential: Credential = OAUTH, body: Framing = NONE
) -> list[tuple[str, str]]:
    head = RequestHead("POST", "/v1/messages", 1, list(headers))
    return upstream_request_headers(head, credential, HOST, body, lambda value: value.endswith(OURS))


def down(
    *headers: tuple[str, str],
    status: int = 200,
    body: Framing = CHUNKED,
    extra: Sequence[tuple[str, str]] = (),
) -> list[tuple[str, str]]:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = parse_response_head(f"HTTP/1.1 {status} \r\n{lines}\r\n".encode("latin-1"))
    return client_response_headers(head, body, extra)


def test_forwarded_request_fields_keep_order_case_and_duplicates():
    passed = [
        ("Accept", "application/json"),
        ("X-Claude-Code-Session-Id", "34c334ad"),
        ("x-stainless-OS", "Linux"),
        ("anthropic-beta", f"a,{OAUTH_BETA}"),
        ("X-Two", "1"),
        ("Accept-Encoding", "deflate,gzip ;q=1"),
        ("x-two", "2"),
        ("X-Forwarded", "another field"),
    ]
    assert up(*passed) == [("Host", HOST), *passed, ("Authorization", f"Bearer {POOLED}")]


DROPPED = [
    ("Host", "127.0.0.1:3456"),
    ("Content-Length", "12"),
    ("Cookie", "a=b"),
    ("Expect", "100-continue"),
    ("X-TeamClaude-Key", OURS),
    ("x-teamclaude-account", "alice"),
    ("Proxy-Authorization", "Basic eA=="),
    ("Proxy-Foo", "x"),
    ("Connection", "keep-alive, X-Named"),
    ("X-Named", "x"),
    ("Keep-Alive", "timeout=5"),
    ("TE", "trailers"),
    ("Trailer", "x"),
    ("Transfer-Encoding", "chunked"),
    ("Upgrade", "h2c"),
    ("X-Forwarded-For", "10.0.0.1"),
    ("x-forwarded-host", "pool.example"),
    ("Forwarded", "for=10.0.0.1"),
    ("X-Real-IP", "10.0.0.1"),
]


@pytest.mark.parametrize("credential", [OAUTH, APIKEY, CLIENT], ids=repr)
def test_fields_that_are_never_forwarded(credential):
    names = [name for name, _ in up(*DROPPED, ("kept", "yes"), credential=credential)]
    assert names[:2] == ["Host", "kept"]
    assert not {name.lower() for name in names[1:]} & {name.lower() for name, _ in DROPPED}
    assert ("Host", HOST) in up(*DROPPED)


@pytest.mark.parametrize("credential", [OAUTH, APIKEY], ids=repr)
def test_no_client_credential_is_sent_beside_an_account_s(credential):
    sent = up(
        ("Authorization", f"Bearer {THEIRS}"),
        ("X-API-Key", THEIRS),
        ("authorization", OURS),
        credential=credential,
    )
    assert THEIRS not in str(sent)
    assert OURS not in str(sent)
    assert str(sent).count(credential.secret) == 1


def test_an_api_key_goes_in_its_own_field_only():
    assert up(credential=APIKEY) == [("Host", HOST), ("x-api-key", APIKEY.secret)]


def test_the_clients_own_login_passes_but_never_the_proxy_key():
    sent = up(
        ("x-api-key", OURS),
        ("Authorization", f"Bearer {THEIRS}"),
        ("authorization", f"Bearer {OURS}"),
        ("X-Api-Key", THEIRS),
        ("anthropic-beta", "x"),
        credential=CLIENT,
    )
    assert sent == [
        ("Host", HOST),
        ("Authorization", f"Bearer {THEIRS}"),
        ("X-Api-Key", THEIRS),
        ("anthropic-beta", "x"),
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [OAUTH_BETA]),
        ([""], [OAUTH_BETA]),
        (["a,b"], [f"{OAUTH_BETA},a,b"]),
        ([f"a, {OAUTH_BETA} ,b"], [f"a, {OAUTH_BETA} ,b"]),
        (["a", f"b,{OAUTH_BETA}"], ["a", f"b,{OAUTH_BETA}"]),
        (["a", "b"], [f"{OAUTH_BETA},a", "b"]),
        ([f"{OAUTH_BETA}-x"], [f"{OAUTH_BETA},{OAUTH_BETA}-x"]),
    ],
)
def test_an_oauth_token_is_sent_with_its_beta(before, after):
    sent = up(*(("Anthropic-Beta", value) for value in before))
    assert [value for name, value in sent if name.lower() == "anthropic-beta"] == after


def test_the_beta_of_oauth_is_the_same_in_the_folders_that_can_not_share_it():
    assert {OAUTH_BETA, usage_endpoint.OAUTH_BETA, api_endpoints.OAUTH_BETA} == {OAUTH_BETA}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["a,b"], ["a,b"]),
        (["a ,  b"], ["a ,  b"]),
        ([f"a, {OAUTH_BETA} ,b"], ["a,b"]),
        ([OAUTH_BETA, "a"], ["a"]),
        ([f"{OAUTH_BETA}-x"], [f"{OAUTH_BETA}-x"]),
    ],
)
def test_an_api_key_is_sent_without_the_oauth_beta(before, after):
    sent = up(*(("anthropic-beta", value) for value in before), credential=APIKEY)
    assert [value for name, value in sent if name == "anthropic-beta"] == after


ENCODINGS = [("accept-Encoding", "br"), ("x", "y"), ("Accept-Encoding", "zstd, gzip")]


@pytest.mark.parametrize("credential", [OAUTH, APIKEY], ids=repr)
def test_an_account_s_request_offers_only_codings_that_the_tap_reads(credential):
    assert up(*ENCODINGS, credential=credential)[1:3] == [("x", "y"), ("Accept-Encoding", "gzip")]
    assert ("Accept-Encoding", "br") in up(("Accept-Encoding", "br"), credential=credential)
    assert ("Accept-Encoding", "") in up(("Accept-Encoding", ""), credential=credential)
    assert not [name for name, _ in up(credential=credential) if name.lower() == "accept-encoding"]


def test_a_client_s_own_login_offers_its_own_codings():
    assert up(*ENCODINGS, credential=CLIENT)[1:] == ENCODINGS


def test_the_framing_of_a_request_is_written_anew():
    assert up(("content-length", "99"), body=length(5))[-1] == ("Content-Length", "5")
    assert up(body=length(0))[-1] == ("Content-Length", "0")
    assert up(body=CHUNKED)[-1] == ("Transfer-Encoding", "chunked")
    assert up(("content-length", "99"), credential=CLIENT) == [("Host", HOST)]


def test_a_token_request_carries_only_what_describes_it():
    head = RequestHead(
        "POST",
        "/v1/oauth/token",
        1,
        [
            ("Content-Type", "application/json"),
            ("Authorization", OURS),
            ("User-Agent", "axios"),
            ("X-Y", "z"),
        ],
    )
    assert token_request_headers(head, "platform.claude.com", length(3)) == [
        ("Host", "platform.claude.com"),
        ("Content-Type", "application/json"),
        ("User-Agent", "axios"),
        ("Content-Length", "3"),
    ]


def test_forwarded_response_fields_keep_order_case_and_duplicates():
    passed = [
        ("Date", "x"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("request-id", "req_1"),
        ("Content-Encoding", "gzip"),
        ("anthropic-ratelimit-unified-status", "allowed"),
    ]
    hop = [
        ("Connection", "close, X-Named"),
        ("x-named", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Keep-Alive", "5"),
    ]
    extra = [("x-teamclaude-account", "alice")]
    expected = [*passed, ("Transfer-Encoding", "chunked"), *extra]
    assert down(*hop, *passed, extra=extra) == expected


def test_the_upstream_can_not_set_the_proxy_s_own_fields():
    extra = [("x-teamclaude-account", "alice"), ("Connection", "close")]
    sent = down(("X-TeamClaude-Account", "mallory"), ("a", "b"), body=UNTIL_CLOSE, extra=extra)
    assert sent == [("a", "b"), *extra]


@pytest.mark.parametrize(
    ("lengths", "status", "body", "sent"),
    [
        (["7"], 200, length(7), ["7"]),
        (["007"], 200, length(7), ["7"]),
        ([], 200, length(7), ["7"]),
        (["7"], 200, CHUNKED, []),
        (["7"], 200, UNTIL_CLOSE, []),
        (["7"], 200, NONE, ["7"]),  # an answer to HEAD
        (["7"], 304, NONE, ["7"]),
        (["7"], 204, NONE, []),
        (["7"], 103, NONE, []),
        (["7", "8"], 304, NONE, []),
        (["+7"], 304, NONE, []),
        ([], 304, NONE, []),
    ],
)
def test_a_content_length_is_only_sent_when_it_is_true(lengths, status, body, sent):
    headers = down(*(("content-length", value) for value in lengths), status=status, body=body)
    assert [value for name, value in headers if name.lower() == "content-length"] == sent


def test_connection_can_not_remove_the_length():
    headers = down(("Connection", "content-length"), ("content-length", "7"), body=length(7))
    assert headers == [("Content-Length", "7")]


def test_the_framing_a_client_gets():
    new, old = RequestHead("GET", "/", 1, []), RequestHead("GET", "/", 0, [])
    for body in (NONE, length(3)):
        assert framing_for_client(body, new) == framing_for_client(body, old) == body
    for body in (CHUNKED, UNTIL_CLOSE):
        assert framing_for_client(body, new) == CHUNKED
        assert framing_for_client(body, old) == UNTIL_CLOSE


def test_rendering():
    assert render_request("GET", "/a?b", [("Host", "c"), ("x", "\xe9")]) == (
        b"GET /a?b HTTP/1.1\r\nHost: c\r\nx: \xe9\r\n\r\n"
    )
    assert render_response(429, "Too Many Requests", [("a", "b")]) == (
        b"HTTP/1.1 429 Too Many Requests\r\na: b\r\n\r\n"
    )
    assert parse_response_head(render_response(200, "", [])).reason == ""


@pytest.mark.parametrize(
    "bad", ["a\r\nb: c", "a\nb: c", "a\rb", "a\r\n", "\r\n\r\nGET /", "a\0", "\u20ac", "\ud800"]
)
def test_no_header_line_can_be_injected(bad):
    for name, value in ((bad, "x"), ("x", bad)):
        with pytest.raises(TeamClaudeError) as caught:
            render_request("GET", "/", [("ok", "1"), (name, value)])
        assert bad not in str(caught.value)
        with pytest.raises(TeamClaudeError):
            render_response(200, "OK", [(name, value)])
    with pytest.raises(TeamClaudeError):
        render_request("GET", bad, [])
    with pytest.raises(TeamClaudeError):
        render_response(200, bad, [])


@pytest.mark.parametrize(
    "name", ["alice", "Jos\xe9 \u20ac\U0001f99c", "a\r\nb: c", "100%", " x ", "\x7f\0", "\ud800"]
)
def test_any_account_name_can_be_a_header_value(name):
    value = header_value(name)
    assert render_response(200, "OK", [("x-teamclaude-account", value)]).count(b"\r\n") == 3
    assert value.isascii()
    assert value.isprintable()
    assert header_value("alice (work) <a@b.c>") == "alice (work) <a@b.c>"


def test_what_is_forwarded_parses_to_what_was_parsed():
    rng = random.Random(6)
    names = [
        "a",
        "B-c",
        "anthropic-beta",
        "X-Two",
        "connection",
        "x-api-key",
        "content-length",
        "cookie",
        "te",
    ]
    for _ in range(500):
        fields = [
            (rng.choice(names), rng.choice(["", "x", "a, b", "close", "caf\xe9", "1"])) for _ in range(8)
        ]
        head = parse_request_head(render_request("POST", "/v1/x", fields))
        assert head.headers == fields
        sent = upstream_request_headers(head, OAUTH, HOST, length(4), lambda value: False)
        again = parse_request_head(render_request("POST", "/v1/x", sent))
        assert again.headers == sent
        assert again.get_all("content-length") == ["4"]
        assert len(again.get_all("host")) == 1


def test_the_repr_of_a_credential_hides_its_secret():
    assert POOLED not in repr(OAUTH)
    assert POOLED not in str(OAUTH)
    assert POOLED not in f"{OAUTH}"
