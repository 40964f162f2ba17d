"""What a request asks of routing: read from its head, its body and its path.

Files, batches and skills exist for one credential alone: they belong to the organisation whose credential
made them, and with another account's they are not found (404).  Source: the paths of the public API.  So the
owner of an id is recorded when a served request makes it or finds it, and a request that names it goes to
that account.
"""

from __future__ import annotations

import re
from typing import Optional, Union
from urllib.parse import unquote

from ...accounts.config.identity import find_name
from ...errors import NotFoundError, UsageError
from ...routing.state.decision import Lease, RoutingRequest
from ..http.head import RequestHead
from ..http.header_rewrite import own_header_text
from ..http.path_kinds import PathKind, works_uncounted
from ..messages.body_scan import NO_FACTS, BodyFacts, cache_digests, leading_model, scan_body
from ..messages.proxy_keys import CLIENT
from ..net.bodies.spool import is_spooled
from ..records.exchange import Exchange, RepeatedRequest, RequestIds
from .context import RequestContext
from .router import Router
from .user_rules import with_facts

__all__ = ["record_owner", "request_of_beginning", "routing_request_of"]

MAX_ID_CHARS = 128  # of session, agent and resource ids: they are keys kept in memory
MAX_BETAS_CHARS = 2048
# Announces the body's `thread`: {"type": "create"}, or "continue" with the id of the last answer, for which
# the API has kept the conversation so far, for one organisation (read in Claude Code 2.1.332:
# `message-threads-2026-08-12`).
THREADS_BETA = "message-threads-"

_API = PathKind.API
_SEARCH_BYTES = 1 << 20  # searched in one go: about 1 ms
_MAX_MEMBER_BYTES = 256  # of the members around an id

Buffer = Union[bytes, bytearray, memoryview]

_CREATING_PATHS = ("/v1/files", "/v1/messages/batches", "/v1/skills")
_ID = re.compile(rf"(?:{'|'.join(_CREATING_PATHS)})/([^/]{{1,384}})(?:/|\Z)")
# In a request's body: {"source": {"type": "file", "file_id": ...}}, {"type": "container_upload", ...} and
# {"skills": [{"skill_id": ...}]}.  A tool's input may have a `file_id`, too, without such a type.
_MEMBER = rb'"%b"[ \t\r\n]{0,8}:[ \t\r\n]{0,8}"(%b)"'
_IN_BODY = tuple(
    (re.compile(_MEMBER % (name, rb"[0-9A-Za-z._-]{1,128}")), re.compile(type))
    for name, type in ((b"file_id", _MEMBER % (b"type", b"file|container_upload")), (b"skill_id", b""))
)


def routing_request_of(
    exchange: Exchange, context: RequestContext, facts: Optional[BodyFacts] = None
) -> RoutingRequest:
    """Return what the request asks of routing; record the facts of the body in the exchange.

    With `facts` nothing is recorded: the body has not arrived.  Raises NotFoundError for an unknown account.
    """
    memo, config = exchange.memo, context.config
    ids = memo.ids
    if ids is None:
        ids = memo.ids = _head_ids(exchange.head)
    session, betas = ids.session, ids.betas
    if facts is None:
        facts = NO_FACTS  # an upload on disk is not scanned: it would be read for nothing
        if type(exchange.body) is bytes or not is_spooled(exchange.body):
            with_session = not session or config.rewrite_account_uuid
            facts = scan_body(exchange.body, with_session, THREADS_BETA in betas)
        exchange.facts = facts
    router, known = context.router, memo.repeated
    if known is not None and facts == known.facts and known.context is context and not router.owners.accounts:
        request = known.request
    else:
        request = _read_request(exchange, context, ids, facts)
        if request.session and request.needs_slot and not (ids.names_account or router.owners.accounts):
            memo.repeated = RepeatedRequest(context, facts, request)
    if router.user_rules.needs_facts or exchange.route.kind is _API:
        request = with_facts(request, exchange, context)
    refused = context.recently_refused
    return request._replace(hold_sec=0.0) if refused.until and request.conversation in refused else request


def _read_request(
    exchange: Exchange, context: RequestContext, ids: RequestIds, facts: BodyFacts
) -> RoutingRequest:
    session = ids.session or facts.session_id
    inference = exchange.route.kind is PathKind.INFERENCE
    pin = _pin(exchange.head, context) if ids.names_account else None
    return RoutingRequest(
        session=session,
        agent=ids.agent,
        parent_agent=ids.parent_agent,
        model=facts.model,
        cache_life=_cache_life(facts, context),
        needs_slot=inference,
        is_uncounted=not inference and works_uncounted(exchange.route, exchange.head.method),
        pin=pin,
        pin_costs_nothing=pin is not None and exchange.caller is not None and exchange.caller.role == CLIENT,
        betas=ids.betas,
        prefixes=() if session or not inference else cache_digests(exchange.body, facts.model),
        owner=_owner(exchange, context) if context.router.owners.accounts else None,
        continues_thread=facts.continues_thread,
        hold_sec=context.wait_limits[facts.stream is True].budget if inference else 0.0,
    )


