"""The proxies whose word on a caller's address is taken (proxy.trustedProxies), and what they say.

1. A chain of addresses is read from its end, where the proxy next to us has appended: the first one that is
   not of a trusted proxy is the caller.  What stands before it may be invented by the caller.
2. X-Forwarded-For counts; Forwarded (RFC 7239) only without it, because a proxy that appends to one passes
   on the other as the caller sent it.
3. IPv4 addresses and networks written as IPv6 (::ffff:10.0.0.0/104) are what they stand for.
4. An entry that is no address (`unknown`, a name) ends the reading: the last address before it counts.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Optional, Union

from ..http.head import RequestHead
from ..net.peer_user import parse_ip

__all__ = ["TrustedProxies"]

MAX_HOPS = 32  # that are read of a chain
MAX_KNOWN = 1024  # addresses whose answer is remembered
MAPPED_BITS = 96  # before the IPv4 address in a v4-mapped one (RFC 4291 2.5.5.2)
Network = Union[ipaddress.IPv4Network, ipaddress.IPv6Network]


class TrustedProxies:
    """The addresses and networks of the setting; raises ValueError for what is neither."""

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [_network_of(network) for network in networks]
        self._known: dict[str, bool] = {}

    def covers(self, host: str) -> bool:
        """Return whether this IP literal is a trusted proxy's."""
        if not self._networks:
            return False
        known = self._known.get(host)
        if known is None:
            known = self._is_covered(host)
            if len(self._known) < MAX_KNOWN:
                self._known[host] = known
        return known

    def _is_covered(self, host: str) -> bool:
        try:
            address = parse_ip(host)
        except ValueError:
            return False
        return any(address.version == each.version and address in each for each in self._networks)

    def caller_of(self, head: RequestHead, peer_ip: str) -> str:
        """Return the address a request comes from; `peer_ip` is that of the connection."""
        caller = peer_ip
        if not self.covers(peer_ip):
            return caller
        for entry in _chain(head):
            address = _address_of(entry)
            if address is None:
                break
            caller = address
            if not self.covers(address):
                break
        return caller


def _network_of(text: str) -> Network:
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < MAPPED_BITS:
        return network
    return ipaddress.ip_network((mapped, network.prefixlen - MAPPED_BITS))


def _chain(head: RequestHead) -> Iterator[str]:
    """Yield the entries that proxies have appended, the last one first."""
    if "x-forwarded-for" in head:
        yield from _last_first(head.get_all("x-forwarded-for"))
        return
    # Split at every comma: no address has one, and a quote that a caller left open must not reach further.
    for element in _last_first(head.get_all("forwarded")):
        pairs = (pair.partition("=") for pair in element.split(";"))
        yield next((value for name, _, value in pairs if name.strip().lower() == "for"), "")


def _last_first(values: Sequence[str]) -> list[str]:
    # What is left over of a longer chain is no address, so the reading ends there.
    return ",".join(values).rsplit(",", MAX_HOPS)[::-1]


def _address_of(entry: str) -> Optional[str]:
    """Return the address of `192.0.2.1`, `192.0.2.1:80`, `"[2001:db8::1]:80"` or `2001:db8::1`."""
    text = entry.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return str(parse_ip(text))
    except ValueError:
        return None
