"""`warmOnStartup`: one small request per account at start, so that its windows are known at once.

Off unless the config asks for it: nothing goes to the API that the user did not send.  It is one
token of the smallest model, sent as what it is, in the background.
"""

from __future__ import annotations

import threading

from .. import __version__
from ..errors import TeamClaudeError
from ..routing.quota.windows import read_windows
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


def warm_up(house: RequestContext) -> None:
    """Ask each enabled, unpaid account for its quota, one after the other, without blocking."""
    threading.Thread(target=_warm_all, args=(house,), name="warm-up", daemon=True).start()


def _warm_all(house: RequestContext) -> None:
    for spec in house.targets().specs:
        if spec.enabled and not spec.is_paid and house.token_manager.before_dispatch(spec.key):
            way = house.targets().target(spec.key)
            if way is not None:
                _warm_account(house, spec.key, way)


def _warm_account(house: RequestContext, key: str, way: UpstreamTarget) -> None:
    try:
        lease = house.router.acquire(RoutingRequest(pin=key), NO_WAIT, lambda: None)
    except (NoUsableAccountError, TeamClaudeError):
        return
    try:
        watch = ClientWatch(None)
        connection = house.pool.open(way.origin, watch)
        try:
            request = render_request("POST", f"{way.prefix}/v1/messages", _headers(way))
            connection.send(request, _BODY, watch)
            head = read_response(connection, "POST", watch, HEAD_TIMEOUT_SEC).head
        finally:
            connection.close()
        house.router.apply_response(lease, head.status, read_windows(head.headers, house.clock()))
    except TeamClaudeError:
        pass  # an outage is told by the first real request
    finally:
        house.router.release(lease)


def _headers(way: UpstreamTarget) -> list[tuple[str, str]]:
    if way.credential.kind == "apikey":
        login = [("x-api-key", way.credential.secret)]
    else:
        login = [("Authorization", f"Bearer {way.credential.secret}"), ("anthropic-beta", OAUTH_BETA)]
    return [
        ("Host", way.origin.authority),
        ("User-Agent", f"teamclaude/{__version__}"),
        ("Content-Type", "application/json"),
        ("anthropic-version", "2023-06-01"),
        *login,
        ("Content-Length", str(len(_BODY))),
        ("Connection", "close"),
    ]
