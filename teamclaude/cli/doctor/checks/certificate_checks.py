"""Findings about our own certificates, and the names by which clients come.  Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ....dial.no_proxy import address_of
from ..finding import RESTART, Finding, Group, Kind, Level

if TYPE_CHECKING:
    from ..facts.certificate_facts import CertificateFacts, FirstPartyFacts, TlsFacts

__all__ = ["check_certificates"]

TLS = Kind("certificates.tls", Level.ERROR, "A server refuses to start with it.")
TLS_ENDED = Kind("certificates.tls-ended", Level.ERROR, "Clients refuse the proxy.")
TLS_ENDS = Kind("certificates.tls-ends", Level.WARNING, "Clients refuse the proxy from then on.")
TLS_NAME = Kind("certificates.tls-name", Level.WARNING, "Claude Code refuses a certificate for other names.")
UNREADABLE = Kind("certificates.first-party", Level.ERROR, "First-party mode can't be served.")
UNSERVED = Kind("certificates.not-made", Level.WARNING, "A server makes it when it starts.")
NO_OPENSSL = Kind(
    "certificates.no-openssl", Level.ERROR, "The certificate of first-party mode is made with it."
)
NOT_TRUSTED = Kind("certificates.not-trusted", Level.WARNING, "Clients that start now refuse what is served.")

ENDS_SOON_SEC = 21 * 86400.0


def check_certificates(facts: CertificateFacts, urls: Sequence[str], now: float) -> Group:
    """Return what is wrong; `urls` are the addresses by which clients come to this proxy."""
    found: list[Finding] = []
    parts = []
    if facts.tls is not None:
        found += _tls(facts.tls, urls, now)
        parts.append(f"TLS until {_day(facts.tls.ends_at)}" if facts.tls.ends_at else "TLS")
    if facts.first_party is not None:
        found += _first_party(facts.first_party)
        ends = min((end for _, end in facts.first_party.served), default=0.0)
        parts.append(f"first-party mode until {_day(ends)}" if ends else "first-party mode")
    return Group("certificates", ", ".join(parts) or "none needed", found)


def _tls(facts: TlsFacts, urls: Sequence[str], now: float) -> Iterator[Finding]:
    if facts.problem:
        yield TLS.found(facts.problem, "proxy.tls needs a chain and its key as PEM files, without a password")
        return
    renew = f"renew {facts.path}, then: {RESTART}"
    if not facts.begins_at <= now < facts.ends_at:
        when = f"from {_day(facts.begins_at)} to {_day(facts.ends_at)}"
        yield TLS_ENDED.found(f"the certificate {facts.path} is valid only {when}", renew)
    elif facts.ends_at - now < ENDS_SOON_SEC:
        days = int((facts.ends_at - now) / 86400)
        yield TLS_ENDS.found(f"the certificate {facts.path} ends in {days} days", renew)
    for host in dict.fromkeys(urlsplit(url).hostname or "" for url in urls):
        if host and not any(covers(name, host) for name in facts.names):
            names = ", ".join(facts.names[:5]) or "no name"
            yield TLS_NAME.found(
                f"clients come to {host}, and the certificate is for {names}",
                f"get a certificate for {host}, or lead clients to one of its names",
            )


def covers(name: str, host: str) -> bool:
    """Return whether a name of a certificate covers a host (RFC 6125: one label for a leading `*`)."""
    address = address_of(host)
    if address is not None:
        return address_of(name) == address
    name, host = name.lower().rstrip("."), host.lower().rstrip(".")
    if name.startswith("*."):
        return name[1:] == host[host.find(".") :] and "." in host
    return name == host


def _first_party(facts: FirstPartyFacts) -> Iterator[Finding]:
    if facts.problem:
        yield UNREADABLE.found(facts.problem, f"remove {facts.directory}; a server that starts makes it anew")
        return
    if facts.unserved and not facts.has_openssl:
        yield NO_OPENSSL.found(
            "the openssl program is not on the PATH", "apt install openssl, or set proxy.forward to false"
        )
    elif facts.unserved:
        yield UNSERVED.found(
            f"there is no valid certificate for {', '.join(facts.unserved)}", f"{RESTART} (or server)"
        )
    if not facts.is_trusted:
        yield NOT_TRUSTED.found(
            f"{facts.directory}/ca.pem lacks the authority that is in force", f"{RESTART} (or server)"
        )


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
