"""What tells a TLS socket from a plain one, while OpenSSL is not loaded: then no socket is a TLS socket."""

from __future__ import annotations

import socket
import sys
from typing import TYPE_CHECKING

from ..lazy_modules import ssl

if TYPE_CHECKING:
    from typing_extensions import TypeGuard

__all__ = ["is_tls", "tls_wants_read", "tls_wants_write", "would_block"]

_Errors = tuple[type[OSError], ...]


def is_tls(sock: socket.socket) -> TypeGuard[ssl.SSLSocket]:
    """Return whether a socket speaks TLS."""
    return "ssl" in sys.modules and isinstance(sock, ssl.SSLSocket)


def would_block() -> _Errors:
    """Return what says that a non-blocking socket can't go on now."""
    return (BlockingIOError, InterruptedError, *tls_wants_read(), *tls_wants_write())


def tls_wants_read() -> _Errors:
    """Return what says that TLS must receive something before it goes on."""
    return (ssl.SSLWantReadError,) if "ssl" in sys.modules else ()


def tls_wants_write() -> _Errors:
    """Return what says that TLS must send something before it goes on."""
    return (ssl.SSLWantWriteError,) if "ssl" in sys.modules else ()
