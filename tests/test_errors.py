"""Every error carries its HTTP answer."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from teamclaude import errors
from teamclaude.errors import TeamClaudeError

CLASSES = [
    each
    for each in vars(errors).values()
    if inspect.isclass(each) and issubclass(each, TeamClaudeError) and each is not TeamClaudeError
]
PARTS: dict[str, dict[str, Any]] = {
    "ClientLimitError": {"limit": "share", "retry_after": 8},
    "MethodNotAllowedError": {"allow": ["GET", "HEAD"]},
    "NoAccountAvailableError": {"retry_after": 7},
    "OverloadedError": {"retry_after": 1},
    "TooManyTriesError": {"retry_after": 9},
    "TokenEndpointUnavailableError": {"may_be_spent": False},
}


def make(each: type[TeamClaudeError], **parts: Any) -> TeamClaudeError:
    return each("why", **(parts or PARTS.get(each.__name__, {})))


@pytest.mark.parametrize("each", CLASSES, ids=lambda each: each.__name__)
def test_an_error_has_a_status_a_kind_a_reason_and_a_name(each: type[TeamClaudeError]) -> None:
    error = make(each)
    assert 400 <= error.status < 600
    assert error.kind.endswith("_error") or error.kind == "request_too_large"
    assert str(error) == "why"
    assert each.__doc__
    assert each.__name__.endswith("Error")


@pytest.mark.parametrize(
    ("name", "headers"),
    [
        ("MethodNotAllowedError", {"Allow": "GET, HEAD"}),
        ("ProxyKeyNeededError", {"Proxy-Authenticate": 'Basic realm="teamclaude"'}),
        ("ConnectFailedError", {"Retry-After": "5"}),
        ("ProxyRefusedError", {"x-should-retry": "false"}),
        ("UpstreamOutageError", {"Retry-After": "5"}),
        ("WaitQueueFullError", {"Retry-After": "5"}),
        ("OverloadedError", {"Retry-After": "1"}),
        ("DrainingError", {"Retry-After": "1"}),
        ("HandedOverError", {"Retry-After": "1"}),
        ("NoAccountAvailableError", {"Retry-After": "7"}),
        ("TooManyTriesError", {"Retry-After": "9"}),
        ("ClientLimitError", {"Retry-After": "8"}),
        ("AccountError", {"x-should-retry": "false"}),
        ("DiskFullError", {"x-should-retry": "false"}),
    ],
)
def test_headers_tell_the_client_whether_and_when_to_retry(name: str, headers: dict[str, str]) -> None:
    assert dict(make(getattr(errors, name)).headers()) == headers


def test_all_other_errors_have_no_headers() -> None:
    with_headers = {each.__name__ for each in CLASSES if make(each).headers()}
    assert len(with_headers) == 15


@pytest.mark.parametrize(("seconds", "retries"), [(60, True), (61, False)])
def test_a_client_that_would_have_to_wait_over_a_minute_is_told_not_to_retry(
    seconds: int, retries: bool
) -> None:
    headers = dict(errors.NoAccountAvailableError("why", retry_after=seconds).headers())
    assert headers["Retry-After"] == str(seconds)
    assert ("x-should-retry" not in headers) is retries
