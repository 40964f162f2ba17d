"""teamclaude/dial/authority.py."""

from __future__ import annotations

import pytest

from teamclaude.dial.authority import authority, bracketed, reachable_host


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("fe80::1%eth0", "[fe80::1%eth0]"),
        ("pool.lan", "pool.lan"),
    ],
)
def test_an_ipv6_address_is_in_brackets(host: str, shown: str) -> None:
    assert bracketed(host) == shown
    assert authority(host, 3456) == f"{shown}:3456"


@pytest.mark.parametrize(
    ("host", "reached"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("10.0.0.7", "10.0.0.7"), ("localhost", "localhost")],
)
def test_a_wildcard_is_reached_by_loopback(host: str, reached: str) -> None:
    assert reachable_host(host) == reached
