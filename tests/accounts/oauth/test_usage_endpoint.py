"""The usage endpoint's client against a server with faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from teamclaude.accounts.config.config import OAuthConfig
from teamclaude.accounts.oauth import token_endpoint
from teamclaude.accounts.oauth.usage_endpoint import fetch_usage
from teamclaude.errors import LoginRefusedError, TokenEndpointUnavailableError
from tests.accounts.usage_server import UsageServer

TOKEN = "sk-ant-oat01-FAKE-a"


@pytest.fixture
def endpoint() -> Iterator[UsageServer]:
    made = UsageServer()
    yield made
    made.close()


def test_the_question_has_the_token_the_beta_and_our_name(endpoint: UsageServer) -> None:
    assert fetch_usage(endpoint.oauth, TOKEN) == {"five_hour": None}
    ((path, headers),) = endpoint.seen
    assert path == "/api/oauth/usage"
    assert headers["authorization"] == f"Bearer {TOKEN}"
    assert headers["anthropic-beta"] == "oauth-2025-04-20"
    assert headers["user-agent"] == "us/1"


def refusal(endpoint: UsageServer) -> Any:
    with pytest.raises((LoginRefusedError, TokenEndpointUnavailableError)) as caught:
        fetch_usage(endpoint.oauth, TOKEN)
    assert "FAKE" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "usage endpoint" in str(caught.value)
    return caught.value


def test_a_429_says_how_long(endpoint: UsageServer) -> None:
    endpoint.status, endpoint.headers = 429, {"retry-after": "900"}
    error = refusal(endpoint)
    assert (error.answered, error.pause_sec) == (429, 900.0)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b"{}", LoginRefusedError),
        (403, b"{}", LoginRefusedError),
        (404, b"{}", TokenEndpointUnavailableError),
        (500, b"", TokenEndpointUnavailableError),
        (302, b"", TokenEndpointUnavailableError),
    ],
)
def test_a_refusal_has_its_status(
    endpoint: UsageServer, status: int, body: bytes, kind: Callable[..., Exception]
) -> None:
    endpoint.status, endpoint.body = status, body
    endpoint.headers = {"location": f"{endpoint.oauth.usage_url}/elsewhere"}
    error = refusal(endpoint)
    assert type(error) is kind
    assert error.answered == status
    assert len(endpoint.seen) == 1, "no redirect is followed: it would get the token"


@pytest.mark.parametrize(
    "body", [b"<html>log in</html>", b"[]", b"", b"{" * 100_000, b" " * 5_000_000, b"\xff\xfe"]
)
def test_what_is_no_answer_is_a_failure(endpoint: UsageServer, body: bytes) -> None:
    endpoint.body = body
    assert refusal(endpoint).pause_sec is None


def test_a_silent_endpoint_is_given_up(endpoint: UsageServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_endpoint, "TIMEOUT_SEC", 0.05)
    endpoint.silent = True
    assert "no answer in" in str(refusal(endpoint))


def test_an_unreachable_endpoint_was_not_asked() -> None:
    with pytest.raises(TokenEndpointUnavailableError, match="can't be reached") as caught:
        fetch_usage(OAuthConfig(usage_url="http://127.0.0.1:1/usage"), TOKEN)
    assert not caught.value.may_be_spent
