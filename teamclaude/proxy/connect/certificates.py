"""The certificate files of first-party mode, beside the config file, and the TLS contexts made of them.

    teamclaude.tls/           mode 0700
      ca.pem                  what clients trust: the authorities, without their keys
      ca-….pem                the same and what a client trusted before, for one client that has such a file
      server-….pem            one generation: server key, its certificate, the authority's certificate
      lock                    one process at a time changes these files

Rules:
1. A generation is one file, written once: key and certificate can't be of different ones.
2. ca.pem says nothing of its own: it is written again from the generations whenever it differs.
3. Files are replaced as a whole, under the lock, after reading them again.
4. A file that can't be used (cut, other key, damaged) is dropped, and a new generation is made.
"""

from __future__ import annotations

import re
import secrets
import ssl
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from time import gmtime, strftime
from typing import Any, Optional

from ...accounts.config.atomic_write import write_private
from ...accounts.config.config_file import path_beside
from ...accounts.config.file_lock import FileLock
from ...errors import ConfigError
from ...values import NamedTuple
from ..net.tls_io import prepare_context
from .certificate_plan import BACKDATED_SEC, LIFETIME_SEC, Generation, Plan, plan_certificates
from .combined_ca import CERTIFICATE, outdated_files
from .openssl import CertificateAuthority

__all__ = [
    "Certificates",
    "ca_file",
    "ensure_certificates",
    "read_plan",
    "server_context",
    "shown_certificate",
    "tls_directory",
]

LOCK_TIMEOUT_SEC = 60.0  # the holder runs six commands of openssl
MAX_FILE_BYTES = 65536
NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME of OpenSSL: dates are compared with our own clock
# RFC 952 and 1123: letters, digits and hyphens.  Anything else would be syntax in openssl's configuration.
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


class Certificates(NamedTuple):
    """The files in force; a value that differs from the last one asks for a new `server_context`."""

    ca_file: Path  # what clients trust
    served: tuple[tuple[str, Path], ...]  # for each host the file with the key and the certificate


def tls_directory(config: Path) -> Path:
    """Return the directory of the certificates: `X.json` -> `X.tls`, in the same directory."""
    return path_beside(config, "tls")


def ca_file(config: Path) -> Path:
    """Return the file with the authorities that clients must trust (NODE_EXTRA_CA_CERTS)."""
    return tls_directory(config) / "ca.pem"


def ensure_certificates(
    directory: Path,
    hosts: Iterable[str],
    now: float,
    make: Callable[..., CertificateAuthority] = CertificateAuthority,
    warn: Callable[[str], None] = lambda line: None,
) -> Certificates:
    """Make, renew and drop what is due at `now` (epoch seconds) and return what is in force.

    `hosts` are the names whose TLS is opened.  Costs a few milliseconds when nothing is due, about 50 when a
    generation is made.  Safe to call from several threads and processes.  Raise ConfigError in one line;
    `warn` gets that line instead while all hosts have a certificate that is valid and trusted.
    """
    wanted = frozenset(_checked_host(host) for host in hosts)
    if not wanted:
        raise ConfigError(
            "first-party mode needs a host whose connections it opens: proxy.forwardHosts is empty"
        )
    try:
        plan = read_plan(directory, wanted, now)
        if not _is_carried_out(plan, directory):
            with FileLock(str(directory / "lock"), LOCK_TIMEOUT_SEC):
                plan = _carry_out(directory, wanted, now, make)
    except (ConfigError, OSError) as error:  # TimeoutError of the lock, too
        failure = _failure(error, directory)
        plan = _usable(directory, wanted, now, failure)
        end = min(each.not_after for each in plan.served.values())
        warn(f"{failure} (the present one is used until {strftime('%Y-%m-%d', gmtime(end))})")
    served = tuple((host, directory / generation.name) for host, generation in plan.served.items())
    return Certificates(directory / "ca.pem", served)


def server_context(certificates: Certificates) -> ssl.SSLContext:
    """Return a context that shows each host its certificate; raise ConfigError if a file can't be used.

    TLS 1.2 or later, HTTP/1.1 (ALPN), sessions can be resumed by tickets.
    """
    contexts = {path: _context_of(path) for _, path in certificates.served}
    by_host = {host: contexts[path] for host, path in certificates.served}
    first = contexts[certificates.served[0][1]]
    if len(contexts) > 1:

        def choose(connection: ssl.SSLObject, name: Optional[str], _: ssl.SSLContext) -> None:
            connection.context = by_host.get(name or "", first)

        first.sni_callback = choose
    return first


def _checked_host(host: str) -> str:
    name = host.lower()
    # One label is a top-level domain or a private name: its authority could sign for everything below it.
    if not _HOST.fullmatch(name) or ("." not in name and name != "localhost") or name[-1].isdigit():
        raise ConfigError(f"no certificate can be made for {host!r}: it is not the full name of a host")
    return name


