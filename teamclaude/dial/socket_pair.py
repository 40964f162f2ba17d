"""A socket of the system for TLS that can't be spoken on the connection itself.

`ssl` wraps only a system's socket and starts only with its first byte.  For TLS inside of TLS, and where
bytes were received before, it gets one end of a local pair, whose other end a thread connects with the
connection.  What the rest of the program sees is an ordinary SSLSocket, which can be polled.  A memory BIO
would need no thread, but whatever waits for such a connection would have to know of the bytes that TLS has
taken and not yet sent.
"""

from __future__ import annotations

import contextlib
import socket
import threading

from .tunnel import Tunnel

__all__ = ["through_pair"]

# The ends have limits of their own: this one only ends what nobody closes.
IDLE_SEC = 86400.0


def through_pair(
    carrier: socket.socket, early: bytes = b"", close: bool = True
) -> tuple[socket.socket, threading.Thread]:
    """Return a socket whose bytes go through `carrier`, and the thread that carries them.

    `early` were received from `carrier` before.  The thread ends when either socket is closed; then it closes
    `carrier` if it is to.  Raises OSError; `carrier` is closed then, too.
    """
    with contextlib.ExitStack() as opened:
        if close:
            opened.callback(carrier.close)
        near, far = socket.socketpair()
        opened.callback(near.close)
        opened.callback(far.close)

        def carry() -> None:
            with far, carrier if close else contextlib.nullcontext():
                Tunnel(carrier, far, b"", early).run(IDLE_SEC)

        thread = threading.Thread(target=carry, name="tls-relay", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # "can't start new thread"
            raise OSError("no thread can be started") from error
        opened.pop_all()
    return near, thread
