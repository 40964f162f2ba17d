"""Findings about the way to the API.  Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..finding import Finding, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.network_facts import NetworkFacts

__all__ = ["check_network"]

PROXY = Kind("network.proxy", Level.ERROR, "A server refuses to start: it would not know the way to the API.")
SPELLING = Kind(
    "network.proxy-spelling",
    Level.WARNING,
    "Programs disagree which of the two counts; the server obeys the lower-case one.",
)
NO_PROXY = Kind(
    "network.no-proxy-spelling",
    Level.WARNING,
    "Claude Code 2.1.332 obeys no_proxy before NO_PROXY, 2.1.112 the other way round.",
)
OWN = Kind("network.own-proxy", Level.NOTE, "A server that is started here does not use it.")
TRUST = Kind(
    "network.trust-file", Level.WARNING, "Who reads that variable refuses the certificates in question."
)
CA_FILE = Kind("network.ca-file", Level.ERROR, "No connection to the API can be made.")
NO_AUTHORITY = Kind("network.no-authority", Level.ERROR, "No certificate of the API can be verified.")


def check_network(facts: NetworkFacts) -> Group:
    """Return what is wrong with proxies and trusted authorities, as this shell has them."""
    way = f"through {facts.via}" if facts.via else "without a proxy"
    return Group("network", "" if facts.problem else f"to the API {way}", [*_proxies(facts), *_trust(facts)])


def _proxies(facts: NetworkFacts) -> Iterator[Finding]:
    if facts.problem:
        yield PROXY.found(facts.problem, "set it to http://HOST:PORT, or unset it (teamclaude help config)")
    for name in facts.differing:
        text = f"{name} and {name.upper()} are set and differ"
        if name == "no_proxy":
            yield NO_PROXY.found(text, 'export NO_PROXY="$no_proxy" (or the other way round)')
        else:
            yield SPELLING.found(text, f'export {name.upper()}="${name}" (or the other way round)')
    if facts.own:
        yield OWN.found(f"{' and '.join(facts.own)} of this shell leads to this proxy itself")


def _trust(facts: NetworkFacts) -> Iterator[Finding]:
    for file in facts.files:
        if file.problem:
            kind = CA_FILE if file.source == "upstreamCaFile" else TRUST
            text = f"{file.source}: {file.path} {file.problem}"
            yield kind.found(text, f"name a PEM file with certificates, or take {file.source} out")
    if facts.authorities == 0 and not facts.has_directory and not _has_own(facts):
        yield NO_AUTHORITY.found(
            "this Python finds no trusted authorities", "install ca-certificates, or set SSL_CERT_FILE"
        )


def _has_own(facts: NetworkFacts) -> bool:
    return any(file.certificates and file.source != "NODE_EXTRA_CA_CERTS" for file in facts.files)
