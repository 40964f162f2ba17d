"""What to type to reach a server that listens here: on this machine, and on others.  No packet is sent."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Optional

from ...accounts.config.config import ProxyConfig
from ...dial.authority import authority, reachable_host
from ...dial.no_proxy import is_loopback
from ...values import NamedTuple

__all__ = ["Listening", "lan_address", "reach_lines", "shown_urls"]

# Addresses of documentation (RFC 5737, RFC 3849): a UDP socket that is connected to one sends nothing, and
# says by which address of this machine a packet would leave.
_ELSEWHERE = {"0.0.0.0": (socket.AF_INET, "192.0.2.1"), "::": (socket.AF_INET6, "2001:db8::1")}
LanAddress = Callable[[str], Optional[str]]


class Listening(NamedTuple):
    """A server: the host it was told to listen on, its port, and the URLs of its sockets."""

    host: str
    port: int
    urls: tuple[str, ...]

    @property
    def is_wildcard(self) -> bool:
        """Whether it listens on all addresses of the machine."""
        return self.host.strip("[]") in _ELSEWHERE


def lan_address(wildcard: str) -> Optional[str]:
    """Return this machine's address on its network, of the family of `wildcard`; None if there is none."""
    family, elsewhere = _ELSEWHERE[wildcard]
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect((elsewhere, 9))
            found = str(sock.getsockname()[0])
    except OSError:
        return None
    return None if is_loopback(found) else found


def shown_urls(listening: Listening, lan: LanAddress = lan_address) -> list[str]:
    """Return the URLs by which the server can be reached; of all addresses the two that matter."""
    if not listening.is_wildcard:
        return list(listening.urls)
    wildcard = listening.host.strip("[]")
    scheme = listening.urls[0].partition("://")[0]
    outside = lan(wildcard)
    hosts = [reachable_host(wildcard), *([outside] if outside else [])]
    return [f"{scheme}://{authority(host, listening.port)}" for host in hosts]


def reach_lines(
    listening: Listening, config: ProxyConfig, path: str, lan: LanAddress = lan_address
) -> list[str]:
    """Return what clients type here and elsewhere, and where their keys are; `path`: the config file."""
    urls = shown_urls(listening, lan)
    lines = _here(listening, config, urls[0], path)
    if is_loopback(listening.host) and not listening.is_wildcard:
        return lines
    return [*lines, *_elsewhere(listening, config, urls, path)]


def _here(listening: Listening, config: ProxyConfig, url: str, path: str) -> list[str]:
    """Return the lines for this machine: the config file leads its commands, unless --host does not."""
    if _is_where_the_config_says(listening, config):
        port = "" if listening.port == config.port else f" --port {listening.port}"
        return [
            f"run Claude Code through it: teamclaude run{port}",
            f'   or: eval "$(teamclaude env{port})"; claude',
        ]
    trust = f" --ca-file {config.tls.cert}" if config.tls else ""
    return [
        f"run Claude Code through it: TEAMCLAUDE_KEY=... teamclaude run --url {url}{trust}",
        f"   the key is proxy.apiKey in {path}; without --url with proxy.host set there",
    ]


def _is_where_the_config_says(listening: Listening, config: ProxyConfig) -> bool:
    """Return whether the address that commands take from the config file leads to this server."""
    host, configured = listening.host.strip("[]"), config.host.strip("[]")
    if host == configured:
        return True
    by_v4 = ("localhost", "127.0.0.1", "0.0.0.0")
    # `localhost` is 127.0.0.1 in the URL that claude gets.
    reached = {"0.0.0.0": by_v4, "127.0.0.1": by_v4, "localhost": by_v4, "::": ("::1",), "::1": ("::",)}
    return configured in reached.get(host, ())


def _elsewhere(listening: Listening, config: ProxyConfig, urls: list[str], path: str) -> list[str]:
    """Return the lines for other machines."""
    scheme = urls[0].partition("://")[0]
    lines = ["on other machines: with a key of proxy.clients (teamclaude help machines)"]
    if listening.is_wildcard and len(urls) == 1:
        lines.append("   no address of this machine that others know is known here")
    else:
        trust = " TEAMCLAUDE_CA_FILE=cert.pem" if config.tls else ""
        lines.append(f"   TEAMCLAUDE_URL={urls[-1]} TEAMCLAUDE_KEY=...{trust} teamclaude run")
    name = socket.gethostname()
    if listening.is_wildcard and name:
        lines.append(f"   or, where this machine's name is known: {scheme}://{name}:{listening.port}")
    if not config.clients:
        lines.append(f"   there is no such key yet in {path}; proxy.apiKey is yours, and may do all")
    if config.tls is None:
        lines.append("   plain http: keys and prompts can be read on the network (proxy.tls)")
    return lines
