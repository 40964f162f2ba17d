"""What a request asks of routing: read off its head, its body and its path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional
from urllib.parse import unquote

from ...accounts.config.identity import find_name
from ...errors import NotFoundError, UsageError
from ...routing.state.decision import RoutingRequest
from ..http.head import RequestHead
from ..http.path_kinds import PathKind
from ..messages.body_scan import NO_FACTS, cache_digests, scan_body
from ..net.body_reader import is_spooled
from ..records.exchange import Exchange, RequestIds
from .context import RequestContext
from .resource_ids import id_in_path, ids_in_body

__all__ = ["routing_request_of"]

MAX_ID_CHARS = 128  # of a session or agent id: they are keys that live in memory
MAX_BETAS_CHARS = 2048


def routing_request_of(
    exchange: Exchange, house: RequestContext, issue_of: Callable[[str], Optional[str]]
) -> RoutingRequest:
    """The question; the facts of the body are noted in the exchange.  Raises NotFound for an unknown account.

    `issue_of` tells what a session works on, as far as known.
    """
    head, config = exchange.head, house.config
    ids = exchange.memo.ids
    if ids is None:
        ids = exchange.memo.ids = _head_ids(head)
    session, agent, parent_agent, betas = ids
    facts = NO_FACTS  # an upload on disk is not looked at: it would be read for nothing
    if not is_spooled(exchange.body):
        facts = scan_body(exchange.body, not session or config.rewrite_account_uuid)
    exchange.facts = facts
    session = session or facts.session_id
    inference = exchange.route.kind is PathKind.INFERENCE
    return RoutingRequest(
        session=session,
        agent=agent,
        parent_agent=parent_agent,
        model=facts.model,
        cache_life=3600.0 if facts.cache_ttl_1h else config.rules.cache_affinity_window_sec,
        needs_slot=inference,
        pin=_pin(head, house) if "x-teamclaude-account" in head else None,
        issue=(issue_of(session) or "") if session else "",
        betas=betas,
        prefixes=() if session or not inference else cache_digests(exchange.body, facts.model),
        owner=_owner(exchange, house) if house.router.knows_owners else None,
    )


def _head_ids(head: RequestHead) -> RequestIds:
    return RequestIds(
        session=_bounded(head.get("x-claude-code-session-id")),
        agent=_bounded(head.get("x-claude-code-agent-id")),
        parent_agent=_bounded(head.get("x-claude-code-parent-agent-id")),
        betas=",".join(head.get_all("anthropic-beta"))[:MAX_BETAS_CHARS],
    )


def _owner(exchange: Exchange, house: RequestContext) -> Optional[str]:
    """The account that made what the request names, in its path or its body; None: as far as known none."""
    id = id_in_path(exchange.route.path)
    if id is None and is_spooled(exchange.body):
        return None  # an upload on disk is not looked at
    for named in [id] if id is not None else ids_in_body(exchange.body):
        owner = house.router.owner_of(named)
        if owner is not None:
            return owner
    return None


def _bounded(value: Optional[str]) -> Optional[str]:
    return value[:MAX_ID_CHARS] if value else None


def _pin(head: RequestHead, house: RequestContext) -> Optional[str]:
    """The account the client insists on, by name; raises NotFound."""
    # As `header_text` writes it in our answers: percent-encoded where it is not plain ASCII.
    wanted = unquote(head.get("x-teamclaude-account") or "")
    if not wanted:
        return None
    names = house.targets().names()
    try:
        found = find_name(list(names.values()), wanted)
    except UsageError as error:
        raise NotFoundError(f"x-teamclaude-account: {error}") from None
    return next(key for key, name in names.items() if name == found)
