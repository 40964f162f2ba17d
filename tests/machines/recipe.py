"""The files that the manual's page `machines` shows, with addresses and paths of this machine."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from teamclaude.manual import page

__all__ = ["Address", "haproxy_file", "nginx_file", "server_settings"]

PORT, AGENT_PORT = "3456", "3457"


class Address(NamedTuple):
    """Where one server of the recipe really listens."""

    port: int
    agent_port: int


def block(first_line: str) -> str:
    """Return the indented block of the page that begins with this line, without its indentation."""
    found = re.search(rf"^    {re.escape(first_line)}\n((?:    .*\n|\n)+)", page("machines"), re.M)
    assert found, f"the page shows no {first_line}"
    return re.sub(r"^    ", "", found[1], flags=re.M).rstrip() + "\n"


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """Replace each text; every one must be there."""
    for old, new in changes.items():
        assert old in text, f"the page has no {old!r}"
        text = text.replace(old, new)
    return text


def server_settings(address: Address) -> dict[str, Any]:
    """Return `proxy` of a server's config file, on loopback."""
    settings: dict[str, Any] = json.loads("{" + block('"proxy": {'))
    assert [settings["port"], settings["agentPort"]] == [int(PORT), int(AGENT_PORT)]
    assert settings["trustedProxies"] == ["10.0.0.5"]
    return {
        **settings,
        "host": "127.0.0.1",
        "port": address.port,
        "agentPort": address.agent_port,
        "trustedProxies": ["127.0.0.1"],
    }


def haproxy_file(addresses: Sequence[Address], bind: str, pem: str, socket: str, ca_file: str = "") -> str:
    """Return haproxy.cfg; each server gets its own agent port, as all are on one address here.

    `ca_file`: the servers speak TLS.
    """
    text = replaced(
        block("# /etc/haproxy/haproxy.cfg"),
        {
            "    user haproxy\n    group haproxy\n": "",  # tests may run without being root
            "log /dev/log local0": "log stderr format raw local0 warning",
            "/run/haproxy/admin.sock mode 660": f"{socket} mode 600",
            ":443 ssl": f"{bind} ssl",
            "/etc/haproxy/pool.example.pem": pem,
            f" agent-port {AGENT_PORT}": "",
        },
    )
    hosts = {
        f"10.0.0.{11 + number}:{PORT}": f"127.0.0.1:{address.port} agent-port {address.agent_port}"
        for number, address in enumerate(addresses)
    }
    if ca_file:
        option = "ssl verify required ca-file FILE"
        assert f"`{option}`" in re.sub(r"\s+", " ", page("machines"))
        hosts["default-server check"] = "default-server " + option.replace("FILE", ca_file) + " check"
    return replaced(text, hosts)


def nginx_file(addresses: Sequence[Address], listen: str, cert: str, key: str) -> str:
    """Return the file for conf.d."""
    hosts = {
        f"10.0.0.{11 + number}:{PORT}": f"127.0.0.1:{each.port}" for number, each in enumerate(addresses)
    }
    return replaced(
        block("# /etc/nginx/conf.d/teamclaude.conf"),
        {
            "listen 443 ssl": f"listen {listen} ssl",
            "/etc/nginx/pool.example.crt": cert,
            "/etc/nginx/pool.example.key": key,
            **hosts,
        },
    )
