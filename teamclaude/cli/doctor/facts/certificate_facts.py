"""Our own certificates: that of proxy.tls, and those of first-party mode; read, never made."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Optional

from ....accounts.config.config import Config, TlsConfig
from ....dial.trust import trust_itself
from ....errors import ConfigError
from ....proxy.connect.certificates import NO_CHECK_TIME, ca_file, read_plan, shown_certificate, tls_directory
from ....proxy.connect.openssl import find_openssl
from ....values import NamedTuple
from ...claude_code.settings_files import bytes_of
from ..subject import Subject

__all__ = ["CertificateFacts", "FirstPartyFacts", "TlsFacts", "certificate_facts"]


class TlsFacts(NamedTuple):
    """The certificate of proxy.tls; times in epoch seconds."""

    path: str
    problem: str = ""
    names: tuple[str, ...] = ()
    begins_at: float = 0.0
    ends_at: float = 0.0


class FirstPartyFacts(NamedTuple):
    """`served`: for each host the end of its certificate; `unserved`: hosts without a valid one."""

    directory: str
    problem: str = ""
    served: tuple[tuple[str, float], ...] = ()
    unserved: tuple[str, ...] = ()
    is_trusted: bool = True  # ca.pem has the authorities in force
    has_openssl: bool = True


class CertificateFacts(NamedTuple):
    """None for what is switched off."""

    tls: Optional[TlsFacts] = None
    first_party: Optional[FirstPartyFacts] = None


def certificate_facts(subject: Subject, config: Config) -> CertificateFacts:
    """Return what is there."""
    tls = config.proxy.tls
    return CertificateFacts(
        _tls_facts(tls) if tls else None,
        _first_party_facts(subject, config) if config.proxy.forward else None,
    )


def _tls_facts(tls: TlsConfig) -> TlsFacts:
    for key, path in (("cert", tls.cert), ("key", tls.key)):
        try:
            data = bytes_of(Path(path))
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or error
            return TlsFacts(tls.cert, f"proxy.tls.{key}: {path} can't be read ({why})")
        if key == "cert":
            chain = data.decode("ascii", "replace")
    try:
        shown = _shown(chain, tls)
        return TlsFacts(
            tls.cert,
            "",
            tuple(name for kind, name in shown.get("subjectAltName", ()) if kind in ("DNS", "IP Address")),
            ssl.cert_time_to_seconds(shown["notBefore"]),
            ssl.cert_time_to_seconds(shown["notAfter"]),
        )
    except ssl.SSLError as error:
        return TlsFacts(tls.cert, f"proxy.tls can't be used: {error.reason or error}")
    except (ValueError, KeyError, OSError, TypeError) as error:
        return TlsFacts(tls.cert, f"proxy.tls can't be used: {type(error).__name__}")


def _shown(chain: str, tls: TlsConfig) -> Any:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    trust_itself(client, chain)
    client.verify_flags = ssl.VerifyFlags(int(client.verify_flags) | NO_CHECK_TIME)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Without a password OpenSSL would ask on the terminal.
    server.load_cert_chain(tls.cert, tls.key, password=lambda: b"")
    return shown_certificate(client, server)


def _first_party_facts(subject: Subject, config: Config) -> FirstPartyFacts:
    directory = tls_directory(subject.path)
    facts = FirstPartyFacts(str(directory), has_openssl=_has_openssl())
    hosts = frozenset(host.lower() for host in config.proxy.forward_hosts)
    try:
        plan = read_plan(directory, hosts, subject.now)
        trusted = bytes_of(ca_file(subject.path)).decode("ascii", "replace") if plan.trusted else ""
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        return facts._replace(problem=f"the certificates in {directory} can't be read ({why})")
    return facts._replace(
        served=tuple((host, each.not_after) for host, each in plan.served.items()),
        unserved=tuple(sorted(hosts - plan.served.keys())),
        is_trusted=all(each.authority.strip() in trusted for each in plan.trusted),
    )


def _has_openssl() -> bool:
    try:
        return bool(find_openssl())
    except ConfigError:
        return False
