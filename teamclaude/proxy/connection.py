"""One client connection from its first request to its last; every error becomes a response here.

Rules that hold in this file:

1. Every request ends in exactly one recorded outcome, whatever is raised below.
2. A connection is kept only after a complete response to a completely read request.
3. Nothing a client sends makes a traceback: an unforeseen error is a 500 and one line in the log.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Optional, Union

from ..errors import (
    BadRequestError,
    ClientError,
    ClientGoneError,
    ClientLimitError,
    DrainingError,
    NotSupportedError,
    TeamClaudeError,
    UpstreamLostError,
)
from ..lazy_modules import LazyModule
from .answers.endpoint_types import EndpointReply, EventStream
from .connect.peer import Peer, TunnelPeer
from .endpoint_call import EndpointCall, send_stream
from .forwarding.context import RequestContext
from .forwarding.routing_request import request_of_head, routing_request_of
from .http.framing import BodyKind, Framing, asks_for_websocket, expects_100, request_framing
from .http.head import RequestHead
from .http.path_kinds import PathKind, unknown_path_error
from .messages.access import Caller
from .messages.roles import require_sender
from .net.bodies.spool import Spool
from .net.client_connection import ClientConnection
from .net.connection_driver import ConnectionDriver
from .net.connection_task import ConnectionTask
from .net.connections import AcceptedConnection
from .net.coroutine import RequestCoroutine
from .records.exchange import Exchange, Outcome, SeriesMemo, new_request_id, outcome_of
from .records.request_record import RequestRecord
from .replies import render_error, render_reply, render_stream_head
from .runtime import Runtime

if TYPE_CHECKING:
    from .connect.handshake import TlsSocket
    from .forwarding import early_upload, forwarder, passthrough
else:  # loaded by `ProxyServer.start`, or by the first request: the server's first answer does without
    _names = ("early_upload", "forwarder", "passthrough")
    early_upload, forwarder, passthrough = (LazyModule(f"{__package__}.forwarding.{n}") for n in _names)

__all__ = ["ConnectionHandler"]

_NONE, _UNKNOWN = BodyKind.NONE, PathKind.UNKNOWN
_THREAD_KINDS = (PathKind.OWN, PathKind.CONNECT)  # may write a file, look a name up
_CLIENT_LOGIN_KINDS = (PathKind.CLIENT_LOGIN, PathKind.OAUTH_TOKEN)
SMALL_BODY_BYTES = 16384  # of a body that arrives with its head
ENDPOINT_BODY_BYTES = 65536  # of a body for the proxy's own endpoints, some of which need no key


class ConnectionHandler(ConnectionDriver):
    """Serve one accepted connection.

    `mark_proven` is called once a request has been authorized, `needs_thread` and `close` as ConnectionDriver
    does; `read` are its first bytes, if some were read.
    """

    def __init__(
        self,
        runtime: Runtime,
        accepted: AcceptedConnection,
        peer_ip: str,
        mark_proven: Callable[[], None],
        needs_thread: Callable[[], None],
        close: Callable[[], None],
        read: bytes = b"",
    ) -> None:
        super().__init__(runtime.context.event_loop, needs_thread, close)
        self._runtime = runtime
        self._accepted = accepted
        self._mark_proven = mark_proven
        self._peer = Peer(accepted, peer_ip)
        self._tls: Optional[TlsSocket] = None  # of a tunnel that was opened
        self._use_socket(accepted.sock, accepted.accepted_at)
        self.client.unread(read)

    def _use_socket(self, sock: socket.socket, since: Optional[float] = None) -> None:
        """Serve the requests that come from this socket."""
        runtime, config = self._runtime, self._runtime.context.config
        self.client = self._accepted.client = ClientConnection(
            sock, config.header_read_sec, config.body_read_idle_sec, config.write_idle_sec, since
        )
        self._is_new = True  # no request has been read from it
        self.loop_task = ConnectionTask(
            self.client, self._start_request, lambda: not runtime.draining, config.head_timeout_sec
        )

    def release(self) -> None:
        """Free what belongs to the connection, which has ended."""
        del self.loop_task  # it has methods of this object: 8 KB until the next collection of cycles
        if self._tls is not None:
            self._tls.close()

    def may_go_on(self) -> bool:
        """Return whether the connection may carry another request: no drain has begun.

        The first request is read all the same: a thread may begin late, and a close resets it.
        """
        return self._is_new or not self._runtime.draining

    def _start_request(self, data: bytes) -> Optional[RequestCoroutine[bool]]:
        """Return the coroutine of the request in these bytes, if they are one for the event loop."""
        head = self.client.take_whole_request(data)
        if head is None:
            return None
        exchange = self._exchange_of(head)
        if exchange.route.kind in _THREAD_KINDS:
            self.client.unread(data)
            return None
        return self._serve_forwarded(exchange)

    def next_request(self) -> Union[bool, RequestCoroutine[bool]]:
        """Serve one request of the proxy's own, or return the coroutine of one that is forwarded."""
        try:
            head = self.client.next_head()
        except ClientError as error:
            self.has_unread_body = True
            self.client.send(render_error(error, new_request_id(), close=True))
            return False
        if head is None:
            return False
        exchange = self._exchange_of(head)
        if exchange.route.kind is PathKind.OWN:
            return self._serve_endpoint(exchange)
        if exchange.route.kind is PathKind.CONNECT:
            return self._serve_connect(exchange)
        return self._serve_forwarded(exchange)

    def _exchange_of(self, head: RequestHead) -> Exchange:
        runtime = self._runtime
        memo: Optional[SeriesMemo] = head.series.memo
        policy = runtime.access_policy
        if memo is None or memo.access_policy is not policy:
            route, address = self._peer.route_of(head, policy), self._peer.address_of(head, policy)
            memo = head.series.memo = SeriesMemo(route, address, policy)
            memo.is_plain = "upgrade" not in head and "expect" not in head
            self._is_new = False
        monotonic = runtime.context.monotonic
        exchange = Exchange(head, memo.route, runtime.clock(), memo=memo, monotonic=monotonic)
        if runtime.draining or runtime.life.handed_over:
            exchange.closes = True
        return exchange

    # --- forwarded requests -----------------------------------------------------------------------

    def _serve_forwarded(self, exchange: Exchange) -> RequestCoroutine[bool]:
        log = self._runtime.journal.request_started(exchange)
        keep = False
        try:
            framing = self._check_request(exchange)
            context, clients = self._runtime.context, self._runtime.clients
            name = None if exchange.caller is None else exchange.caller.name
            # Inside a tunnel the client's own requests come, too, for whose number nobody planned.
            if (name is None and not clients.counts_nameless) or exchange.route.in_tunnel:
                yield from self._forward(exchange, framing, context, log)
            else:
                # Before the body is read: a client at its limit takes no memory.
                with clients.count_request(name, exchange):
                    yield from self._forward(exchange, framing, context, log)
            keep = exchange.keeps_open
        except Exception as error:
            keep = yield partial(self._handle_error, exchange, error)
        finally:
            if exchange.outcome is None:
                exchange.end(Outcome.REFUSED, "ended without an outcome")
            self._runtime.journal.request_ended(exchange, log)
        return keep

    def _forward(
        self, exchange: Exchange, framing: Framing, context: RequestContext, log: Optional[RequestRecord]
    ) -> RequestCoroutine[None]:
        early = self._receive_body(exchange, framing, log, context)
        if not exchange.memo.is_plain and _is_websocket(exchange):
            return _single_step(partial(passthrough.pass_websocket, context, exchange, self.client, log))
        if exchange.route.kind in _CLIENT_LOGIN_KINDS:
            return _single_step(partial(passthrough.pass_through, context, exchange, self.client, log))
        if early is None:
            exchange.routing_request = routing_request_of(exchange, context)
        self.wait_in_loop = exchange.facts.stream is True
        return forwarder.Forwarder(context, exchange, self.client, log, early).forward()

    def _check_request(self, exchange: Exchange) -> Framing:
        """Check what precedes the body: where the request ends, who sends it, where it goes."""
        head, memo = exchange.head, exchange.memo
        framing = head.framing or request_framing(head)
        exchange.caller = memo.caller or self._authorize(exchange)
        if framing.kind is _NONE:
            exchange.body_read = True
        else:
            exchange.has_body = True
        if exchange.route.kind is _UNKNOWN:
            raise unknown_path_error(head.method, head.target)
        if self._runtime.draining:
            raise DrainingError("The proxy is shutting down; try again in a moment.")
        return framing

    def _receive_body(
        self, exchange: Exchange, framing: Framing, log: Optional[RequestRecord], context: RequestContext
    ) -> Optional[early_upload.EarlyRequest]:
        body = self.client.whole_body
        if body and len(body) <= SMALL_BODY_BYTES and exchange.memo.is_plain:
            # It came with its head: there is nothing to wait for, to limit or to reserve.  `_wait_for_body`
            # would take 2 % more bytecodes of a small request.
            exchange.body, self.client.whole_body = body, None
            exchange.body_read = self.use_loop_next = True
            early = None
        else:
            early = self._wait_for_body(exchange, framing, context)
        if log is not None:
            log.request.add(exchange.body)
        return early

    def _wait_for_body(
        self, exchange: Exchange, framing: Framing, context: RequestContext
    ) -> Optional[early_upload.EarlyRequest]:
        early, limit, upload = None, context.config.proxy.max_body_mib, exchange.route.upload_mib
        if framing.length > SMALL_BODY_BYTES or framing.kind is BodyKind.CHUNKED:
            exchange.body_room = self._runtime.body_limiter.reservation()
        if exchange.body_room is not None and early_upload.may_send_early(exchange, framing, limit << 20):
            early = early_upload.receive_body(exchange, framing.length, self.client, context)
            exchange.body_read, self.use_loop_next = True, False
        else:
            spool = self._runtime.spool if upload else None
            self._read_body(exchange, framing, max(limit, upload) << 20, spool)
        return early

    def _authorize(self, exchange: Exchange) -> Caller:
        """Authorize the request; the same head over the same connection is authorized once per policy."""
        memo = exchange.memo
        if memo.caller is None:
            policy = memo.access_policy or self._runtime.access_policy
            caller = self._peer.authorize(exchange.head, exchange.route, policy)
            if exchange.route.kind is not PathKind.OWN:
                require_sender(caller)
            memo.caller = caller
            self._admit()
        return memo.caller

    def _admit(self) -> None:
        if not self.client.admitted:
            self.client.admitted = True
            self._mark_proven()

    def _read_body(self, exchange: Exchange, framing: Framing, most: int, spool: Spool | None = None) -> None:
        asks_first = False
        if not exchange.memo.is_plain:
            head = exchange.head
            if asks_for_websocket(head) and not _is_websocket(exchange):
                raise NotSupportedError("A WebSocket is passed on only for paths of the client's own login.")
            # RFC 9110 10.1.1: HTTP/1.0 has no 100 (Continue).
            asks_first = head.minor > 0 and expects_100(head)
        self.use_loop_next = framing.kind is not BodyKind.CHUNKED and framing.length <= SMALL_BODY_BYTES
        exchange.body = self.client.read_body(framing, most, asks_first, exchange.body_room, spool)
        exchange.body_read = True

    def _handle_error(self, exchange: Exchange, error: Exception) -> bool:
        """Record how the request failed and send the error, if the response has not started."""
        started = self.client.response_started
        if isinstance(error, ClientGoneError):
            exchange.end(Outcome.CLIENT_GONE, str(error))
            self.client.cut = True
            return False
        if isinstance(error, UpstreamLostError):
            # No response, or half of one: the client's own retry is the best one left.
            exchange.end(Outcome.UPSTREAM_ERROR, str(error))
            if not started:
                exchange.reset_response()
            return self._abort_response(exchange)
        if not isinstance(error, TeamClaudeError):
            self._runtime.report_internal_error(exchange.id, error)
            error = TeamClaudeError(
                f"Internal error in the proxy (request {exchange.id}); its log says more."
            )
        if started:
            exchange.end(Outcome.UPSTREAM_ERROR, str(error))
            return self._abort_response(exchange)
        if isinstance(error, ClientLimitError):
            exchange.client_limit, exchange.routing_request = error.limit, request_of_head(exchange.head)
        exchange.end(outcome_of(error), str(error))
        keep = exchange.body_read and exchange.keeps_open
        self.has_unread_body = not exchange.body_read
        try:
            self._send_error(exchange, error, close=not keep)
        except ClientGoneError:
            return False
        return keep

    def _abort_response(self, exchange: Exchange) -> bool:
        """Close in the middle of a response."""
        self.client.cut = True
        if self.client.response_started and exchange.head.minor == 0:
            # Its body may end with the connection: only a reset tells a broken body from a complete one.
            self.client.abort()
        return False

    # --- CONNECT ----------------------------------------------------------------------------------

    def _serve_connect(self, exchange: Exchange) -> bool:
        """Serve a CONNECT, which is no request of its own; return True when the requests inside follow.

        After a refusal the connection ends: what follows may be meant for the tunnel and is no request.
        """
        try:
            return self._connect(exchange)
        except Exception as error:
            self._runtime.forward_proxy.warn_refused(exchange.head, error)
            return self._handle_error(exchange, error)

    def _connect(self, exchange: Exchange) -> bool:
        config, head = self._runtime.context.config, exchange.head
        target = self._runtime.forward_proxy.target_of(head, config)
        if self._tls is not None:
            raise BadRequestError("a tunnel inside of a tunnel is not served")
        exchange.caller = self._authorize(exchange)
        if self._runtime.draining:
            raise DrainingError("The proxy is shutting down; try again in a moment.")
        forward, policy = self._runtime.forward_proxy, self._runtime.access_policy
        if not target.opened:
            is_local = self._peer.is_local_user(head, policy, exchange.caller)
            self._accepted.may_go_on = partial(self._peer.may_connect, head)
            forward.pass_on(self._accepted, self.client, target, is_local, self._runtime.context.pool)
            return False
        self._peer.same_user()  # looked up now: TLS empties the socket that this is asked of
        self._tls = forward.open_tls(self.client, target.host, config)
        self._accepted.sock = self._tls.sock
        self._peer = TunnelPeer(self._peer, target.host, head)
        self._use_socket(self._tls.sock)
        self.client.admitted = True
        return True

    # --- own endpoints ----------------------------------------------------------------------------

    def _serve_endpoint(self, exchange: Exchange) -> bool:
        keep = False
        try:
            reply = self._endpoint_reply(exchange)
            if reply.stream is not None:
                self._send_stream(exchange, reply, reply.stream)
                return False
            keep = exchange.keeps_open
            is_head = exchange.head.method == "HEAD"
            data = render_reply(
                reply.status, reply.headers, reply.body, exchange.id, not keep, is_head, reply.content_type
            )
            self.client.send(data)
        except ClientGoneError:
            return False
        except Exception as error:
            return self._handle_error(exchange, error)
        return keep

    def _send_stream(self, exchange: Exchange, reply: EndpointReply, stream: EventStream) -> None:
        """Send a reply that goes on until its stream, its reader or the server ends."""
        chunked = exchange.head.minor > 0
        with closing(stream):
            self.client.send(render_stream_head(reply.headers, reply.content_type, exchange.id, chunked))
            send_stream(stream, chunked, self.client)

    def _endpoint_reply(self, exchange: Exchange) -> EndpointReply:
        framing = request_framing(exchange.head)  # first: disagreement about it allows smuggling
        exchange.has_body = framing.kind is not BodyKind.NONE
        call = EndpointCall(self._runtime, exchange.head, exchange.route, self._peer)
        caller = call.caller()
        if caller is None:
            caller = self._authorize(exchange)
        elif caller.by_page:
            self._admit()
        self._read_body(exchange, framing, ENDPOINT_BODY_BYTES)
        return call.reply(caller, bytes(exchange.body))

    def _send_error(self, exchange: Exchange, error: TeamClaudeError, close: bool) -> None:
        exchange.response_started(error.status)
        self.client.send(render_error(error, exchange.id, close, exchange.head.method == "HEAD"))


def _single_step(step: Callable[[], None]) -> RequestCoroutine[None]:
    yield step


def _is_websocket(exchange: Exchange) -> bool:
    """Return whether it is passed on: a GET (RFC 6455 4.1) with the client's own credential."""
    head = exchange.head
    if "upgrade" not in head or exchange.has_body or head.method != "GET":
        return False
    return exchange.route.kind is PathKind.CLIENT_LOGIN and asks_for_websocket(head)
