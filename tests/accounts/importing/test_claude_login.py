"""The reader of a login of Claude Code: what it takes, what it refuses, and that it fails in one line."""

from __future__ import annotations

import json
import random
import re
import sys
from typing import Any, Optional

import pytest

from teamclaude.accounts.config.json_file import encode
from teamclaude.accounts.importing.claude_login import (
    MAX_BYTES,
    LoginSource,
    is_live,
    is_renewable,
    parse_login,
    read_login,
    unusable_reason,
    write_tokens,
)
from teamclaude.errors import TeamClaudeError

NOW = 1_800_000_000.0
LOGIN: dict[str, Any] = {
    "accessToken": "sk-ant-oat01-FAKE",
    "refreshToken": "sk-ant-ort01-FAKE",
    "expiresAt": (NOW + 3600) * 1000,
}
FULL = {
    **LOGIN,
    "refreshTokenExpiresAt": (NOW + 86400) * 1000,
    "scopes": ["user:inference"],
    "subscriptionType": "max",
    "subscriptionTypeSource": "profile",
    "rateLimitTier": "default_claude_max_20x",
    "accountUuid": "p-1",
    "organizationUuid": "o-1",
}


def source(value: Any) -> LoginSource:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return LoginSource(text, "/x.json", "/x.json")


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in LOGIN.items() if name != key}


# --- what it takes ----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [{"claudeAiOauth": FULL, "mcpOAuth": {}}, FULL, [FULL]])
def test_nested_or_flat(shape: Any) -> None:
    account = read_login(source(shape), NOW)
    assert (account.name, account.type) == ("", "oauth")
    assert (account.access_token, account.refresh_token) == ("sk-ant-oat01-FAKE", "sk-ant-ort01-FAKE")
    assert (account.expires_at, account.refresh_token_expires_at) == (NOW + 3600, NOW + 86400)
    assert (account.account_uuid, account.org_uuid) == ("p-1", "o-1")
    assert (account.subscription_type, account.rate_limit_tier) == ("max", "default_claude_max_20x")


def test_the_token_endpoints_own_spelling() -> None:
    login = {
        "access_token": "sk-ant-oat01-FAKE",
        "refresh_token": "sk-ant-ort01-FAKE",
        "expires_at": NOW + 60,
    }
    account = read_login(source({**login, "token_type": "Bearer"}), NOW)
    assert account.refresh_token == "sk-ant-ort01-FAKE"
    assert account.expires_at == NOW + 60
    both = {**LOGIN, "access_token": "sk-ant-oat01-OTHER"}
    assert read_login(source(both), NOW).access_token == "sk-ant-oat01-FAKE"


ODD: list[dict[str, Any]] = [
    {"subscriptionType": None},
    {"subscriptionType": {"plan": "max"}, "rateLimitTier": 7, "accountUuid": ["p"]},
    {"scopes": "user:inference user:profile"},
    {"scopes": ["user:inference"]},
    {"scopes": None},
    {"refreshTokenExpiresAt": "soon"},
    {"clientId": "x", "acessToken": "a misspelt key", "name": {"first": "ann"}},
    {"accessToken": " sk-ant-oat01-\r\n  FAKE\n"},
]


@pytest.mark.parametrize("odd", ODD)
def test_odd_values_beside_the_tokens_do_no_harm(odd: dict[str, Any]) -> None:
    account = read_login(source({"claudeAiOauth": {**LOGIN, **odd}, "extra": [1]}), NOW)
    assert (account.access_token, account.refresh_token) == ("sk-ant-oat01-FAKE", "sk-ant-ort01-FAKE")
    assert account.account_uuid is None
    assert account.subscription_type is None
    assert account.refresh_token_expires_at is None


# An end of the access token, and how it is understood.
ENDS: list[tuple[str, Optional[float]]] = [
    ("1800003600000", NOW + 3600),
    ("1800003600", NOW + 3600),
    ('"1800003600000"', NOW + 3600),
    ('" 1800003600 "', NOW + 3600),
    ('"2027-01-15T09:00:00.000Z"', NOW + 3600),
    ("0", None),
    ("-1", None),
    ("null", None),
    ("NaN", None),
    ("-Infinity", None),
    ("1e999", None),
    ("9" * 400, None),
    ('"soon"', None),
    ("true", None),
    ("[]", None),
]


@pytest.mark.parametrize(("ends", "seconds"), ENDS)
def test_an_end_in_any_form_or_unknown(ends: str, seconds: Optional[float]) -> None:
    text = f'{{"accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE", "expiresAt": {ends}}}'
    account = read_login(source(text.encode()), NOW)
    assert account.expires_at == seconds
    assert is_live(account, NOW)


def test_a_missing_end_is_unknown() -> None:
    assert read_login(source(without("expiresAt")), NOW).expires_at is None


