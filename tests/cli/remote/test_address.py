"""Addresses of servers: what a person may write, and what is refused without showing a secret."""

from __future__ import annotations

import pytest

from teamclaude.cli.remote.address import ServerAddress, parse_address, parse_addresses
from teamclaude.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address", "url"),
    [
        ("http://host:1", ServerAddress("http", "host", 1), "http://host:1"),
        ("host:3456", ServerAddress("http", "host", 3456), "http://host:3456"),
        ("https://Host", ServerAddress("https", "host", 443), "https://host:443"),
        ("http://[::1]:3456/", ServerAddress("http", "::1", 3456), "http://[::1]:3456"),
        ("https://h/tc/a/", ServerAddress("https", "h", 443, "/tc/a"), "https://h:443/tc/a"),
    ],
)
def test_what_is_an_address(text: str, address: ServerAddress, url: str) -> None:
    assert parse_address(text) == address
    assert parse_address(text).url == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "http://",
        "http://host:99999",
        "http://host:0",
        "host?x=1",
        "host#x",
        "ftp://host",
        "http://a b",
        "http://host/a b",
        "http://host/..",
        "http://host/a/../b",
        "http://host//x",
        "http://höst",
        "http://ho\nst",
        "http://ho\x1b[2Jst",
        "http://[::1",
        "h" * 3000,
    ],
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("text", ["http://me:tc-SECRET@host", "http://tc-SECRET@host", "tc-SECRET@host:1"])
def test_a_key_in_an_address_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_address(text)
    assert "SECRET" not in str(caught.value)
    assert "TEAMCLAUDE_KEY" in str(caught.value)


def test_several_addresses_each_once() -> None:
    found = parse_addresses(" http://a:1, b:2\nhttp://a:1/  https://b:2,")
    assert [at.url for at in found] == ["http://a:1", "http://b:2", "https://b:2"]
    assert parse_addresses(" ") == []


def test_whether_it_is_this_machine() -> None:
    assert parse_address("127.0.0.2:1").is_loopback
    assert parse_address("[::1]:1").is_loopback
    assert not parse_address("10.0.0.1:1").is_loopback
    assert not parse_address("127.example.com:1").is_loopback
