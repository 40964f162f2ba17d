"""The copy loop: an upstream answer to the client, byte for byte, as it arrives.

It knows bytes only.  Which side broke is a type: UpstreamLost or ClientGone.  A body that broke off
never looks complete: the last chunk, or the last byte announced, is sent only after the upstream's.  A body
that is framed by the end of its connection (RFC 9112 6.3) has neither, and any end looks like its own: there
the answer's own form tells (`is_cut`), where it can.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from ...errors import UpstreamLostError
from ..http.framing import LAST_CHUNK, BodyKind, Framing, encode_chunk
from .client_connection import ClientConnection
from .event_loop import EventLoop
from .upstream_connection import Buffer, UpstreamResponse

__all__ = ["UPSTREAM_CUT_OFF", "Observer", "relay"]

UPSTREAM_CUT_OFF = "the upstream closed its connection in the middle of an answer"

# Sees a copy of the payload; may not raise.
Observer = Callable[[Buffer], None]


def relay(
    response: UpstreamResponse,
    client: ClientConnection,
    head: bytes,
    framing: Framing,
    observers: list[Observer],
    idle_sec: float,
    first_pieces: Optional[list[Buffer]] = None,
    event_loop: Optional[EventLoop] = None,
    is_truncated: Optional[Callable[[], bool]] = None,
) -> None:
    """Send `head` (empty: it was sent), then the body as it arrives; returns when it is complete.

    `idle` is how long the upstream may be silent, in seconds; `first` are pieces already read.  A
    `ferry` carries what does not come with the first read.  `is_cut` is asked at the end of an answer that
    the end of the connection frames, once the observers have seen it: True raises UpstreamLost.
    """
    chunked = framing.kind is BodyKind.CHUNKED
    tells = is_truncated if response.framing.kind is BodyKind.UNTIL_CLOSE else None

    def framed(pieces: list[Buffer]) -> Buffer:
        for observer in observers:
            for piece in pieces:
                observer(piece)
        if tells is not None and response.complete and tells():
            raise UpstreamLostError(UPSTREAM_CUT_OFF)
        return _as_chunk(pieces, response.complete) if chunked else _join(pieces)

    pending = head
    if first_pieces is None and response.complete:  # no body at all
        client.send(head + LAST_CHUNK if chunked else head)
        return
    if head and first_pieces is None and not response.has_buffered:
        client.send(pending)
        pending = b""
    while first_pieces is not None or not response.complete:
        data = framed(response.read(client.watch, idle_sec) if first_pieces is None else first_pieces)
        first_pieces = None
        if pending or data:
            client.send(b"".join((pending, data)) if pending else data)
            pending = b""
        if (
            event_loop is not None
            and not response.complete
            and event_loop.run_stream(response, client, framed, idle_sec)
        ):
            return


def _as_chunk(pieces: list[Buffer], last: bool) -> bytes:
    return encode_chunk(*pieces) + LAST_CHUNK if last else encode_chunk(*pieces)


def _join(pieces: list[Buffer]) -> Buffer:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
