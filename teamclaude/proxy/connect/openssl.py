"""Make a certificate authority and its server certificates with the openssl program.

Written for what OpenSSL 1.1.1, OpenSSL 3 and LibreSSL (macOS) have in common: all that differs between them
(-addext, -not_before, rand_serial, -copy_extensions) is avoided by a configuration file, and `openssl ca` is
what sets both dates in all of them.

Private keys go through pipes (standard input and output) and never onto the disk, except on Windows, which
has no /dev/stdin: there they are in the private work directory until the command has ended.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Optional

from ...errors import ConfigError
from ...programs import find_program
from ...values import NamedTuple

__all__ = ["CertificateAuthority", "IssuedCertificate", "find_openssl"]

TIME_LIMIT_SEC = 20.0  # for one command, which takes a few milliseconds
MAX_REASON_LENGTH = 200

_CONFIGURATION = """\
[req]
distinguished_name = name
prompt = no
string_mask = utf8only
[name]
O = TeamClaude
CN = {common_name}
[ca]
default_ca = authority
[authority]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
unique_subject = no
[policy]
organizationName = supplied
commonName = supplied
[authority_extensions]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
nameConstraints = critical,@constraints
[constraints]
{constraints}
excluded;IP.0 = 0.0.0.0/0.0.0.0
excluded;IP.1 = 0:0:0:0:0:0:0:0/0:0:0:0:0:0:0:0
[server_extensions]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
subjectAltName = @names
[names]
{names}
"""


class IssuedCertificate(NamedTuple):
    """A server certificate and its private key, both PEM."""

    key: str
    certificate: str


class CertificateAuthority:
    """A new authority that can sign for `hosts` and names below them; `certificate` is its PEM.

    Its key exists in this object alone and ends with it.  `not_before` and `not_after` are epoch seconds, of
    its certificate and of those that it issues.  It works in a directory of its own inside of `directory`,
    which must exist and be private.  Raise ConfigError with a one-line reason, or OSError from the directory.
    """

    def __init__(
        self,
        hosts: Sequence[str],
        not_before: float,
        not_after: float,
        directory: str,
        program: Optional[str] = None,
        time_limit_sec: float = TIME_LIMIT_SEC,
    ) -> None:
        self._program = program or find_openssl()
        self._time_limit_sec = time_limit_sec
        self._hosts = hosts
        self._dates = ("-startdate", _asn1_time(not_before), "-enddate", _asn1_time(not_after))
        self._work = tempfile.mkdtemp(prefix=".work-", dir=directory)
        try:
            self._write("index", "")
            self._write("serial", f"{secrets.randbits(126) | 1 << 126:032x}\n")
            self._write("openssl.cnf", "")
            self._key = self._new_key()
            name = f"TeamClaude local CA {secrets.token_hex(4)}"
            self.certificate = self._sign(self._key, name, hosts, "-selfsign")
            self._write("authority.pem", self.certificate)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> CertificateAuthority:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Forget the key and remove the work directory."""
        self._key = ""
        shutil.rmtree(self._work, ignore_errors=True)

    def issue(self, hosts: Sequence[str]) -> IssuedCertificate:
        """Return a certificate for `hosts`; a client refuses it for a host that is not the authority's."""
        key = self._new_key()
        return IssuedCertificate(
            key, self._sign(key, "TeamClaude API proxy", hosts, "-cert", "authority.pem")
        )

    def _new_key(self) -> str:
        return self._run("ecparam", "-name", "prime256v1", "-genkey", "-noout")

    def _sign(self, key: str, common_name: str, names: Sequence[str], *issuer: str) -> str:
        self._write(
            "openssl.cnf",
            _CONFIGURATION.format(
                common_name=common_name,
                constraints=_numbered("permitted;DNS", self._hosts),
                names=_numbered("DNS", names),
            ),
        )
        request = self._run("req", "-new", "-config", "openssl.cnf", "-key", key=key)
        self._write("request.pem", request)
        extensions = "authority_extensions" if issuer[0] == "-selfsign" else "server_extensions"
        options = ("-batch", "-notext", "-config", "openssl.cnf", "-in", "request.pem", *self._dates)
        return self._run("ca", *options, "-extensions", extensions, *issuer, "-keyfile", key=self._key)

    def _run(self, *arguments: str, key: str = "") -> str:
        """Return what a command prints; a private key is the file its last argument asks for."""
        command = [self._program, *arguments]
        as_file = bool(key) and sys.platform == "win32"
        if key:
            command.append("key.pem" if as_file else "/dev/stdin")
        if as_file:
            self._write("key.pem", key)
        try:
            # OPENSSL_CONF: what the system's configuration, or the user's, adds is not wanted here.
            done = subprocess.run(
                command,
                input="" if as_file else key,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=self._time_limit_sec,
                cwd=self._work,
                env={**os.environ, "OPENSSL_CONF": os.path.join(self._work, "openssl.cnf")},
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ConfigError(
                f"{self._program} {arguments[0]} did not end within {self._time_limit_sec:g} s; "
                "it makes the certificate of first-party mode"
            ) from None
        except OSError as error:
            raise ConfigError(f"{self._program} can't be started: {error.strerror or error}") from error
        finally:
            if as_file:
                os.unlink(os.path.join(self._work, "key.pem"))
        if done.returncode != 0 or "-----BEGIN" not in done.stdout:
            raise ConfigError(f"{self._program} {arguments[0]} failed: {_reason(done.stderr)}")
        return done.stdout[done.stdout.index("-----BEGIN") :]

    def _write(self, name: str, text: str) -> None:
        with open(os.path.join(self._work, name), "w", encoding="ascii", newline="\n") as file:
            file.write(text)


def find_openssl() -> str:
    """Return the path of the openssl program; raise ConfigError that says how to get it."""
    found = find_program("openssl")
    if found:
        return os.path.abspath(found)
    how = {
        "darwin": "brew install openssl",
        "win32": "winget install ShiningLight.OpenSSL.Light (and add its bin directory to PATH)",
    }.get(sys.platform, "apt install openssl, or your system's package of that name")
    raise ConfigError(
        f"first-party mode needs the openssl program to make its certificate: {how}; "
        "or switch the mode off (proxy.forward: false)"
    )


def _numbered(kind: str, values: Sequence[str]) -> str:
    return "\n".join(f"{kind}.{number} = {value}" for number, value in enumerate(values))


def _asn1_time(seconds: float) -> str:
    # RFC 5280, 4.1.2.5: UTCTime through the year 2049, GeneralizedTime from then on; LibreSSL insists on it.
    when = time.gmtime(seconds)
    return time.strftime("%y%m%d%H%M%SZ" if when.tm_year < 2050 else "%Y%m%d%H%M%SZ", when)


def _reason(output: str) -> str:
    """Return the first line of openssl's complaints: details of its own code follow."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Using configuration from")]
    return telling[0][:MAX_REASON_LENGTH] if telling else "it says nothing about the reason"
