"""The smallest request on one account: with its answer the account's windows are open, and known.

It asks for one token of the smallest model, under TeamClaude's own name.  It counts in the history and in
metrics as of the client `warm-up`; the list of requests, which is of the clients', does not have it.
`warmOnStartup` sends one for each account at the start.  Off unless the config asks for it, because otherwise
nothing is sent to the API that the user did not send.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from ... import __version__
from ...errors import TeamClaudeError
from ...routing.quota.rate_limit_headers import read_windows
from ...routing.state.decision import Lease, RoutingRequest
from ..forwarding.account_targets import UpstreamTarget
from ..forwarding.context import RequestContext
from ..forwarding.router import NO_WAIT, NoUsableAccountError
from ..http.head import RequestHead
from ..http.header_rewrite import OAUTH_BETA, render_request
from ..http.path_kinds import classify_path
from ..messages.body_scan import BodyFacts
from ..messages.proxy_keys import Caller
from ..messages.usage_tap import UsageTap
from ..net.socket_wait import ClientWatch
from ..net.upstream_connection import UpstreamConnection, read_response
from ..records.exchange import Attempt, Exchange, Outcome

__all__ = ["OnEnd", "send_warm_up", "warm_up"]

HEAD_TIMEOUT_SEC = 60.0
BODY_TIMEOUT_SEC = 30.0
MAX_BODY_BYTES = 1 << 20
PATH = "/v1/messages"
MODEL = "claude-haiku-4-5"
_BODY = b'{"model":"%s","max_tokens":1,"messages":[{"role":"user","content":"quota"}]}' % MODEL.encode()
_CALLER = Caller("warm-up", False)
OnEnd = Callable[[Exchange], None]


def warm_up(context: RequestContext, on_end: OnEnd) -> None:
    """Request the quota of each enabled, unpaid account, one after the other, in a background thread.

    `on_end` is called with each request that has ended.
    """
    threading.Thread(target=_warm_all, args=(context, on_end), name="warm-up", daemon=True).start()


def _warm_all(context: RequestContext, on_end: OnEnd) -> None:
    for spec in context.targets.current.specs:
        if spec.enabled and not spec.is_paid:
            send_warm_up(context, spec.key, on_end)  # what fails is reported by the first real request


def send_warm_up(context: RequestContext, key: str, on_end: OnEnd) -> str:
    """Send the smallest request on one account and count it; return why it was not served, or ""."""
    usable = context.token_manager.before_dispatch(key)
    if not usable:
        return usable.reason or "its login can't be used"
    target = context.targets.current.target(key)
    if target is None:
        return "it is not configured any more"
    try:
        lease = context.router.acquire(RoutingRequest(pin=key, model=MODEL), NO_WAIT, lambda: None)
    except NoUsableAccountError as error:
        why = (each.detail or each.rule for each in error.decision.excluded if each.account == key)
        return next(why, "it can't serve now")
    except TeamClaudeError as error:
        return str(error)
    exchange = _exchange(context, lease)
    attempt = Attempt(target.name, lease.decision)
    attempt.model = MODEL
    exchange.attempts.append(attempt)
    served = False
    try:
        _send(context, target, lease, attempt)
        served = not attempt.note
    except TeamClaudeError as error:
        attempt.note = str(error)
    finally:
        context.router.release(lease, attempt.usage, attempt.model, served)
    exchange.status, exchange.usage = attempt.status, attempt.usage
    price = context.prices[attempt.model]
    exchange.cost, exchange.cost_estimated = attempt.usage.cost(price), attempt.usage.is_estimated(price)
    exchange.end(Outcome.SERVED if served else Outcome.UPSTREAM_ERROR, attempt.note)
    on_end(exchange)
    return attempt.note


def _send(context: RequestContext, target: UpstreamTarget, lease: Lease, attempt: Attempt) -> None:
    watch = ClientWatch(None)
    connection = context.pool.open(target.origin, watch)
    try:
        request = render_request("POST", target.prefix + PATH, _headers(target))
        connection.send(request, _BODY, watch)
        _receive(context, connection, watch, lease, attempt)
    finally:
        connection.close()


def _receive(
    context: RequestContext,
    connection: UpstreamConnection,
    watch: ClientWatch,
    lease: Lease,
    attempt: Attempt,
) -> None:
    response = read_response(connection, "POST", watch, HEAD_TIMEOUT_SEC)
    head = response.head
    attempt.status, attempt.reading = head.status, read_windows(head.headers, context.clock())
    tap = UsageTap(head.get("content-type"), head.get("content-encoding"))
    try:
        while not response.complete and tap.seen_bytes < MAX_BODY_BYTES:
            for piece in response.read(watch, BODY_TIMEOUT_SEC):
                tap.feed(piece)
    finally:
        message = tap.error_message or ""
        context.router.record_response(lease, head.status, attempt.reading, message)
    if head.status < 400:
        attempt.usage, attempt.model = tap.usage, tap.model or MODEL
    else:
        attempt.note = f"the API answered {head.status}" + (f" ({message})" if message else "")


def _exchange(context: RequestContext, lease: Lease) -> Exchange:
    exchange = Exchange(RequestHead("POST", PATH, 1, []), classify_path("POST", PATH), context.clock())
    exchange.caller, exchange.routing_request = _CALLER, lease.request
    exchange.facts = BodyFacts(MODEL, stream=False, max_tokens=1)
    return exchange


def _headers(target: UpstreamTarget) -> list[tuple[str, str]]:
    if target.credential.kind == "apikey":
        login = [("x-api-key", target.credential.secret)]
    else:
        login = [("Authorization", f"Bearer {target.credential.secret}"), ("anthropic-beta", OAUTH_BETA)]
    return [
        ("Host", target.origin.authority),
        ("User-Agent", f"teamclaude/{__version__}"),
        ("Content-Type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        *login,
        ("Content-Length", str(len(_BODY))),
        ("Connection", "close"),
    ]
