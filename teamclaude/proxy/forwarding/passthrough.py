"""Requests that belong to the client's own login: relayed with its own credential, without an account.

Token requests of the client go to the token host, with nothing added.
"""

from __future__ import annotations

from typing import Optional

from ...dial.tunnel import TUNNEL_IDLE_SEC, Tunnel
from ..http.framing import BodyKind, Framing
from ..http.header_rewrite import (
    Credential,
    client_response_headers,
    framing_for_client,
    render_request,
    render_response,
    token_request_headers,
    upstream_request_headers,
)
from ..http.origin import parse_origin
from ..http.path_kinds import TOKEN_PATH, PathKind
from ..messages.pool_headers import pool_usage
from ..messages.usage_tap import UsageTap
from ..net.client_connection import ClientConnection
from ..net.coroutine import run_coroutine
from ..net.relay import Observer, relay
from ..net.upstream_connection import UpstreamResponse, read_response
from ..records.exchange import Exchange, Outcome
from ..records.request_record import RequestRecord
from .context import RequestContext

__all__ = ["pass_through", "pass_websocket"]

USAGE_PATH = "/api/oauth/usage"  # which Claude Code's /usage shows
_UPGRADE_FIELDS = [("Connection", "Upgrade"), ("Upgrade", "websocket")]


def pass_through(
    context: RequestContext, exchange: Exchange, client: ClientConnection, log: Optional[RequestRecord]
) -> None:
    """Relay one request of the client's own; with limitsFromPool its question for limits is answered here.

    Raises ConnectFailedError, UpstreamLostError or ClientGoneError.
    """
    config, head = context.config, exchange.head
    if config.limits_from_pool and head.method == "GET" and exchange.route.path == USAGE_PATH:
        body = pool_usage(context.pool_limits())
        if body is not None:
            _answer(exchange, client, log, body)
            return
    length = len(exchange.body)
    framing = Framing(BodyKind.LENGTH, length) if exchange.has_body else Framing(BodyKind.NONE)
    if exchange.route.kind is PathKind.OAUTH_TOKEN:
        origin, prefix = parse_origin(config.oauth.token_url)[0], ""
        headers = token_request_headers(head, origin.authority, framing)
    else:
        origin, prefix = context.targets.current.origin, context.targets.current.prefix
        headers = _own_headers(context, exchange, framing)
    request = render_request(head.method, prefix + head.target, headers)
    # A refresh token is spent once: only the client may decide to repeat a request that was lost.
    repeatable = exchange.route.path != TOKEN_PATH
    asked = context.transport.exchange(client.watch, origin, head.method, request, exchange.body, repeatable)
    response = run_coroutine(asked)
    _relay(context, exchange, client, log, response)
    context.transport.release(response)
    exchange.end(Outcome.SERVED if response.head.status < 400 else Outcome.UPSTREAM_ERROR)


def _answer(exchange: Exchange, client: ClientConnection, log: Optional[RequestRecord], body: bytes) -> None:
    """Answer with JSON of our own; raise ClientGoneError."""
    fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    fields += [("request-id", exchange.id), *exchange.closing_fields]
    if log is not None:
        log.answered(200, "OK", fields)
        log.response.add(body)
    exchange.response_started(200)
    client.send(render_response(200, "OK", fields) + body)
    exchange.end(Outcome.SERVED, "the pool's limits, by limitsFromPool")


def pass_websocket(
    context: RequestContext, exchange: Exchange, client: ClientConnection, log: Optional[RequestRecord]
) -> None:
    """Relay a WebSocket: its handshake, then bytes both ways until either side ends.

    The response of an upstream that does not switch is relayed.  Raises ConnectFailedError, UpstreamLostError
    and ClientGoneError.
    """
    config, head, targets = context.config, exchange.head, context.targets.current
    headers = _own_headers(context, exchange, Framing(BodyKind.NONE))
    request = render_request(head.method, targets.prefix + head.target, [*headers, *_UPGRADE_FIELDS])
    connection = context.pool.open(targets.origin, client.watch)
    try:
        connection.send(request, b"", client.watch)
        timeout = config.head_timeout_sec
        response = read_response(connection, head.method, client.watch, timeout, switches=True)
        exchange.switched = True
        if response.head.status != 101:
            _relay(context, exchange, client, log, response)
            exchange.end(Outcome.SERVED if response.head.status < 400 else Outcome.UPSTREAM_ERROR)
            return
        fields = [*client_response_headers(response.head, response.framing), *_UPGRADE_FIELDS]
        if log is not None:
            log.answered(response.head.status, response.head.reason, fields)
        exchange.response_started(response.head.status)
        client.send(render_response(response.head.status, response.head.reason, fields))
        early = b"".join(response.read(client.watch, 0.0)) if response.has_buffered else b""
        both = Tunnel(client.sock, connection.sock, early, client.take_buffered())
        exchange.end(Outcome.SERVED, both.run(TUNNEL_IDLE_SEC))
    finally:
        connection.close()


def _own_headers(context: RequestContext, exchange: Exchange, framing: Framing) -> list[tuple[str, str]]:
    """Return the fields for the upstream: with the client's own credential, and no key of ours."""
    return upstream_request_headers(
        exchange.head,
        Credential("client"),
        context.targets.current.origin.authority,
        framing,
        context.is_proxy_secret,
        keep_cookies=exchange.route.in_tunnel,
    )


def _relay(
    context: RequestContext,
    exchange: Exchange,
    client: ClientConnection,
    log: Optional[RequestRecord],
    response: UpstreamResponse,
) -> None:
    out = framing_for_client(response.framing, exchange.head)
    response_headers = client_response_headers(response.head, out, exchange.closing_fields)
    observers: list[Observer] = []
    if log is not None:
        log.answered(response.head.status, response.head.reason, response_headers)
        observers.append(log.response.add)
    head = render_response(response.head.status, response.head.reason, response_headers)
    exchange.response_started(response.head.status)
    until_close = response.framing.kind is BodyKind.UNTIL_CLOSE
    form = UsageTap(response.head.get("content-type"), response.head.get("content-encoding"), until_close)
    if until_close:
        observers.append(form.feed)

    def is_cut() -> bool:
        return response.body_bytes > 0 and not form.is_stream and form.is_cut

    # Inside a tunnel a client listens for news of other devices for as long as its session lasts.
    in_tunnel = exchange.route.in_tunnel
    idle_sec = TUNNEL_IDLE_SEC if in_tunnel else context.config.body_idle_timeout_sec
    try:
        relay(response, client, head, out, observers, idle_sec, is_truncated=is_cut)
    except BaseException:
        response.connection.close()
        raise
