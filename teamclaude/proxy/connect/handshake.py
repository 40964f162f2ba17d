"""The TLS of an opened tunnel: the handshake with our certificate, and what is said when it fails.

Rules that hold in this file:

1. The handshake has a limit of time as a whole, however its bytes trickle.
2. TLS is spoken on the client's socket itself.  Where that can't be, because bytes were received before the
   handshake or because the client speaks TLS to us already, a thread carries the bytes to a socket pair.
3. A client that does not trust our certificate says so in an alert; the log names the cure, once a minute.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from typing import Optional

from ...dial.socket_pair import through_pair
from ...errors import ClientGoneError

__all__ = ["HandshakeWarnings", "TlsSocket", "accept_tls"]

WARN_EVERY_SEC = 60.0
RELAY_END_SEC = 5.0  # for the last bytes of a connection that is being closed


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
    if early or isinstance(client, ssl.SSLSocket):
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
    except BaseException:
        TlsSocket(sock, relay).close()
        raise
    return TlsSocket(sock, relay)


class HandshakeWarnings:
    """Say why a client's handshake failed, at most once in WARN_EVERY_SEC.  Any thread."""

    def __init__(self, warn: Callable[[str], None], monotonic: Callable[[], float] = time.monotonic) -> None:
        self._warn = warn
        self._monotonic = monotonic
        self._warned_at = float("-inf")

    def failed(self, host: str, error: OSError, ca_file: str) -> ClientGoneError:
        """Warn of a failed handshake; return the error that ends the connection."""
        text = _failure_text(error)
        now = self._monotonic()
        if now - self._warned_at >= WARN_EVERY_SEC:
            self._warned_at = now
            self._warn(
                f"a client of https://{host} {text}: it must be started with NODE_EXTRA_CA_CERTS={ca_file} "
                "(teamclaude run --first-party does that)"
            )
        return ClientGoneError(f"the TLS handshake failed: the client {text}")


def _failure_text(error: OSError) -> str:
    reason = str(getattr(error, "reason", None) or "")
    if "ALERT" in reason:
        return f"does not trust this proxy's certificate ({reason.rpartition('ALERT_')[2].lower()})"
    if isinstance(error, socket.timeout):
        return "did not finish its TLS handshake in time"
    if reason in ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL", "UNEXPECTED_MESSAGE"):
        return "speaks no TLS"
    return "closed its connection during the TLS handshake"