def request_of_beginning(
    exchange: Exchange, context: RequestContext, beginning: bytes
) -> Optional[RoutingRequest]:
    """Return what the request will most likely ask of routing; None where the whole body has to say it.

    Of the body only the model is known: what else follows from it (`cache_life`, `hold_sec`) is a guess.
    """
    ids = exchange.memo.ids
    if ids is None:
        ids = exchange.memo.ids = _head_ids(exchange.head)
    if not ids.session or ids.names_account or THREADS_BETA in ids.betas:
        return None
    router = context.router
    if context.config.rewrite_account_uuid or router.owners.accounts or router.user_rules.routes.by_model:
        return None
    model = leading_model(beginning)
    return None if model is None else routing_request_of(exchange, context, BodyFacts(model, stream=True))


def whole_request(
    request: RoutingRequest, exchange: Exchange, context: RequestContext
) -> Optional[RoutingRequest]:
    """Return what a request of `request_of_beginning` asks for as its whole body says it.

    None if that names another model than its beginning.  Records the facts of the body.
    """
    facts = exchange.facts = scan_body(exchange.body, with_session=False)
    if facts.model != request.model:
        return None
    cache_life = _cache_life(facts, context)
    if cache_life == request.cache_life and facts.stream is True:  # nearly always
        return request
    hold_sec = context.wait_limits[facts.stream is True].budget if request.hold_sec else 0.0
    return request._replace(cache_life=cache_life, hold_sec=hold_sec)


def _cache_life(facts: BodyFacts, context: RequestContext) -> float:
    return 3600.0 if facts.cache_ttl_1h else context.config.rules.cache_affinity_window_sec


def request_of_head(head: RequestHead) -> RoutingRequest:
    """Return whose request it is, of one that is refused before its body is read."""
    ids = _head_ids(head)
    return RoutingRequest(session=ids.session, agent=ids.agent, parent_agent=ids.parent_agent)


def _head_ids(head: RequestHead) -> RequestIds:
    return RequestIds(
        session=_bounded(head.get("x-claude-code-session-id")),
        agent=_bounded(head.get("x-claude-code-agent-id")),
        parent_agent=_bounded(head.get("x-claude-code-parent-agent-id")),
        betas=",".join(head.get_all("anthropic-beta"))[:MAX_BETAS_CHARS],
        names_account="x-teamclaude-account" in head,
    )


def _owner(exchange: Exchange, context: RequestContext) -> Optional[str]:
    """Return the account that made what the path or body names; None where it is unknown."""
    id = id_in_path(exchange.route.path)
    if id is None and is_spooled(exchange.body):
        return None  # an upload on disk is not searched
    for named in [id] if id is not None else ids_in_body(exchange.body):
        owner = context.router.owner_of(named)
        if owner is not None:
            return owner
    return None


def _bounded(value: Optional[str]) -> Optional[str]:
    return value[:MAX_ID_CHARS] if value else None


def _pin(head: RequestHead, context: RequestContext) -> Optional[str]:
    """Return the account that the client insists on by name; raise NotFoundError for an unknown one."""
    # As `header_value` writes it in our responses: percent-encoded where it is not plain ASCII.
    wanted = own_header_text(head.get("x-teamclaude-account") or "")
    if not wanted:
        return None
    names = context.targets.current.names()
    try:
        found = find_name(list(names.values()), wanted)
    except UsageError as error:
        raise NotFoundError(f"x-teamclaude-account: {error}") from None
    return next(key for key, name in names.items() if name == found)


def record_owner(router: Router, lease: Lease, method: str, path: str, made: Optional[str]) -> None:
    """Record the account as owner of the id that a served request has made or found.

    `made` is the id in the JSON of its response.
    """
    id = id_in_path(path) or (made if method == "POST" and path in _CREATING_PATHS else None)
    if id is None:
        return
    if method == "DELETE" and _ID.fullmatch(path) is not None:
        router.forget_owner(id)
    elif lease.request.owner is None:
        router.record_owner(id, lease)


def id_in_path(path: str) -> Optional[str]:
    """Return the id that a path names, or None."""
    found = _ID.match(path)
    id = unquote(found[1]) if found is not None else ""
    return id if 0 < len(id) <= MAX_ID_CHARS else None


def ids_in_body(body: Buffer) -> list[str]:
    """Return the first file and the first skill that a request's body names."""
    found = (_first(pattern, kinds, body) for pattern, kinds in _IN_BODY)
    return [match[1].decode() for match in found if match is not None]


def _first(pattern: re.Pattern[bytes], kinds: re.Pattern[bytes], body: Buffer) -> Optional[re.Match[bytes]]:
    """Return the first match in an object of one of these types; other threads run between the parts."""
    for at in range(0, max(1, len(body)), _SEARCH_BYTES):
        for found in pattern.finditer(body, at, at + _SEARCH_BYTES + _MAX_MEMBER_BYTES):
            begin, end = max(0, found.start() - _MAX_MEMBER_BYTES), found.end() + _MAX_MEMBER_BYTES
            before = bytes(body[begin : found.start()]).rpartition(b"{")[2]
            after = bytes(body[found.end() : end]).partition(b"}")[0]
            if kinds.search(before + after):
                return found
    return None
