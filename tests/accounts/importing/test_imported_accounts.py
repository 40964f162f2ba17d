"""Accounts as other programs write them."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.accounts.importing.imported_accounts import read_accounts

ANN = {"name": "ann", "accessToken": "sk-ant-oat01-FAKE", "refreshToken": "sk-ant-ort01-FAKE"}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (ANN, {"type": "oauth", "refresh_token": "sk-ant-ort01-FAKE"}),
        ({"name": "k", "type": "api_key", "apiKey": "x"}, {"type": "apikey", "api_key": "x"}),
        ({"name": "k", "apiKey": "x"}, {"type": "apikey"}),
        ({**ANN, "type": "Claude"}, {"type": "oauth"}),
        ({**ANN, "expiresAt": "2027-01-01T00:00:00Z"}, {"expires_at": 1798761600.0}),
        ({**ANN, "expiresAt": 1798761600}, {"expires_at": 1798761600.0}),
        ({**ANN, "expiresAt": "1798761600000"}, {"expires_at": 1798761600.0}),
        ({**ANN, "expiresAt": "soon"}, {"expires_at": None}),
        ({"email": "a@b", "accessToken": "x"}, {"name": "a@b"}),
        ({"accessToken": "x"}, {"name": "imported"}),
        ({"name": "n", "tokens": {"access_token": "x", "expires_at": 1798761600}}, {"access_token": "x"}),
        ({"name": "n", "claudeAiOauth": {"accessToken": "x", "scopes": []}}, {"access_token": "x"}),
        ({**ANN, "priority": 3, "disabled": True}, {"priority": 3, "disabled": True}),
    ],
)
def test_accounts_as_others_write_them(entry: Any, expected: dict[str, Any]) -> None:
    ((account,), _) = read_accounts([entry])
    assert {name: getattr(account, name) for name in expected} == expected


@pytest.mark.parametrize(
    "entry", [{**ANN, "type": "bedrock"}, {**ANN, "priority": "high"}, {"name": 3}, None]
)
def test_an_account_that_can_not_be_read_has_one_line(entry: Any) -> None:
    accounts, reports = read_accounts([entry, ANN])
    assert [account.name for account in accounts] == ["ann"]
    (line,) = map(str, reports)
    assert line.startswith("accounts[0]: ignored: ")
    assert "FAKE" not in line
