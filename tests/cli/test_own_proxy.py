"""A server whose environment is that of its own first-party client."""

from __future__ import annotations

import pytest

from teamclaude.accounts.config.config import ClientKey, ProxyConfig
from teamclaude.cli.own_proxy import drop_own_proxy, names_a_proxy

CONFIG = ProxyConfig(api_key="tc-own", clients=(ClientKey("ci", "tc-ci"),))


@pytest.mark.parametrize(
    "value",
    [
        "http://teamclaude:tc-own@192.0.2.1:1234",
        "http://tc-ci:@proxy.example:1234",
        "http://127.0.0.1:3456",
        "127.0.0.1:3456",
        "http://localhost:3456/",
        "http://[::1]:3456",
    ],
)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "http_proxy"])
def test_a_proxy_that_is_the_server_itself_is_dropped(name: str, value: str) -> None:
    env = {name: value, "PATH": "/bin"}
    assert names_a_proxy(env)
    assert drop_own_proxy(env, CONFIG, 3456) == [name]
    assert env == {"PATH": "/bin"}
    assert not names_a_proxy(env)


@pytest.mark.parametrize(
    "value",
    ["http://127.0.0.1:8888", "http://proxy.example:3456", "http://u:p@192.0.2.1:3456", "ftp://x", "", ":::"],
)
def test_another_proxy_stays(value: str) -> None:
    env = {"HTTPS_PROXY": value}
    assert drop_own_proxy(env, CONFIG, 3456) == []
    assert env == {"HTTPS_PROXY": value}


def test_without_keys_and_with_any_port_nothing_is_ours() -> None:
    env = {"HTTPS_PROXY": "http://127.0.0.1:3456"}
    assert drop_own_proxy(env, ProxyConfig(), 0) == []
