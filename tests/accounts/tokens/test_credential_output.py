"""What a credentialCommand prints: credentials, and everything else that programs print."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.accounts.tokens.credential_output import MAX_OUTPUT_BYTES, parse_credential
from teamclaude.errors import TeamClaudeError

KEY, TOKEN = "sk-ant-api03-SECRETkey", "sk-ant-oat01-SECRETtoken"


def problem(output: Any, kind: str = "apikey") -> str:
    with pytest.raises(TeamClaudeError) as caught:
        parse_credential(output if isinstance(output, bytes) else json.dumps(output).encode(), kind)
    text = str(caught.value)
    assert "\n" not in text
    assert "SECRET" not in text
    return text


@pytest.mark.parametrize("around", ["{}", "{}\n", "{}\r\n", "\ufeff{}\n\n", "  {}\t", "{}\0"])
def test_a_credential_alone(around: str) -> None:
    assert parse_credential(around.format(KEY).encode(), "apikey").tokens == (KEY, None)
    assert parse_credential(around.format(TOKEN).encode(), "oauth").tokens == (TOKEN, None)


def test_a_key_of_another_make() -> None:
    assert parse_credential(b"gateway-key-1", "apikey").access_token == "gateway-key-1"


@pytest.mark.parametrize(
    ("raw", "kind", "expected"),
    [
        ({"apiKey": KEY}, "apikey", (KEY, None)),
        ({"api_key": KEY, "more": {"x": 1}, "expiresAt": None}, "apikey", (KEY, None)),
        ({"accessToken": TOKEN, "expiresAt": 1_800_000_000_000}, "oauth", (TOKEN, 1.8e9)),
        ({"access_token": TOKEN, "expires_at": "2027-01-15T08:00:00Z"}, "oauth", (TOKEN, 1.8e9)),
        ({"accessToken": TOKEN, "refreshToken": None, "expiresAt": "soon"}, "oauth", (TOKEN, None)),
    ],
)
def test_json(raw: Any, kind: str, expected: Any) -> None:
    pair = parse_credential(json.dumps(raw, indent=1).encode(), kind)
    assert (pair.access_token, pair.expires_at) == expected
    assert pair.refresh_token is None


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (f"{KEY}\nuser: SECRET\n".encode(), "has more than one line; the credential alone is expected"),
        (b"SECRET " + KEY.encode(), "is no key or token: it contains a space"),
        (b"\x7fELF\0SECRET", "is no key or token: it contains a line break or another control"),
        (b"\x89PNG\xff\xfeSECRET", "is no key or token: it contains"),
        ("SECRETé".encode(), "is no key or token: it contains a space or a character outside ASCII"),
        (b"S" * (MAX_OUTPUT_BYTES + 1), "is longer than 64 KiB"),
        (b"S" * 9000, "is too long to be a key or token"),
        (TOKEN.encode(), 'is a setup token: the account needs "type": "oauth"'),
        (b"sk-ant-ort01-SECRET", "is a refresh token, which works once"),
        (b"sk-ant-admin01-SECRET", "is an admin key, which can't call models"),
        (b"{SECRET", "is no JSON object"),
        (b"[1]", "is no JSON object"),
        (b"[" * 60000, "is no JSON object"),
        ({"accessToken": TOKEN}, "has no apiKey"),
        ({"apiKey": 7}, "is no key or token: it is not text"),
        ({"apiKey": KEY, "refreshToken": "SECRET"}, "has a refreshToken, which works once"),
    ],
)
def test_what_is_no_credential(output: Any, text: str) -> None:
    assert problem(output).startswith(text)


def test_a_key_for_a_subscription() -> None:
    assert problem(KEY.encode(), "oauth") == 'is an API key: the account needs "type": "apikey"'
