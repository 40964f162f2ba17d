"""What the banner says: addresses that work, here and elsewhere, and never a key."""

from __future__ import annotations

import socket
from typing import Optional

import pytest

from teamclaude.accounts.config.config import ClientKey, ProxyConfig, TlsConfig
from teamclaude.cli.remote.reach import Listening, lan_address, reach_lines, shown_urls

PATH = "/home/u/.config/teamclaude.json"
BOB = ClientKey(name="bob", key="tc-SECRET-bob")


def lines(host: str, config: ProxyConfig, outside: Optional[str] = "10.1.2.3", url: str = "") -> list[str]:
    scheme = "https" if config.tls else "http"
    listening = Listening(host, 3456, (url or f"{scheme}://{host}:3456",))
    found = reach_lines(listening, config, PATH, lambda wildcard: outside)
    assert "SECRET" not in "".join(found)
    assert max(map(len, found)) < 120
    return found


HERE = ["run Claude Code through it: teamclaude run", '   or: eval "$(teamclaude env)"; claude']


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
@pytest.mark.parametrize("configured", ["localhost", "127.0.0.1", "0.0.0.0"])
def test_on_loopback_nothing_is_said_of_other_machines(host: str, configured: str) -> None:
    assert lines(host, ProxyConfig(host=configured, api_key="tc-SECRET")) == HERE


def test_another_port_than_the_config_files() -> None:
    assert lines("localhost", ProxyConfig(port=1))[0].endswith("teamclaude run --port 3456")


def test_all_addresses() -> None:
    config = ProxyConfig(api_key="tc-SECRET", clients=(BOB,))
    found = lines("0.0.0.0", config)
    assert found[:2] == HERE
    assert "   TEAMCLAUDE_URL=http://10.1.2.3:3456 TEAMCLAUDE_KEY=... teamclaude run" in found
    assert any(socket.gethostname() in line for line in found)
    assert "plain http" in found[-1]
    listening = Listening("0.0.0.0", 3456, ("http://0.0.0.0:3456",))
    assert shown_urls(listening, lambda wildcard: "10.1.2.3") == [
        "http://127.0.0.1:3456",
        "http://10.1.2.3:3456",
    ]
    assert shown_urls(listening, lambda wildcard: None) == ["http://127.0.0.1:3456"]


def test_all_addresses_without_a_network() -> None:
    found = lines("0.0.0.0", ProxyConfig(clients=(BOB,)), outside=None)
    assert "   no address of this machine that others know is known here" in found
    assert not any("TEAMCLAUDE_URL" in line for line in found)


def test_all_addresses_of_ipv6_are_not_where_the_config_leads() -> None:
    found = lines("::", ProxyConfig(), "fd00::2")
    assert found[0] == "run Claude Code through it: TEAMCLAUDE_KEY=... teamclaude run --url http://[::1]:3456"
    assert "   TEAMCLAUDE_URL=http://[fd00::2]:3456 TEAMCLAUDE_KEY=... teamclaude run" in found
    assert lines("::", ProxyConfig(host="::1"), "fd00::2")[:2] == HERE


def test_one_address_of_the_network() -> None:
    found = lines("10.1.2.3", ProxyConfig())
    assert found[0].endswith("TEAMCLAUDE_KEY=... teamclaude run --url http://10.1.2.3:3456")
    assert PATH in found[1]
    assert f"   there is no such key yet in {PATH}; proxy.apiKey is yours, and may do all" in found
    assert lines("10.1.2.3", ProxyConfig(host="10.1.2.3"))[:2] == HERE


def test_with_tls() -> None:
    config = ProxyConfig(clients=(BOB,), tls=TlsConfig(cert="/c/cert.pem", key="/c/key.pem"))
    found = lines("10.1.2.3", config)
    assert found[0].endswith("teamclaude run --url https://10.1.2.3:3456 --ca-file /c/cert.pem")
    assert found[-1].endswith(
        "TEAMCLAUDE_URL=https://10.1.2.3:3456 TEAMCLAUDE_KEY=... TEAMCLAUDE_CA_FILE=cert.pem teamclaude run"
    )


@pytest.mark.parametrize(("found", "address"), [("10.1.2.3", "10.1.2.3"), ("127.0.0.1", None)])
def test_the_address_of_the_network_is_not_loopback(
    monkeypatch: pytest.MonkeyPatch, found: str, address: Optional[str]
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda sock, place: None)
    monkeypatch.setattr(socket.socket, "getsockname", lambda sock: (found, 9))
    assert lan_address("0.0.0.0") == address


@pytest.mark.parametrize("wildcard", ["0.0.0.0", "::"])
def test_a_machine_without_a_network_has_no_address(wildcard: str) -> None:
    """Tests reach loopback alone, as if there were no network."""
    assert lan_address(wildcard) is None
