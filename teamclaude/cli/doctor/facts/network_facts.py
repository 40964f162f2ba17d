"""The way to the API: proxies, exclusions, and files of trusted authorities, as this shell has them."""

from __future__ import annotations

import re
import ssl
from pathlib import Path
from typing import Optional

from ....accounts.config.config import Config
from ....dial.proxies import proxy_for
from ....errors import ConfigError
from ....proxy.http.origin import parse_origin
from ....values import NamedTuple
from ...claude_code.settings_files import bytes_of
from ...own_proxy import drop_own_proxy
from ..subject import Subject

__all__ = ["NetworkFacts", "TrustFile", "network_facts"]

SPELLINGS = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")
TRUST_VARIABLES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS")
_CERTIFICATE = re.compile(rb"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")


class TrustFile(NamedTuple):
    """A file of authorities; `source` is the variable or setting that names it."""

    source: str
    path: str
    certificates: int = 0
    problem: str = ""


class NetworkFacts(NamedTuple):
    """`via` is the proxy on the way to the API, empty for none; `problem`: why it can't be told.

    `differing`: variables whose two spellings say different things; `own`: those that lead to this proxy
    itself; `authorities`: of the system, None if they can't be counted.
    """

    via: str = ""
    problem: str = ""
    differing: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    files: tuple[TrustFile, ...] = ()
    authorities: Optional[int] = None
    has_directory: bool = False


def network_facts(subject: Subject, config: Config) -> NetworkFacts:
    """Return what is set; no connection is made and no name looked up."""
    env = dict(subject.env)
    own = tuple(drop_own_proxy(env, config.proxy, subject.port or config.proxy.port))
    via = problem = ""
    try:
        origin = parse_origin(config.upstream)[0]
        proxy = proxy_for(origin.scheme, origin.host, origin.port, env, config.proxy_address)
        via = str(proxy) if proxy else ""
    except ConfigError as error:
        problem = str(error)
    named = [(name, env[name]) for name in TRUST_VARIABLES if env.get(name)]
    if config.upstream_ca_file:
        named.append(("upstreamCaFile", config.upstream_ca_file))
    files = tuple(_trust_file(source, path) for source, path in named)
    paths = ssl.get_default_verify_paths()
    return NetworkFacts(
        via,
        problem,
        tuple(name for name in SPELLINGS if _differ(env.get(name), env.get(name.upper()))),
        own,
        files,
        # OpenSSL would wait for a pipe, and read a device without end.
        None
        if any(file.problem and file.source == "SSL_CERT_FILE" for file in files)
        else _count_authorities(),
        any(place and Path(place).is_dir() for place in (paths.capath, paths.openssl_capath)),
    )


def _differ(one: Optional[str], other: Optional[str]) -> bool:
    return bool(one) and bool(other) and _entries(one) != _entries(other)


def _entries(text: Optional[str]) -> set[str]:
    return {entry for entry in re.split(r"[,;\s]+", (text or "").lower().rstrip("/")) if entry}


def _trust_file(source: str, path: str) -> TrustFile:
    try:
        data = bytes_of(Path(path).expanduser())
    except (OSError, ValueError) as error:
        return TrustFile(source, path, problem=f"can't be read ({getattr(error, 'strerror', None) or error})")
    count = len(_CERTIFICATE.findall(data))
    if not count:
        return TrustFile(source, path, problem="has no certificate (PEM)")
    try:
        ssl.create_default_context(cadata=data.decode("ascii", "replace"))
    except (ssl.SSLError, ValueError):
        return TrustFile(source, path, count, "has a certificate that is damaged")
    return TrustFile(source, path, count)


def _count_authorities() -> Optional[int]:
    try:
        return ssl.create_default_context().cert_store_stats()["x509_ca"]
    except (ssl.SSLError, OSError):
        return None
