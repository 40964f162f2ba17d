"""Which variables lead which client to the proxy."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.cli.environment import (
    ClientTarget,
    client_environment,
    conflicting_variables,
    sdk_environment,
)

TARGET = ClientTarget("http://127.0.0.1:3456", "tc-FAKE")


def test_a_client_without_a_login_gets_the_key_as_its_token() -> None:
    assert client_environment(TARGET, {}, logged_in=False) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
        "ANTHROPIC_AUTH_TOKEN": "tc-FAKE",
    }


def test_a_client_with_a_login_keeps_it_and_gets_the_key_as_a_header() -> None:
    assert client_environment(TARGET, {}, logged_in=True) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
        "ANTHROPIC_CUSTOM_HEADERS": "x-teamclaude-key: tc-FAKE",
    }


def test_existing_headers_stay_and_ours_come_after_them() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "X-Team: red\nX-Two: 2\n"}
    headers = client_environment(TARGET, existing, logged_in=True)["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == "X-Team: red\nX-Two: 2\nx-teamclaude-key: tc-FAKE"


def test_headers_of_an_outer_run_are_replaced_not_doubled() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "X-TeamClaude-Key: tc-old\nx-teamclaude-account: bob\nX-Two: 2"}
    headers = client_environment(TARGET, existing, logged_in=True)["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == "X-Two: 2\nx-teamclaude-key: tc-FAKE"
    headers = client_environment(TARGET, existing, logged_in=False)["ANTHROPIC_CUSTOM_HEADERS"]
    assert headers == "X-Two: 2"


def test_an_account_travels_as_a_header_in_both_modes() -> None:
    target = TARGET._replace(account="alice")
    for logged_in in (False, True):
        headers = client_environment(target, {}, logged_in)["ANTHROPIC_CUSTOM_HEADERS"]
        assert headers.splitlines()[-1] == "x-teamclaude-account: alice"


def test_nothing_is_said_of_headers_that_stay_as_they_are() -> None:
    existing = {"ANTHROPIC_CUSTOM_HEADERS": "X-Two: 2"}
    assert "ANTHROPIC_CUSTOM_HEADERS" not in client_environment(TARGET, existing, logged_in=False)


def test_a_certificate_of_our_own_is_made_known_unless_another_one_is() -> None:
    target = TARGET._replace(certificate="/c.pem")
    assert client_environment(target, {}, True)["NODE_EXTRA_CA_CERTS"] == "/c.pem"
    existing = {"NODE_EXTRA_CA_CERTS": "/company.pem"}
    assert "NODE_EXTRA_CA_CERTS" not in client_environment(target, existing, True)


def test_claude_code_never_gets_an_api_key() -> None:
    for logged_in in (False, True):
        assert "ANTHROPIC_API_KEY" not in client_environment(TARGET, {}, logged_in)


def test_an_sdk_does() -> None:
    assert sdk_environment(TARGET) == {
        "ANTHROPIC_BASE_URL": "http://127.0.0.1:3456",
        "ANTHROPIC_API_KEY": "tc-FAKE",
    }


def test_keys_that_would_beat_the_login_are_unwanted() -> None:
    existing = {"ANTHROPIC_API_KEY": "sk-ant-api03-FAKE", "ANTHROPIC_AUTH_TOKEN": "x"}
    assert conflicting_variables(existing, logged_in=True) == ["ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"]
    assert conflicting_variables(existing, logged_in=False) == ["ANTHROPIC_API_KEY"]
    assert conflicting_variables({"ANTHROPIC_API_KEY": ""}, logged_in=True) == []


@pytest.mark.parametrize(
    ("existing", "no_proxy"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://company:3128"}, "127.0.0.1"),
        (
            {"http_proxy": "http://company:3128", "no_proxy": "intra.net, 10.0.0.1"},
            "intra.net,10.0.0.1,127.0.0.1",
        ),
        ({"ALL_PROXY": "http://company:3128", "NO_PROXY": "127.0.0.1"}, None),
        ({"HTTPS_PROXY": "http://company:3128", "NO_PROXY": "*"}, None),
    ],
)
def test_a_proxy_of_the_environment_never_sees_what_is_for_us(
    existing: dict[str, str], no_proxy: Optional[str]
) -> None:
    assert client_environment(TARGET, existing, logged_in=False).get("NO_PROXY") == no_proxy
