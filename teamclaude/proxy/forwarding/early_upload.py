"""Send a large request to the API while its body still arrives, where its account is certain by then.

Rules that hold in this file:

1. The decision is that of the whole body.  A request is sent early only if its conversation stays on its
   account ("kept warm"), nobody waits for an account, the account's token is fresh, and a connection is idle.
   That decision depends on the head and on the model, with which the body begins; the whole body is read
   again before its last bytes are sent.  If it asks for anything else, the connection is closed: the API has
   got no whole request, and the request is decided anew.
2. A slow client takes no slot: START_BYTES arrive within START_SEC, or nothing is sent early; what has not
   arrived MOST_SEC later is taken back, and is sent once it has arrived.
3. A lease that is given back here says nothing of its account, and its connection is closed.
4. What has arrived is kept: every other attempt sends the whole body from memory.
"""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import Optional

from ...errors import UpstreamLostError
from ...routing.fleet import Fleet
from ...routing.state.decision import Lease, Reason, RoutingRequest
from ...values import NamedTuple
from ..http.framing import BodyKind, Buffer, Framing
from ..http.header_rewrite import append_content_length
from ..http.path_kinds import PathKind
from ..net.bodies.body_reader import AT_ONCE_SEC, MAX_PREALLOCATED, BodyReader
from ..net.client_connection import ClientConnection
from ..net.early_send import send_while_arriving
from ..net.upstream_connection import UpstreamConnection
from ..records.exchange import Exchange
from .account_targets import UpstreamTarget
from .context import RequestContext
from .routing_request import request_of_beginning, whole_request

__all__ = ["EarlyRequest", "may_send_early", "receive_body"]

EARLY_BYTES = 1 << 17  # a smaller body has arrived by the time an account is chosen
START_BYTES, START_SEC = 3 << 14, 0.05
MOST_SEC = 2.0
_FRONT_BYTES = 1024  # in which the model is


class EarlyRequest(NamedTuple):
    """A request of which the API has got all but `rest`."""

    lease: Lease
    target: UpstreamTarget
    connection: UpstreamConnection
    rest: list[Buffer]


def may_send_early(exchange: Exchange, framing: Framing, limit: int) -> bool:
    """Return whether the request may be sent while it arrives, as far as its head says."""
    return (
        EARLY_BYTES <= framing.length <= min(limit, MAX_PREALLOCATED)
        and framing.kind is BodyKind.LENGTH
        and exchange.route.kind is PathKind.INFERENCE
        and exchange.memo.is_plain
        and not exchange.tokens_limited
        and "content-encoding" not in exchange.head
    )


def receive_body(
    exchange: Exchange, length: int, client: ClientConnection, context: RequestContext
) -> Optional[EarlyRequest]:
    """Receive the body into the exchange; return the request if it has been sent meanwhile.

    Raises as `ClientConnection.read_body`.
    """
    body, early = client.begin_body(length, exchange.body_room), None
    if body.receives_within(length, AT_ONCE_SEC):
        exchange.body = body.whole
        return None
    if body.receives_within(START_BYTES, START_SEC):
        early = _begin(exchange, body, context)
    if early is not None:
        try:
            rest = _send(early, exchange, body)
            if rest is not None and _confirm(early.lease, exchange, context):
                return early._replace(rest=rest)
        except BaseException:
            _take_back(early, context)
            raise
        _take_back(early, context)
    exchange.body = body.finish()
    return None


def _send(early: EarlyRequest, exchange: Exchange, body: BodyReader) -> Optional[list[Buffer]]:
    """Send what arrives, and put the body into the exchange; return the rest, None if it took too long."""
    head = early.target.request_head(exchange.head, exchange.memo, identity=False)
    head = append_content_length(head, len(body.whole))
    rest = None
    with suppress(UpstreamLostError):  # it is sent again
        rest = send_while_arriving(early.connection, head, body, MOST_SEC)
        exchange.body = body.whole
    return rest


def _begin(exchange: Exchange, body: BodyReader, context: RequestContext) -> Optional[EarlyRequest]:
    """Take an account and a connection, if both can be had at once."""
    request = request_of_beginning(exchange, context, bytes(body.whole[: min(body.filled, _FRONT_BYTES)]))
    if request is None or context.router.waiting:
        return None
    lease = context.router.change(partial(_admit_kept, request))
    if lease is None:
        return None
    target, is_fresh = context.targets.current.fresh_target(lease.account, context.clock())
    if target is not None and is_fresh:
        connection = context.pool.take_idle(target.origin)
        if connection is not None:
            return EarlyRequest(lease, target, connection, [])
    context.router.release(lease)
    return None


def _admit_kept(request: RoutingRequest, fleet: Fleet, now: float) -> Optional[Lease]:
    """Return a lease if the conversation stays where it is, and has a slot there."""
    binding = fleet.bindings.get(request.conversation or "")
    if binding is None:
        return None
    request = request._replace(cache_life=binding.cache_life)
    if fleet.choose(request, now).reason != Reason.KEPT:
        return None
    lease = fleet.admit(request, now)
    return lease if isinstance(lease, Lease) else None


def _confirm(lease: Lease, exchange: Exchange, context: RequestContext) -> bool:
    """Record what the whole body asks for; return False if that is to be decided anew."""
    request = whole_request(lease.request, exchange, context)
    if request is None:
        return False
    exchange.routing_request = request
    if request.cache_life != lease.request.cache_life:
        context.router.change(partial(_set_cache_life, request))
    return True


def _set_cache_life(request: RoutingRequest, fleet: Fleet, now: float) -> None:
    binding = fleet.bindings.get(request.conversation or "")
    if binding is not None:
        binding.cache_life = request.cache_life


def _take_back(early: EarlyRequest, context: RequestContext) -> None:
    early.connection.close()
    context.router.release(early.lease)
