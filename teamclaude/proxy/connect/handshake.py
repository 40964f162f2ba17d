"""The TLS of an opened tunnel: the handshake with our certificate, and what a failure means.

Rules that hold in this file:

1. The handshake has a limit of time as a whole, however its bytes trickle.
2. TLS is spoken on the client's socket itself.  Where that can't be, because bytes were received before the
   handshake or because the client speaks TLS to us already, a thread carries the bytes to a socket pair.
3. A client that does not trust our certificate says so in an alert; Claude Code gives no reason.  Measured:
   2.1.332 (native) resets the connection, 2.1.112 (Node 20) closes it, both once they have our certificate.
   A client that ends during a handshake looks the same.
"""

from __future__ import annotations

import socket
import threading
from typing import Optional

from ...dial.socket_pair import through_pair
from ...dial.tls_sockets import is_tls
from ...lazy_modules import ssl

__all__ = ["BrokenOffError", "TlsSocket", "accept_tls", "handshake_failure"]

RELAY_END_SEC = 5.0  # for the last bytes of a connection that is being closed


class BrokenOffError(OSError):
    """The client left without a word after our certificate had been sent."""


class TlsSocket:
    """The encrypted end of a client's connection; `close` returns once all that was sent has gone out."""

    def __init__(self, sock: ssl.SSLSocket, relay: Optional[threading.Thread]) -> None:
        self.sock = sock
        self._relay = relay

    def close(self) -> None:
        """Close; what lies between our socket and the client's is delivered first."""
        self.sock.close()
        if self._relay is not None:
            self._relay.join(RELAY_END_SEC)


def accept_tls(client: socket.socket, early: bytes, context: ssl.SSLContext, limit: float) -> TlsSocket:
    """Return the decrypted stream of a client that starts TLS on this socket; `limit` is in seconds.

    `early` are the bytes that have been received of it.  Raises OSError (of which SSLError is one), after
    which the socket can't be used.
    """
    relay = None
    if early or is_tls(client):
        client, relay = through_pair(client, early, close=False)
    client.settimeout(limit)
    try:
        # The socket passed in is empty from here on, also after an error.
        sock = context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
    except BaseException:
        client.close()
        raise
    try:
        sock.do_handshake()
    except BaseException as error:
        was_answered = sock.cipher() is not None  # chosen together with the certificate
        TlsSocket(sock, relay).close()
        if was_answered and isinstance(error, (ssl.SSLZeroReturnError, ssl.SSLEOFError, ConnectionError)):
            raise BrokenOffError(str(error)) from error
        raise
    return TlsSocket(sock, relay)


def handshake_failure(error: OSError) -> tuple[str, bool]:
    """Return what a client did whose handshake failed, and whether it may distrust our certificate."""
    reason = str(getattr(error, "reason", None) or "")
    _, is_alert, said = reason.partition("ALERT_")
    if is_alert and ("CERTIFICATE" in said or said == "UNKNOWN_CA"):
        words = said.lower().replace("_", " ")
        return f"does not trust this proxy's certificate (it says: {words})", True
    if isinstance(error, BrokenOffError):
        return "broke off its TLS handshake, maybe since it does not trust this proxy's certificate", True
    if isinstance(error, socket.timeout):
        return "did not finish its TLS handshake in time", False
    if reason in ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "UNEXPECTED_MESSAGE"):
        return "speaks no TLS", False
    return "closed its connection during the TLS handshake", False
