"""The address of a proxy, and which one serves a target."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.cli.claude_code.environment import ClientTarget, client_environment
from teamclaude.dial.proxies import DIRECT, ProxyAddress, parse_proxy, proxy_for
from teamclaude.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://proxy:3128", ProxyAddress("http", "proxy", 3128)),
        ("proxy:3128", ProxyAddress("http", "proxy", 3128)),
        ("proxy", ProxyAddress("http", "proxy", 80)),
        (" http://Proxy.Corp/ ", ProxyAddress("http", "proxy.corp", 80)),
        ("HTTPS://proxy", ProxyAddress("https", "proxy", 443)),
        ("socks5://10.0.0.1", ProxyAddress("socks5", "10.0.0.1", 1080)),
        ("socks5h://[fd00::1]:9050", ProxyAddress("socks5h", "fd00::1", 9050)),
        ("socks://127.0.0.1:1080/", ProxyAddress("socks5h", "127.0.0.1", 1080)),
        ("http://us%40r:p%2Fw%3A@proxy:1", ProxyAddress("http", "proxy", 1, "us@r", "p/w:")),
        ("user:pa@ss@proxy:1", ProxyAddress("http", "proxy", 1, "user", "pa@ss")),
        ("http://user@proxy:1", ProxyAddress("http", "proxy", 1, "user", "")),
        ("http://:token@proxy:1", ProxyAddress("http", "proxy", 1, "", "token")),
        ("direct", DIRECT),
        ("None", DIRECT),
    ],
)
def test_an_address(value: str, expected: ProxyAddress) -> None:
    assert parse_proxy(value, "HTTPS_PROXY") == expected


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("socks4://me:hunter2@proxy:1", "HTTPS_PROXY: socks4:// is not spoken; http://, https://, socks5://"),
        ("ftp://me:hunter2@proxy:1", "HTTPS_PROXY: ftp:// is not spoken"),
        ("me:hunter2://proxy:1", "HTTPS_PROXY: its scheme is not spoken"),
        ("http://me:hunter2@proxy:port", "HTTPS_PROXY: is not a proxy's address, http://HOST:PORT"),
        ("http://me:hunter2@proxy:70000", "is not a proxy's address"),
        ("http://proxy:0", "is not a proxy's address"),
        ("http://", "is not a proxy's address"),
        ("http://[::1", "is not a proxy's address"),
        ("http://me:hunt/er2@proxy:1", "write / # [?] @ as %2F %23 %3F %40"),
        ("http://me:hunt#er2@proxy:1", "is not a proxy's address"),
        ("http://me:12/hunter2@proxy:1", "is not a proxy's address"),
        ("http://pro xy:1", "is not a proxy's address"),
        ("http://pro\nxy:1", "is not a proxy's address"),
        (f"socks5://me:{'hunter2' * 40}@proxy", "longer than 255 bytes"),
    ],
)
def test_what_can_t_be_used_is_named_without_a_password(value: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        parse_proxy(value, "HTTPS_PROXY")
    assert "hunt" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_shown() -> None:
    proxy = parse_proxy("https://me:hunter2@[::1]:1", "upstreamProxy")
    assert "hunter2" not in f"{proxy!r} {proxy}"
    assert str(proxy) == "[::1]:1 (upstreamProxy)"


@pytest.mark.parametrize(
    ("env", "scheme", "source"),
    [
        ({}, "https", None),
        ({"HTTPS_PROXY": "a:1"}, "https", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "a:1", "https_proxy": "b:1"}, "https", "https_proxy"),
        ({"HTTPS_PROXY": "a:1", "https_proxy": ""}, "https", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": " "}, "https", None),
        ({"HTTPS_PROXY": "direct", "ALL_PROXY": "a:1"}, "https", None),
        ({"HTTPS_PROXY": "a:1", "ALL_PROXY": "b:1"}, "https", "HTTPS_PROXY"),
        ({"HTTP_PROXY": "a:1", "ALL_PROXY": "b:1"}, "https", "ALL_PROXY"),
        ({"all_proxy": "a:1", "ALL_PROXY": "b:1"}, "http", "all_proxy"),
        ({"HTTP_PROXY": "a:1"}, "https", None),
        ({"HTTPS_PROXY": "a:1"}, "http", None),
        ({"HTTP_PROXY": "a:1"}, "http", "HTTP_PROXY"),
        ({"HTTP_PROXY": "a:1", "REQUEST_METHOD": "GET"}, "http", None),
        ({"http_proxy": "a:1", "REQUEST_METHOD": "GET"}, "http", "http_proxy"),
        ({"HTTPS_PROXY": "a:1", "NO_PROXY": "example"}, "https", None),
        ({"HTTPS_PROXY": "a:1", "NO_PROXY": "example", "no_proxy": "other"}, "https", "HTTPS_PROXY"),
        ({"HTTPS_PROXY": "a:1", "NO_PROXY": "example", "no_proxy": ""}, "https", None),
    ],
)
def test_the_variable_that_decides(env: dict[str, str], scheme: str, source: Optional[str]) -> None:
    proxy = proxy_for(scheme, "api.example", 443, env)
    assert (proxy.source if proxy is not None else None) == source


def test_the_config_comes_before_the_environment() -> None:
    env = {"HTTPS_PROXY": "socks4://x", "NO_PROXY": "*"}
    configured = parse_proxy("mine:1")
    assert proxy_for("https", "api.example", 443, env, configured) == configured
    assert proxy_for("https", "127.0.0.1", 443, env, configured) == configured
    assert proxy_for("https", "api.example", 443, {"HTTPS_PROXY": "a:1"}, DIRECT) is None


def test_this_machine_is_reached_without_the_environment_s_proxy() -> None:
    env = {"HTTPS_PROXY": "a:1", "HTTP_PROXY": "a:1", "ALL_PROXY": "a:1"}
    for host in ("localhost", "127.0.0.1", "::1"):
        assert proxy_for("https", host, 443, env) is None
        assert proxy_for("http", host, 80, env) is None


def test_our_own_proxy_is_not_the_way_out() -> None:
    env = client_environment(ClientTarget("http://127.0.0.1:3456", "tc-key", ca_file="/ca.pem"), {}, True)
    assert env["HTTPS_PROXY"].startswith("http://")
    assert proxy_for("https", "api.example", 443, env) is None
    assert proxy_for("https", "api.example", 443, {**env, "ALL_PROXY": "a:1"}) == parse_proxy("a:1")
    other = {"HTTPS_PROXY": "http://teamclaude:pw@proxy.corp:3128"}
    assert proxy_for("https", "api.example", 443, other) is not None


def test_only_the_variable_that_decides_must_be_usable() -> None:
    env = {"HTTPS_PROXY": "a:1", "ALL_PROXY": "socks4://b", "NO_PROXY": "corp"}
    assert proxy_for("https", "api.example", 443, env) is not None
    assert proxy_for("http", "git.corp", 80, env) is None
    with pytest.raises(ConfigError, match="ALL_PROXY: socks4:// is not spoken"):
        proxy_for("http", "api.example", 80, env)
