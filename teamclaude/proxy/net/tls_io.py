"""Read and write a TLS socket without waiting; the socket is in non-blocking mode.

What differs from a plain socket:

1. A poll says nothing about bytes that TLS has decrypted, and one read returns at most one record (16 KiB).
   So a reader goes on until TLS wants more.
2. A write takes all of its data or, as far as it tells, nothing; the same data must be offered again, because
   TLS has encrypted some of it.  So one write is one record, and progress is seen.
3. The end of what is sent is a message of its own (close_notify, RFC 8446 6.1).  A connection that ends
   without it was cut, so none may follow a response that broke off.
4. Reading may have to write (KeyUpdate, RFC 8446 4.6.3).  A client that makes us answer and does not read is
   given up.  Writing never has to read: renegotiation is refused by our contexts.
"""

from __future__ import annotations

from contextlib import suppress

from ...lazy_modules import ssl
from ..http.framing import Buffer

__all__ = ["RECORD_BYTES", "end_tls", "prepare_context", "read_tls", "write_tls"]

RECORD_BYTES = 16384
_IGNORE_UNEXPECTED_EOF = 0x80  # ssl.OP_IGNORE_UNEXPECTED_EOF of OpenSSL 3, which Python 3.9 does not export


def prepare_context(context: ssl.SSLContext) -> None:
    """Set what HTTP/1.1 and this module need of the context for our clients.

    A client that ends its sending without close_notify may still be answered: where its request ends is in
    the request itself.
    """
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | _IGNORE_UNEXPECTED_EOF
    context.set_alpn_protocols(["http/1.1"])


def read_tls(sock: ssl.SSLSocket, most: int) -> tuple[list[bytes], bool]:
    """Return what has arrived, about `most` bytes, and whether that is all for now.

    It is not after `most` bytes, or at the end of the connection: that is b"" as the first piece.
    """
    pieces: list[bytes] = []
    try:
        while most > 0:
            data = sock.recv(RECORD_BYTES)
            if not data:
                break
            pieces.append(data)
            most -= len(data)
    except ssl.SSLWantReadError:
        return pieces, True
    except OSError:  # broken, or the next record is damaged: what came before it is whole
        pass
    return pieces or [b""], False


def write_tls(sock: ssl.SSLSocket, data: Buffer) -> int:
    """Send as many records as the socket takes; return the bytes.  Raises OSError.

    The next call must begin with the data that this one left.
    """
    sent, size = 0, len(data)
    try:
        if size <= RECORD_BYTES:
            return sock.send(data) if size else 0
        with memoryview(data) as view:
            while sent < size:
                sent += sock.send(view[sent : sent + RECORD_BYTES])
    except ssl.SSLWantWriteError:
        pass
    return sent


def end_tls(sock: ssl.SSLSocket) -> None:
    """Say that nothing follows, without waiting for the same from the other side."""
    with suppress(OSError, ValueError):  # SSLWantReadError: said, and not answered yet
        sock.settimeout(0.0)
        sock.unwrap()
