"""URLs of servers, compared and shown."""

from __future__ import annotations

import pytest

from teamclaude.cli.claude_code.server_urls import is_same_server, shown_url


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("http://127.0.0.1:1", "http://localhost:1/", True),
        ("http://[::1]:1", "http://127.0.0.1:1", True),
        ("https://API.example", "https://api.example:443/", True),
        ("http://a:80", "http://a", True),
        ("http://a/x", "http://a", False),
        ("http://a", "https://a", False),
        ("http://a:x", "http://a", False),
        ("", "http://a", False),
    ],
)
def test_same_server(one: str, other: str, same: bool) -> None:
    assert is_same_server(one, other) == same


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("http://me:p@ss@host:1/x", "http://host:1/x"),
        ("me:secret@host:1", "host:1"),
        ("http://host", "http://host"),
        ("http://host/a@b", "http://host/a@b"),
        ("", ""),
    ],
)
def test_no_password_is_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown
