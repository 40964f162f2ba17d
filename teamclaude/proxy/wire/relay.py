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
from .client import ClientConnection
from .ferry import EventLoop
from .framing import LAST_CHUNK, Framing, BodyKind, encode_chunk
from .upstream import Answer, Buffer

__all__ = ["CUT", "Observer", "relay"]

CUT = "the upstream closed its connection in the middle of an answer"

# Sees a copy of the payload; may not raise.
Observer = Callable[[Buffer], None]


def relay(
    answer: Answer,
    client: ClientConnection,
    head: bytes,
    framing: Framing,
    observers: list[Observer],
    idle: float,
    first: Optional[list[Buffer]] = None,
    ferry: Optional[EventLoop] = None,
    is_cut: Optional[Callable[[], bool]] = None,
) -> None:
    """Send `head` (empty: it was sent), then the body as it arrives; returns when it is complete.

    `idle` is how long the upstream may be silent, in seconds; `first` are pieces already read.  A
    `ferry` carries what does not come with the first read.  `is_cut` is asked at the end of an answer that
    the end of the connection frames, once the observers have seen it: True raises UpstreamLost.
    """
    chunked = framing.kind is BodyKind.CHUNKED
    tells = is_cut if answer.framing.kind is BodyKind.UNTIL_CLOSE else None

    def framed(pieces: list[Buffer]) -> Buffer:
        for observer in observers:
            for piece in pieces:
                observer(piece)
        if tells is not None and answer.complete and tells():
            raise UpstreamLostError(CUT)
        return _chunked(pieces, answer.complete) if chunked else _joined(pieces)

    pending = head
    if first is None and answer.complete:  # no body at all
        client.send(head + LAST_CHUNK if chunked else head)
        return
    if head and first is None and not answer.arrived:
        client.send(pending)
        pending = b""
    while first is not None or not answer.complete:
        data = framed(answer.read(client.watch, idle) if first is None else first)
        first = None
        if pending or data:
            client.send(b"".join((pending, data)) if pending else data)
            pending = b""
        if ferry is not None and not answer.complete and ferry.run_stream(answer, client, framed, idle):
            return


def _chunked(pieces: list[Buffer], last: bool) -> bytes:
    return encode_chunk(*pieces) + LAST_CHUNK if last else encode_chunk(*pieces)


def _joined(pieces: list[Buffer]) -> Buffer:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)
