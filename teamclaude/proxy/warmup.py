"""`warmOnStartup`: one small request per account at the start, so that its windows are known at once.

Off unless the config asks for it, because otherwise nothing is sent to the API that the user did not send.
It asks for one token of the smallest model, under TeamClaude's own name, in the background.
"""

from __future__ import annotations

import threading

from .. import __version__
from ..errors import TeamClaudeError
from ..routing.quota.rate_limit_headers import read_windows
from ..routing.state.decision import RoutingRequest
from .forwarding.account_targets import UpstreamTarget
from .forwarding.context import RequestContext
from .forwarding.router import NO_WAIT, NoUsableAccountError
from .http.header_rewrite import OAUTH_BETA, render_request
from .net.socket_wait import ClientWatch
from .net.upstream_connection import read_response

__all__ = ["warm_up"]

HEAD_TIMEOUT_SEC = 60.0
_BODY = b'{"model":"claude-haiku-4-5","max_tokens":1,"messages":[{"role":"user","content":"quota"}]}'


def warm_up(context: RequestContext) -> None:
    """Request the quota of each enabled, unpaid account, one after the other, in a background thread."""
    threading.Thread(target=_warm_all, args=(context,), name="warm-up", daemon=True).start()


def _warm_all(context: RequestContext) -> None:
    for spec in context.targets.current.specs:
        if spec.enabled and not spec.is_paid and context.token_manager.before_dispatch(spec.key):
            target = context.targets.current.target(spec.key)
            if target is not None:
                _warm_account(context, spec.key, target)


def _warm_account(context: RequestContext, key: str, target: UpstreamTarget) -> None:
    try:
        lease = context.router.acquire(RoutingRequest(pin=key), NO_WAIT, lambda: None)
    except (NoUsableAccountError, TeamClaudeError):
        return
    try:
        watch = ClientWatch(None)
        connection = context.pool.open(target.origin, watch)
        try:
            request = render_request("POST", f"{target.prefix}/v1/messages", _headers(target))
            connection.send(request, _BODY, watch)
            head = read_response(connection, "POST", watch, HEAD_TIMEOUT_SEC).head
        finally:
            connection.close()
        context.router.record_response(lease, head.status, read_windows(head.headers, context.clock()))
    except TeamClaudeError:
        pass  # the first real request reports the outage
    finally:
        context.router.release(lease)


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