def _failure(error: Exception, directory: Path) -> ConfigError:
    if isinstance(error, OSError):
        where, reason = error.filename or directory, error.strerror or str(error)
        return ConfigError(f"the certificates of first-party mode: {where}: {reason}")
    return ConfigError(str(error))


# --- the files ----------------------------------------------------------------------------------------


def _usable(directory: Path, hosts: frozenset[str], now: float, failure: ConfigError) -> Plan:
    """Return the plan of the files as they are, if clients can use them; else raise `failure`."""
    try:
        plan, trusted = read_plan(directory, hosts, now), _read_text(directory / "ca.pem")
    except OSError:
        raise failure from None
    if set(plan.served) != hosts or any(each.authority not in trusted for each in plan.served.values()):
        raise failure
    return plan


def read_plan(directory: Path, hosts: frozenset[str], now: float) -> Plan:
    """Return what follows from the files in `directory`, without a change.  Raises OSError."""
    found = [_read_generation(path) for path in sorted(directory.glob("server-*.pem"))]
    return plan_certificates([each for each in found if each is not None], hosts, now)


def _is_carried_out(plan: Plan, directory: Path) -> bool:
    if plan.must_make:
        return False
    if {path.name for path in directory.glob("server-*.pem")} != {each.name for each in plan.trusted}:
        return False
    is_current = _read_text(directory / "ca.pem") == _bundle(plan)
    return is_current and not any(outdated_files(directory, _bundle(plan).encode("ascii")))


def _carry_out(
    directory: Path, hosts: frozenset[str], now: float, make: Callable[..., CertificateAuthority]
) -> Plan:
    directory.chmod(0o700)
    for left_over in directory.glob(".work-*"):  # of a process that was killed
        rmtree(left_over, ignore_errors=True)
    plan = read_plan(directory, hosts, now)
    if plan.must_make:
        _make_generation(directory, sorted(hosts), now, make)
        plan = read_plan(directory, hosts, now)
        if plan.must_make:
            raise ConfigError(f"openssl made a certificate in {directory} that can't be used")
    # First what clients trust, then what is no longer served.
    if _read_text(directory / "ca.pem") != _bundle(plan):
        write_private(str(directory / "ca.pem"), _bundle(plan).encode("ascii"))
    for path, content in outdated_files(directory, _bundle(plan).encode("ascii")):
        write_private(str(path), content)
    kept = {each.name for each in plan.trusted}
    for path in directory.glob("server-*.pem"):
        if path.name not in kept:
            path.unlink()
    return plan


def _make_generation(
    directory: Path, hosts: Sequence[str], now: float, make: Callable[..., CertificateAuthority]
) -> None:
    start = now - BACKDATED_SEC
    with make(hosts, start, start + LIFETIME_SEC, str(directory)) as authority:
        server = authority.issue(hosts)
        text = server.key + server.certificate + authority.certificate
    write_private(str(directory / f"server-{secrets.token_hex(4)}.pem"), text.encode("ascii"))


def _bundle(plan: Plan) -> str:
    return "".join(each.authority for each in plan.trusted)


def _read_text(path: Path) -> str:
    """Return a file's text; empty if there is none.  Raises other OSErrors."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode("ascii", "replace")
    except FileNotFoundError:
        return ""


# --- reading certificates: the standard library verifies them, and tells their fields ----------------------


def _read_generation(path: Path) -> Optional[Generation]:
    """Return what the file holds; None unless its key, certificate and authority belong together."""
    blocks = CERTIFICATE.findall(_read_text(path))
    if len(blocks) != 2:
        return None
    try:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname = False  # all its names are compared instead
        client.load_verify_locations(cadata=blocks[1])
        client.verify_flags = ssl.VerifyFlags(int(client.verify_flags) | NO_CHECK_TIME)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(str(path))
        shown: Any = shown_certificate(client, server)
        return Generation(
            path.name,
            frozenset(name for kind, name in shown["subjectAltName"] if kind == "DNS"),
            ssl.cert_time_to_seconds(shown["notBefore"]),
            ssl.cert_time_to_seconds(shown["notAfter"]),
            blocks[1],
        )
    except (ssl.SSLError, ValueError, KeyError):
        return None


def shown_certificate(client: ssl.SSLContext, server: ssl.SSLContext) -> Any:
    """Return the server's certificate as the client sees it, after a handshake in memory.

    Raises ssl.SSLError if the client does not trust it.
    """
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(4):  # flights, at most
        for end in ends:
            with suppress(ssl.SSLWantReadError):
                end.do_handshake()
    return ends[0].getpeercert()


def _context_of(path: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(str(path))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{path} can't be used: {error}") from error
    prepare_context(context)
    return context
