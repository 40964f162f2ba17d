"""What a CONNECT asks for: host, port, opened or not; and which addresses are public."""

from __future__ import annotations

import ipaddress

import pytest

from teamclaude.accounts.config.config import ProxyConfig
from teamclaude.errors import BadRequestError, ForbiddenError
from teamclaude.proxy.connect.target import ConnectTarget, connect_target, is_near, is_public, parse_target
from teamclaude.proxy.http.head import RequestHead

API = ("api.anthropic.com",)


@pytest.mark.parametrize(
    ("text", "host", "port", "opened"),
    [
        ("api.anthropic.com:443", "api.anthropic.com", 443, True),
        ("API.Anthropic.com.:443", "api.anthropic.com", 443, True),
        ("api.anthropic.com:0443", "api.anthropic.com", 443, True),
        ("api.anthropic.com:8443", "api.anthropic.com", 8443, False),
        ("api.anthropic.com.evil.example:443", "api.anthropic.com.evil.example", 443, False),
        ("x.api.anthropic.com:443", "x.api.anthropic.com", 443, False),
        ("localhost:1", "localhost", 1, False),
        ("a_b-c.example:65535", "a_b-c.example", 65535, False),
        ("192.0.2.1:22", "192.0.2.1", 22, False),
        ("[2001:DB8:0::1]:443", "2001:db8::1", 443, False),
        ("[::ffff:10.0.0.1]:443", "::ffff:a00:1", 443, False),
        ("1e100.net:443", "1e100.net", 443, False),
        ("127.0.0.1.example:443", "127.0.0.1.example", 443, False),
    ],
)
def test_a_target_is_a_host_and_a_port(text: str, host: str, port: int, opened: bool) -> None:
    found = parse_target(text, API)
    assert (found.host.replace("ffff:10.0.0.1", "ffff:a00:1"), found.port, found.opened) == (
        host,
        port,
        opened,
    )


@pytest.mark.parametrize(
    "text",
    [
        "a:0",
        "a:65536",
        "a:99999",
        "a:",
        "a",
        ":443",
        "[]:443",
        "[::g]:443",
        "[1.2.3.4]:443",
        "[::1%lo]:443",
        "::1:443",
        "a..b:443",
        ".a:443",
        "a..:443",
        f"{'a' * 64}.example:443",
        "user@a:443",
        "a:443/",
        # What inet_aton takes for 127.0.0.1.
        "2130706433:443",
        "0x7f000001:443",
        "0x7f.1:443",
        "127.1:443",
        "0177.0.0.1:443",
        "127.0.0.01:443",
        "127.0.0.0x1:443",
        "127.0.0.256:443",
        "127.0.0.1.1:443",
        "1.2.3.4.:443:1",
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text: str) -> None:
    with pytest.raises(BadRequestError):
        parse_target(text, API)


def test_it_is_shown_as_it_is_written() -> None:
    assert str(ConnectTarget("a.example", 443, False)) == "a.example:443"
    assert str(ConnectTarget("2001:db8::1", 22, False)) == "[2001:db8::1]:22"


def connect(*fields: tuple[str, str], target: str = "a.example:443") -> RequestHead:
    return RequestHead("CONNECT", target, 1, [("Host", target), *fields])


def test_off_it_names_the_setting() -> None:
    with pytest.raises(ForbiddenError, match='"forward": true'):
        connect_target(connect(), ProxyConfig())


@pytest.mark.parametrize(
    "fields",
    [
        [("Content-Length", "1")],
        [("Transfer-Encoding", "chunked")],
        [("Content-Length", "0"), ("Content-Length", "5")],
        [("Content-Length", "0"), ("Transfer-Encoding", "chunked")],
        [("Content-Length", "x")],
    ],
)
def test_a_body_is_refused(fields: list[tuple[str, str]]) -> None:
    with pytest.raises(BadRequestError):
        connect_target(connect(*fields), ProxyConfig(forward=True))


def test_an_empty_body_is_none() -> None:
    found = connect_target(connect(("Content-Length", "0")), ProxyConfig(forward=True))
    assert found == ("a.example", 443, False)


def test_the_configured_hosts_are_opened() -> None:
    config = ProxyConfig(forward=True, forward_hosts=("API.example", "b.example."))
    hosts = ("api.example:443", "b.example:443", "c.example:443")
    assert [connect_target(connect(target=host), config).opened for host in hosts] == [True, True, False]


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("160.79.104.10", True),
        ("172.15.255.255", True),
        ("172.32.0.0", True),
        ("100.63.255.255", True),
        ("2606:4700::1111", True),
        ("2a00:1450::1", True),
        ("::ffff:1.1.1.1", True),
        ("64:ff9b::101:101", True),
        ("0.0.0.0", False),
        ("0.1.2.3", False),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("100.127.255.255", False),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("172.31.255.255", False),
        ("192.0.0.8", False),
        ("192.0.2.1", False),
        ("192.168.0.1", False),
        ("198.18.0.1", False),
        ("198.51.100.1", False),
        ("203.0.113.1", False),
        ("224.0.0.1", False),
        ("239.255.255.250", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::1", False),
        ("100::1", False),
        ("2001::1", False),
        ("2001:db8::1", False),
        ("2002:a00:1::", False),
        ("3fff::1", False),
        ("fc00::1", False),
        ("fd12:3456::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("ff02::1", False),
    ],
)
def test_public_addresses(address: str, public: bool) -> None:
    assert is_public(ipaddress.ip_address(address)) is public


@pytest.mark.parametrize(
    ("address", "own", "near"),
    [
        ("8.8.8.8", "8.8.8.8", True),
        ("8.8.8.9", "8.8.8.8", False),
        ("2a00:1450:4001:80b::200e", "2a00:1450:4001:80b::1", True),
        ("2a00:1450:4001:80c::1", "2a00:1450:4001:80b::1", False),
        ("8.8.8.8", "2a00::1", False),
    ],
)
def test_a_neighbour_with_a_public_address_is_near(address: str, own: str, near: bool) -> None:
    assert is_near(ipaddress.ip_address(address), ipaddress.ip_address(own)) is near
