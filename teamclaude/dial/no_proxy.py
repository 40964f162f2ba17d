"""Whether NO_PROXY names a host: pure functions of the variable's text.

No standard says how the list is written.  Read here are the spellings of curl, Go, Python and Node, and those
that people use elsewhere and expect to work:

    example.com  .example.com  *.example.com   the name and every name below it
    git-*.example.com  127.*  10.1.*           `*` stands for any text
    10.0.0.0/8  fd00::/8  10.0.0.0/255.0.0.0   the addresses of a network
    example.com:8443  [::1]:8443               one port only
    *                                          every host

Entries are separated by commas, semicolons or white space.  Upper case, trailing dots, brackets, a scheme in
front and the spelling of an IPv6 address make no difference.  No name is looked up: a network matches only a
host that is written as an address.
"""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Optional, Union

__all__ = ["IpAddress", "address_of", "is_exempt", "is_loopback"]

IpAddress = Union[IPv4Address, IPv6Address]

_SEPARATORS = re.compile(r"[,;\s]+")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://")
_PORT = re.compile(r"^(?P<host>\[.*\]|[^:]*):(?P<port>\d+)$")

_ADDRESSES = re.compile(r"[\d.*]+")  # `127.*` is not the name 127.example.com


def is_exempt(host: str, port: int, no_proxy: str) -> bool:
    """Return whether the list `no_proxy` names this host (a name or an address) and port."""
    name, address = _plain(host), address_of(host)
    entries = filter(None, _SEPARATORS.split(no_proxy.lower()))
    return any(_matches(_SCHEME.sub("", entry), name, address, port) for entry in entries)


def is_loopback(host: str) -> bool:
    """Return whether `host` is this machine: localhost, a name below it (RFC 6761, 6.3) or an address."""
    address = address_of(host)
    if address is not None:
        return address.is_loopback or address.is_unspecified
    name = _plain(host)
    return name == "localhost" or name.endswith(".localhost")


def address_of(host: str) -> Optional[IpAddress]:
    """Return the address that `host` is written as (an IPv4-mapped one as IPv4), None for a name."""
    try:
        address = ip_address(_plain(host).partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _plain(host: str) -> str:
    return host.lower().strip("[]").rstrip(".")


def _matches(entry: str, name: str, address: Optional[IpAddress], port: int) -> bool:
    if "/" in entry:
        base, _, rest = entry.partition("/")
        if rest:
            return address is not None and _is_in_network(address, f"{_plain(base)}/{rest}")
        entry = base  # `http://example.com/`
    limited = _PORT.match(entry)
    if limited is not None:
        entry = limited["host"]
        if int(limited["port"]) != port:
            return False
    wanted = _plain(entry)
    if wanted == "*":
        return True
    if address is not None:
        return address == address_of(wanted) or ("*" in wanted and fnmatchcase(str(address), wanted))
    domain = wanted[2:] if wanted.startswith("*.") else wanted.lstrip(".")
    if "*" in domain:
        return not _ADDRESSES.fullmatch(domain) and fnmatchcase(name, domain)
    return bool(domain) and (name == domain or name.endswith(f".{domain}"))


def _is_in_network(address: IpAddress, text: str) -> bool:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return False
    return address in network
