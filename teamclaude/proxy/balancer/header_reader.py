"""Take a PROXY header off a new connection, without a byte of what follows it.

Only for connections from trustedProxies.  Whether there is a header is told by the first bytes: no request
and no TLS handshake begins like one.  A proxy that sends none is asked for the address in the usual fields.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

from ...errors import ClientGoneError, RequestTimeoutError
from ...values import NamedTuple
from .proxy_header import MAX_HEADER_BYTES, header_size, named_caller

__all__ = ["Arrival", "take_proxy_header"]


class Arrival(NamedTuple):
    """What a connection begins with."""

    caller: str  # the address that a PROXY header names; "" without one
    data: bytes  # that were read and belong to the first request: nearly always none


def take_proxy_header(
    sock: socket.socket, deadline: float, monotonic: Callable[[], float] = time.monotonic
) -> Arrival:
    """Read a PROXY header, if there is one, until `deadline`.

    Bytes are looked at before they are taken: TLS must find all of its own in the socket.  Raises
    BadRequestError, RequestTimeoutError, or ClientGoneError.
    """
    taken = b""
    while True:
        seen = _peek(sock, MAX_HEADER_BYTES - len(taken), deadline - monotonic(), bool(taken))
        size = header_size(taken + seen) if seen else 0
        if size == 0:
            return Arrival("", taken)
        # What may yet become a header is taken: a second look would return the same bytes at once.
        wanted = len(seen) if size is None else size - len(taken)
        taken += sock.recv(min(wanted, len(seen)))
        if size is not None and len(taken) == size:
            return Arrival(named_caller(taken), b"")


def _peek(sock: socket.socket, most: int, seconds: float, begun: bool) -> bytes:
    """Return what can be read, b"" at the end of the connection or when nothing came in time."""
    try:
        sock.settimeout(max(seconds, 0.001))
        return sock.recv(most, socket.MSG_PEEK)
    except socket.timeout:
        if begun:
            raise RequestTimeoutError("the PROXY header did not arrive in time") from None
        return b""
    except OSError as error:
        raise ClientGoneError("the client closed its connection") from error
