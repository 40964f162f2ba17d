"""The texts of an account's row: its tier and the state of its token."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.accounts.config.config import AccountConfig
from teamclaude.cli.account_rows import ends_soon, login_left, tier, token_state

NOW = 1_000_000.0


def account(**fields: Any) -> AccountConfig:
    return AccountConfig(name="a", **{"access_token": "sk-ant-oat01-FAKE", **fields})


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"rate_limit_tier": "default_claude_max_20x", "subscription_type": "max"}, "Max 20x"),
        ({"rate_limit_tier": "default_claude_max_5x"}, "Max 5x"),
        ({"subscription_type": "max"}, "Max"),
        ({"subscription_type": "pro"}, "Pro"),
        ({"subscription_type": "team", "rate_limit_tier": "default_raven"}, "Team"),
        ({"subscription_type": "something new"}, "something new"),
        ({}, ""),
        ({"type": "apikey", "api_key": "sk-ant-api03-FAKE"}, "API key"),
    ],
)
def test_tier(fields: dict[str, Any], expected: str) -> None:
    assert tier(account(**fields)) == expected


@pytest.mark.parametrize(
    ("fields", "auth_failed", "expected"),
    [
        ({"expires_at": NOW + 3 * 3600 + 12 * 60}, False, "valid 3h12m"),
        ({"expires_at": NOW + 299, "refresh_token": "r"}, False, "refresh due"),
        ({"expires_at": NOW - 1, "refresh_token": "r"}, False, "refresh due"),
        ({"expires_at": NOW + 299}, False, "valid 4m"),
        ({"expires_at": NOW - 1}, False, "expired"),
        ({}, False, "no expiry known"),
        ({"expires_at": NOW + 9999}, True, "re-login needed"),
        ({"expires_at": NOW + 9999, "refresh_token_expires_at": NOW - 1}, False, "re-login needed"),
        ({"access_token": None, "refresh_token": "r"}, False, "refresh due"),
        ({"access_token": None, "import_from": "/x.json"}, False, "follows Claude Code"),
        ({"import_from": "/x.json", "expires_at": NOW + 3600}, False, "follows Claude Code, valid 1h"),
        ({"access_token": None, "import_from": "/x.json"}, True, "re-login needed"),
        ({"type": "apikey", "api_key": "k"}, False, "key"),
        ({"type": "apikey", "credential_command": ("pass",)}, False, "from a program"),
        ({"type": "apikey", "credential_command": ("pass",)}, True, "its program failed"),
        ({"credential_command": ("pass",), "expires_at": NOW + 3600}, False, "valid 1h"),
        ({"credential_command": ("pass",), "expires_at": NOW - 1}, False, "from a program"),
    ],
)
def test_token_state(fields: dict[str, Any], auth_failed: bool, expected: str) -> None:
    assert token_state(account(**fields), NOW, auth_failed) == expected


@pytest.mark.parametrize(
    ("fields", "left", "soon"),
    [
        ({}, None, False),
        ({"expires_at": NOW + 86400}, "1d", True),
        ({"expires_at": NOW + 365 * 86400, "source": "token"}, "365d", False),
        ({"expires_at": NOW + 3600, "refresh_token": "r"}, None, False),
        (
            {"expires_at": NOW + 60, "refresh_token": "r", "refresh_token_expires_at": NOW + 86400},
            "1d",
            True,
        ),
        ({"import_from": "/x.json", "expires_at": NOW + 60}, None, False),
        ({"credential_command": ("pass",), "expires_at": NOW + 60}, None, False),
    ],
)
def test_when_the_login_ends(fields: dict[str, Any], left: Optional[str], soon: bool) -> None:
    assert login_left(account(**fields), NOW) == left
    assert ends_soon(account(**fields), NOW) is soon
