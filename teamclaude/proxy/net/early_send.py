"""Send a request while its body still arrives from the client.

Rules that hold in this file:

1. The last bytes of the body are never sent here: until they are, the upstream has no request that it could
   carry out, and the caller may still take it back by closing the connection.
2. Both sockets are waited for together: an upstream that takes nothing does not keep the client from sending.
3. An upstream that answers or breaks before it has all of the body gets no more of it.  The body is received
   to its end all the same: it may be sent again.
"""

from __future__ import annotations

import select
import time
from typing import Optional

from ...dial.tls_sockets import is_tls, tls_wants_read, would_block
from ..http.framing import Buffer
from .bodies.body_reader import BodyReader
from .socket_wait import READABLE, WRITABLE
from .upstream_connection import MAX_JOINED_BODY, UpstreamConnection

__all__ = ["send_while_arriving"]

KEPT_BYTES = 1024  # of the end of a body: rule 1


def send_while_arriving(
    connection: UpstreamConnection, head: bytes, body: BodyReader, seconds: float
) -> Optional[list[Buffer]]:
    """Send the head, and of the body what arrives, until all has arrived; return what is left to be sent.

    That is nothing for an upstream that takes no more; None if the body does not arrive within `seconds`.
    Raises UpstreamLostError or ClientGoneError.
    """
    ends = time.monotonic() + seconds
    sending = _Sending(connection, head, body)
    poll = select.poll()
    poll.register(body.sock, READABLE)
    watched = 0
    while body.filled < len(body.whole):
        sending.send()
        if body.receive_nowait():
            continue
        if sending.awaited != watched:
            watched = sending.awaited
            if watched:
                poll.register(connection.sock, watched)
            else:
                poll.unregister(connection.sock)
        events = poll.poll(max(0.0, ends - time.monotonic()) * 1000.0)
        if not events:
            return None
        sending.note(events)
    sending.send()
    return sending.rest()


class _Sending:
    """What was sent of a request, and the events that the rest waits for."""

    def __init__(self, connection: UpstreamConnection, head: bytes, body: BodyReader) -> None:
        self._sock, self._body = connection.sock, body
        self._most = len(body.whole) - KEPT_BYTES
        self._fd = connection.sock.fileno()
        self._sent = min(body.filled, MAX_JOINED_BODY)
        self._unsent = connection.send_nowait(head, body.whole[: self._sent])
        connection.partly_sent = True
        self._takes_more = not self._unsent
        self._is_over = False  # the upstream has answered, or broken off
        # Only without TLS is something to be read an answer: see `UpstreamConnection._send_all`.
        self._blocked = WRITABLE if is_tls(connection.sock) else WRITABLE | READABLE
        self.awaited = 0

    def send(self) -> None:
        """Send what the upstream takes at once."""
        self.awaited = 0
        end = min(self._body.filled, self._most)
        if not self._takes_more or self._sent == end:
            return
        try:
            self._sent += self._sock.send(self._body.whole[self._sent : end])
        except would_block() as error:
            self.awaited = READABLE if isinstance(error, tls_wants_read()) else self._blocked
        except OSError:  # it may have answered before
            self._end()

    def note(self, events: list[tuple[int, int]]) -> None:
        """Note that an upstream that takes nothing has something to say."""
        for fd, what in events:
            if fd == self._fd and self.awaited & WRITABLE and not what & WRITABLE:
                self._end()

    def _end(self) -> None:
        self._takes_more, self._is_over, self.awaited = False, True, 0

    def rest(self) -> list[Buffer]:
        """Return what is left to be sent."""
        return [] if self._is_over else [*self._unsent, self._body.whole[self._sent :]]