TEXT = json.dumps({"claudeAiOauth": FULL}, indent=2)
ENCODED = {
    "utf-8": TEXT.encode(),
    "utf-8 with a mark": TEXT.encode("utf-8-sig"),
    "utf-16 of PowerShell": b"\xff\xfe" + TEXT.replace("\n", "\r\n").encode("utf-16-le"),
    "utf-16, big endian": b"\xfe\xff" + TEXT.encode("utf-16-be"),
    "utf-16 without a mark": TEXT.encode("utf-16-le"),
    "utf-16, big endian, without a mark": TEXT.encode("utf-16-be"),
    "crlf": TEXT.replace("\n", "\r\n").encode(),
    "NULs at the end": TEXT.encode() + b"\0" * 512,
    "white space": b"\n\n " + TEXT.encode() + b" \r\n\n",
    "another code page": TEXT.replace("o-1", "\u00fc").encode("cp1252").replace(b"\\u00fc", b"\xfc"),
    "a pasted token with line breaks": TEXT.replace("oat01-FAKE", "oat01-\n   FAKE").encode(),
    "a key twice": TEXT[:-1].encode() + b', "other": 1, "other": 2}',
}


@pytest.mark.parametrize("text", list(ENCODED.values()), ids=list(ENCODED))
def test_every_encoding(text: bytes) -> None:
    account = read_login(source(text), NOW)
    assert account.access_token == "sk-ant-oat01-FAKE"
    assert account.expires_at == NOW + 3600


# --- whether it can be used ---------------------------------------------------------------------------

LAPSED = {**LOGIN, "expiresAt": (NOW - 1) * 1000}
ENDED_AT = {"refreshTokenExpiresAt": (NOW - 1) * 1000}
# The login, whether its access token lives, whether it can be renewed, and why it can't be used.
USES: list[tuple[dict[str, Any], bool, bool, str]] = [
    (LOGIN, True, True, ""),
    (LAPSED, False, True, ""),
    (without("accessToken"), False, True, ""),
    ({**LOGIN, "accessToken": None}, False, True, ""),
    ({**LOGIN, "accessToken": ""}, False, True, ""),
    (without("refreshToken"), True, False, ""),
    ({**LOGIN, "refreshToken": ""}, True, False, ""),
    ({**LOGIN, **ENDED_AT}, True, False, ""),
    ({**LAPSED, **ENDED_AT}, False, False, "this login has ended; use teamclaude login"),
    ({**LAPSED, "refreshToken": None}, False, False, "has expired, and there is no refreshToken"),
]


@pytest.mark.parametrize(("login", "live", "renewable", "said"), USES)
def test_when_a_login_can_be_used(login: dict[str, Any], live: bool, renewable: bool, said: str) -> None:
    account = parse_login(source(login))
    assert is_live(account, NOW) is live
    assert is_renewable(account, NOW) is renewable
    assert said in unusable_reason(account, NOW)
    if said:
        with pytest.raises(TeamClaudeError, match=f"^/x.json: .*{said}"):
            read_login(source(login), NOW)
    else:
        assert unusable_reason(account, NOW) == ""
        assert read_login(source(login), NOW) == account


# --- what it refuses ----------------------------------------------------------------------------------

BAD: list[tuple[Any, str]] = [
    (b"", "is empty"),
    (b" \n", "is empty"),
    (b"\0" * 512, "is empty"),
    (b"\xff\xfe", "is empty"),
    (b"{", "line 1, column 2: it ends in the middle; run claude once"),
    (TEXT[:-30].encode(), "it ends in the middle"),
    (TEXT[:40].encode(), "it ends in the middle"),
    (TEXT.encode() + b"}", "something follows the end of the JSON"),
    (TEXT.encode() * 2, "something follows the end of the JSON"),
    (b"{claudeAiOauth:{accessToken:sk-ant-oat01-FAKE}}", "its quotes are missing"),
    (b"{'accessToken': \"x\"}", "line 1, column 2: is not JSON (expecting property name"),
    (b"sk-ant-oat01-FAKE", "is a token alone, not a login in JSON: teamclaude login --token"),
    (b"export CLAUDE_CODE_OAUTH_TOKEN=sk-ant-oat01-FAKE", "is a token alone"),
    (b"what is this", "line 1, column 1: is not JSON (expecting value)"),
    ({"oauthAccount": {"emailAddress": "FAKE"}, "userID": "FAKE"}, "settings (.claude.json)"),
    (b"\xff\xfe{", "line 1, column 1: is not JSON (expecting value)"),
    (b'{"expiresAt": ' + b"9" * 9000 + b"}", "is not a JSON text" if sys.version_info >= (3, 11) else ""),
    (b"[" * 100_000, "nested too deeply"),
    (b'"' + b"x" * MAX_BYTES + b'"', "too long"),
    ([], "is a list of 0, not a login"),
    ([LOGIN, LOGIN], "is a list of 2, not a login; import takes one login at a time"),
    (7, "expected an object with accessToken"),
    ({"accounts": [LOGIN, LOGIN, LOGIN]}, "holds 3 accounts, not a login"),
    ({"claudeAiOauth": "sk-ant-oat01-FAKE"}, "claudeAiOauth: expected an object"),
    ({"claudeAiOauth": None}, "expected an object"),
    ({}, "holds no login"),
    ({"mcpOAuth": {"x": {"accessToken": "FAKE"}}}, "holds no login"),
    ({"claudeAiOauth": {}}, "holds no login"),
    ({"claudeAiOauth": {"accessToken": "", "refreshToken": "", "expiresAt": 0}}, "login there has ended"),
    ({"primaryApiKey": "sk-ant-api03-FAKE"}, "holds an API key, not a login"),
    ({"claudeAiOauth": {"apiKey": "sk-ant-api03-FAKE"}}, "holds an API key, not a login"),
    ({**LOGIN, "accessToken": "sk-ant-api03-FAKE"}, "an API key: add it with teamclaude login --api"),
    ({**LOGIN, "accessToken": "sk-ant-ort01-FAKE"}, "is a refresh token"),
    ({**LOGIN, "accessToken": "FAKE"}, "no token of Claude"),
    ({**LOGIN, "accessToken": "sk-ant-oat01 FAKE"}, "accessToken: contains a space"),
    ({**LOGIN, "accessToken": 7}, "accessToken: expected text, got a hidden number"),
    ({**LOGIN, "refreshToken": ["FAKE"]}, "refreshToken: expected text"),
    ({"claudeAiOauth": {**LOGIN, "refreshToken": True}}, "claudeAiOauth.refreshToken: expected text"),
    ({"keychainOverflow": {"slot": "a", "key": "FAKE"}}, "another item, encrypted"),
]


