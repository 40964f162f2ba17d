"""Clients that speak TLS to the proxy: its certificate, and their side of it."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path
from typing import NamedTuple

__all__ = ["ClientTls", "make_client_tls"]

_IGNORE_UNEXPECTED_EOF = 0x80  # the default of some versions of Python


class ClientTls(NamedTuple):
    """The files of `proxy.tls`, and what the clients trust."""

    certificate: Path
    key: Path
    context: ssl.SSLContext

    def wrap(self, sock: socket.socket) -> socket.socket:
        """Return the encrypted connection; one that ends without close_notify raises: it was cut."""
        return self.context.wrap_socket(sock, server_hostname="localhost", suppress_ragged_eofs=False)


def make_client_tls(directory: Path) -> ClientTls:
    """Make a certificate in `directory`; it takes openssl."""
    program = shutil.which("openssl")
    if program is None:
        raise FileNotFoundError("no openssl here to make a certificate with")
    certificate, key = directory / "cert.pem", directory / "key.pem"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = [program, "req", "-x509", *curve, *names, "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.create_default_context(cafile=str(certificate))
    context.options &= ~_IGNORE_UNEXPECTED_EOF
    return ClientTls(certificate, key, context)
