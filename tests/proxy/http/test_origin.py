"""Base URLs: what they name, and which are invalid."""

from __future__ import annotations

import pytest

from teamclaude.errors import ConfigError
from teamclaude.proxy.http.origin import Origin, parse_origin


@pytest.mark.parametrize(
    ("url", "origin", "prefix", "authority"),
    [
        ("https://api.example", Origin("https", "api.example", 443), "", "api.example"),
        ("https://api.example/", Origin("https", "api.example", 443), "", "api.example"),
        ("https://API.Example:443/a/b/", Origin("https", "api.example", 443), "/a/b", "api.example"),
        ("http://api.example:443", Origin("http", "api.example", 443), "", "api.example:443"),
        ("http://127.0.0.1:8080/x", Origin("http", "127.0.0.1", 8080), "/x", "127.0.0.1:8080"),
        ("http://[::1]:8080", Origin("http", "::1", 8080), "", "[::1]:8080"),
        ("http://[::1]", Origin("http", "::1", 80), "", "[::1]"),
    ],
)
def test_a_base_url(url: str, origin: Origin, prefix: str, authority: str) -> None:
    assert parse_origin(url) == (origin, prefix)
    assert origin.authority == authority


@pytest.mark.parametrize(
    "url",
    [
        "",
        "api.example",
        "/v1",
        "ftp://api.example",
        "https://",
        "https:///v1",
        "https://api.example:port",
        "https://api.example:99999",
        "https://[::1",
        "https://api.example/?x=1",
        "https://user:pass@api.example",
    ],
)
def test_an_invalid_base_url_is_reported_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a base URL: expected https://host") as caught:
        parse_origin(url)
    assert "pass" not in str(caught.value)