def one_line(caught: pytest.ExceptionInfo[TeamClaudeError]) -> str:
    text = str(caught.value)
    assert text.startswith("/x.json: ")
    assert "FAKE" not in text
    assert "\n" not in text
    assert len(text) < 260
    return text


@pytest.mark.parametrize(("value", "said"), BAD, ids=[f"{n}-{said}" for n, (_, said) in enumerate(BAD)])
def test_what_is_no_login_is_one_line(value: Any, said: str) -> None:
    with pytest.raises(TeamClaudeError) as caught:
        parse_login(source(value))
    assert said in one_line(caught)
    assert re.search(r"teamclaude (login|import)|--json -", str(caught.value))  # what to do


PIECES = [b"", b"", b'"', b"{", b"}", b"[", b"\0", b"\xff\xfe", b"\xed\xa0\x80", b"null", b"1e999", b"\r\n"]
PIECES += [b"\\u0000", b"sk-ant-api", b"\x1b[31m", b"9" * 5000]


def test_an_odd_text_is_never_a_traceback_and_never_repeated() -> None:
    """Mutations of good texts: the reader takes them or says in one line, without a secret, why not."""
    chance = random.Random(7)
    good = [*ENCODED.values(), *(json.dumps(login).encode() for login, *_ in USES)]
    taken, refusals = 0, []
    for _ in range(3000):
        text = bytearray(chance.choice(good))
        for _ in range(chance.randint(1, 4)):
            start = chance.randrange(len(text) + 1)
            text[start : start + chance.choice([0, 0, 1, 8, 200])] = chance.choice(PIECES)
        try:
            account = parse_login(source(bytes(text)))
        except TeamClaudeError as error:
            refusals.append(str(error))
        else:
            taken += 1
            assert account.access_token or account.refresh_token
            assert "FAKE" not in repr(account)
    assert [line for line in refusals if re.search(r"FAKE|\n|[^ -~]", line)] == []
    assert taken > 300
    assert len(set(refusals)) > 300


def test_the_source_shows_no_credential_in_a_traceback() -> None:
    assert repr(source(LOGIN)) == "LoginSource('/x.json')"


# --- writing it back ----------------------------------------------------------------------------------


def test_new_tokens_leave_every_other_key() -> None:
    raw = write_tokens(ENCODED["utf-16 of PowerShell"], "/x.json", {"accessToken": "NEW", "expiresAt": 1})
    assert raw == {"claudeAiOauth": {**FULL, "accessToken": "NEW", "expiresAt": 1}}
    flat = {"access_token": "sk-ant-oat01-FAKE", "expiresAt": 5, "x": {}}
    raw = write_tokens(json.dumps(flat).encode(), "/x.json", {"accessToken": "NEW", "expiresAt": 1})
    assert raw == {"access_token": "NEW", "expiresAt": 1, "x": {}}


def test_numbers_that_json_has_not_can_be_written_back() -> None:
    text = b'{"accessToken": "x", "expiresAt": NaN, "other": [1e999, -Infinity, 0.5]}'
    raw = write_tokens(text, "/x.json", {"accessToken": "NEW"})
    assert json.loads(encode(raw)) == {"accessToken": "NEW", "expiresAt": None, "other": [None, None, 0.5]}


def test_a_text_that_would_be_damaged_is_not_written_back() -> None:
    with pytest.raises(TeamClaudeError, match="is not a JSON text"):
        write_tokens(ENCODED["another code page"], "/x.json", {"accessToken": "NEW"})
