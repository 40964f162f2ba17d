"""What a CONNECT asks for and what becomes of it: opened, passed on as it is, or refused.  Pure.

Rules that hold in this file:

1. The target is `host:port` and nothing else; a host that programs read differently (numbers in place of an
   IPv4 address, as inet_aton takes them) is refused, never interpreted.
2. Only the configured hosts, on port 443, are opened; one of these on another port is passed on as it is.
3. A CONNECT has no body: its bytes would be the first ones of the tunnel for another program.
4. Where a tunnel may end is decided by the address that is dialled, not by a name: `is_public`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from ...accounts.config.config import ProxyConfig
from ...dial.authority import authority
from ...dial.no_proxy import IpAddress
from ...errors import BadRequestError, ForbiddenError
from ...values import NamedTuple
from ..http.framing import request_framing
from ..http.head import RequestHead

__all__ = ["HTTPS_PORT", "ConnectTarget", "connect_target", "is_near", "is_public", "parse_target"]

HTTPS_PORT = 443

# RFC 9110 7.2: a port is needed; the head parser has checked the characters.
_TARGET = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9A-Za-z._-]+)):([0-9]+)")
# A last label of this form makes a number of the whole name (WHATWG URL, 3.5 "ends in a number").
_NUMERIC = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")
_DOTTED_QUAD = re.compile(r"(?:(?:0|[1-9][0-9]{0,2})\.){3}(?:0|[1-9][0-9]{0,2})")

# What the IANA registries of special-purpose addresses list, and multicast (RFC 6890, RFC 5735, RFC 5771).
_NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
    )
)
_GLOBAL_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)
# RFC 6052: on a network without IPv4 the resolver gives IPv4 hosts these addresses.
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class ConnectTarget(NamedTuple):
    """The host of a CONNECT: in lower case, without a final dot and without brackets."""

    host: str
    port: int
    opened: bool  # its TLS is opened, and the requests inside are served

    def __str__(self) -> str:
        return authority(self.host, self.port)


def connect_target(head: RequestHead, config: ProxyConfig) -> ConnectTarget:
    """Return what this CONNECT asks for; raises ForbiddenError if none is served, or BadRequestError."""
    if not config.forward:
        raise ForbiddenError(
            'CONNECT is off: set "proxy": {"forward": true} in the config file to use this proxy as '
            "HTTPS_PROXY (teamclaude help security)"
        )
    if "transfer-encoding" in head or request_framing(head).length:
        raise BadRequestError("a CONNECT has no body")
    return parse_target(head.target, config.forward_hosts)


def parse_target(target: str, opened_hosts: Iterable[str]) -> ConnectTarget:
    """Return the host and port of `host:port`; raises BadRequestError."""
    found = _TARGET.fullmatch(target)
    if found is None:
        raise BadRequestError("the target of CONNECT is not 'host:port'")
    port = int(found[3])
    if not 0 < port < 65536:
        raise BadRequestError("the port of CONNECT is not one of 1 to 65535")
    host = _v6_host(found[1]) if found[1] else _named_host(found[2])
    opened = port == HTTPS_PORT and host in {name.lower().rstrip(".") for name in opened_hosts}
    return ConnectTarget(host, port, opened)


def _v6_host(text: str) -> str:
    try:
        return str(ipaddress.IPv6Address(text))
    except ValueError:
        raise BadRequestError("the host of CONNECT is no IPv6 address") from None


def _named_host(text: str) -> str:
    host = text.lower()
    if host.endswith("."):
        host = host[:-1]
    labels = host.split(".")
    if not all(labels) or max(map(len, labels)) > 63:
        raise BadRequestError("the host of CONNECT is no host name")
    if _NUMERIC.fullmatch(labels[-1]):
        try:
            if _DOTTED_QUAD.fullmatch(host):
                return str(ipaddress.IPv4Address(host))
        except ValueError:
            pass
        raise BadRequestError("the host of CONNECT is neither a name nor an address like 192.0.2.1")
    return host


def is_public(address: IpAddress) -> bool:
    """Return whether an IP address is one of the Internet: not this machine, its network or a group.

    An IPv6 address that stands for an IPv4 one counts as that one.
    """
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        elif address.ipv4_mapped is not None:
            address = address.ipv4_mapped
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _NOT_PUBLIC_V4)
    return address in _GLOBAL_UNICAST_V6 and not any(address in network for network in _NOT_PUBLIC_V6)


def is_near(address: IpAddress, own: IpAddress) -> bool:
    """Return whether an address is ours, or of our own IPv6 network, whose machines have public ones, too.

    That network is a /64 (RFC 4291, 2.5.4).  How many bits are the network in IPv4 the address does not say.
    """
    if isinstance(address, ipaddress.IPv6Address) and isinstance(own, ipaddress.IPv6Address):
        return int(address) >> 64 == int(own) >> 64
    return address == own
