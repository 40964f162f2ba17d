"""The proxy's own endpoints: health, capacity, status, explain, and the operator's controls.

None of these ever goes upstream.  A row of `_TABLE` is a method, a path pattern, the roles that may ask, and
a function; what a client's key reads of a single request is that client's own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Optional
from urllib.parse import unquote

from .. import __version__
from ..errors import BadRequestError, MethodNotAllowedError, NotFoundError, UsageError
from ..forecast.lasting import lasting, parse_span
from ..routing.user_rules.patterns import is_absolute, normalized_path
from ..threads import SHORT_TURNS
from ..typed_json import to_json
from ..values import NamedTuple
from . import page_endpoints
from .answers.endpoint_types import EndpointReply, EndpointRequest, json_object, json_reply
from .forwarding.routing_request import MAX_ID_CHARS
from .forwarding.user_rules import MAX_PROJECT_CHARS
from .lifecycle.readiness import VERDICTS
from .messages.roles import ANY_ROLE, CLIENT, OPERATORS, READERS, require_role
from .page_endpoints import SESSION_PATH
from .records.journal import LAST, MAX_REMEMBERED
from .reporting.recent_trends import trends_to_json
from .runtime import Runtime

__all__ = ["EndpointReply", "EndpointRequest", "Endpoints"]

DOCUMENT_PATH = "/"  # of the page
MAX_ANNOUNCE_SEC = 86400
_HEALTH = frozenset({"/health", "/health/ready"})
_KEYLESS = _HEALTH | {DOCUMENT_PATH, "/api/hello"}


class Endpoints:
    """Reply for one runtime; raise a ClientError for an invalid request."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    @staticmethod
    def needs_no_key(path: str) -> bool:
        """Return whether the path is open to all: load balancers and probes of a base URL have no key."""
        return path in _KEYLESS

    @staticmethod
    def is_health(path: str) -> bool:
        """Return whether the path may be called by any host name, as load balancers do."""
        return path in _HEALTH

    @staticmethod
    def signs_in(method: str, path: str) -> bool:
        """Return whether it is the call by which our page signs in: it has no key or cookie yet."""
        return (method, path) == ("POST", SESSION_PATH)

    def reply_to(self, request: EndpointRequest) -> EndpointReply:
        """Reply to a request.

        Raises ForbiddenError, MethodNotAllowedError, NotFoundError or BadRequestError.
        """
        method, path = request.method, request.path
        allowed: list[str] = []
        for row in _TABLE:
            found = re.fullmatch(row.pattern, path)
            if found is None:
                continue
            if method == row.method or (method == "HEAD" and row.method == "GET"):
                if row.roles is not NOBODY:
                    require_role(request.caller, row.roles, f"{method} {path[:80]}")
                parts = [unquote(part) for part in found.groups()]
                # What is read may take milliseconds to collect and to write; what is changed may wait.
                with SHORT_TURNS if row.method == "GET" else nullcontext():
                    return row.action(self, request, *parts)
            allowed.append(row.method)
        if allowed:
            if "GET" in allowed:
                allowed.append("HEAD")
            raise MethodNotAllowedError(f"{method} is not a method of {path}.", allowed)
        raise NotFoundError(f"{path[:200]} is not an endpoint of this proxy.")

    def _root(self, request: EndpointRequest) -> EndpointReply:
        """Return the page for a browser, and for everybody else what a probe of a base URL wants."""
        if "text/html" in request.accept.lower():
            return page_endpoints.document()
        return self._health(request)

    def _health(self, request: EndpointRequest) -> EndpointReply:
        return json_reply({"status": "ok", "service": "teamclaude", "version": __version__})

    def _ready(self, request: EndpointRequest) -> EndpointReply:
        worst = request.query.get("verdict")
        if worst not in (None, *VERDICTS[:2]):
            raise BadRequestError("Expected verdict=green or verdict=yellow.")
        runtime = self._runtime
        phase = runtime.life.ending.phase or ("draining" if runtime.draining else "")
        found = runtime.readiness.ask(runtime.context.config.all_throttled_hold_budget_sec, phase, worst)
        body = {
            "ready": found.ready,
            "verdict": found.verdict,
            "draining": bool(phase),
            "reason": found.reason,
        }
        return json_reply(body, 200 if found.ready else 503, [("x-teamclaude-verdict", found.verdict)])

    def _capacity(self, request: EndpointRequest, model: Optional[str] = None) -> EndpointReply:
        snapshot = self._runtime.snapshot(requests=False, model=model)
        shown: dict[str, Any] = to_json(snapshot.capacity)
        if "for" in request.query:
            try:
                seconds = parse_span(request.query["for"])
            except UsageError as error:
                raise BadRequestError(f"for={error}.") from None
            shown["lasting"] = to_json(
                lasting(snapshot.forecast, snapshot.capacity.verdict, snapshot.at, seconds)
            )
        return json_reply(shown)

    def _status(self, request: EndpointRequest) -> EndpointReply:
        return json_reply(self._runtime.snapshot(requests=False).to_json(requests=False))

    def _metrics(self, request: EndpointRequest) -> EndpointReply:
        from .metrics_page import metrics_page  # 10 modules that a server without a scraper does without

        content_type, text = metrics_page(self._runtime, request.accept)
        return EndpointReply(200, text, content_type=content_type)

    def _deck(self, request: EndpointRequest) -> EndpointReply:
        snapshot = self._runtime.snapshot()
        trends = trends_to_json(self._runtime.trends(snapshot.at))
        fleet = self._runtime.sessions_on_disk(snapshot)
        return json_reply({**snapshot.to_json(), "fleet": fleet, "trends": trends})

    def _status_line(self, request: EndpointRequest, session: str) -> EndpointReply:
        from .status_line import status_line_facts  # 2 % of a start, and most servers are not asked

        running = self._runtime.journal.running_of(session)
        facts = status_line_facts(self._runtime.snapshot(requests=False), running, session)
        return json_reply(facts.to_json())

    def _explain(self, request: EndpointRequest, id: str) -> EndpointReply:
        record = self._runtime.journal.explain(id, _own_only(request))
        if record is None:
            if id == LAST:
                raise NotFoundError("There was no request yet; start a client with: teamclaude run")
            raise NotFoundError(f"No such request is remembered; only the latest {MAX_REMEMBERED} are.")
        return json_reply(record)

    def _explain_session(self, request: EndpointRequest, session: str) -> EndpointReply:
        record = self._runtime.journal.explain_last(session, _own_only(request))
        if record is None:
            raise NotFoundError(f"No request of session {session[:80]} is remembered.")
        return json_reply(record)

    def _caller(self, request: EndpointRequest) -> EndpointReply:
        name = request.caller.name
        used = next((each for each in self._runtime.clients.view() if each.name == name), None)
        usage = None if used is None else to_json(used)
        return json_reply({"name": name, "role": request.caller.role, "usage": usage})

    def _reload(self, request: EndpointRequest) -> EndpointReply:
        return json_reply(self._runtime.reload())

    def _drain(self, request: EndpointRequest) -> EndpointReply:
        seconds = json_object(request.body).get("sec")
        is_number = isinstance(seconds, (int, float)) and not isinstance(seconds, bool)
        if seconds is not None and not (is_number and 0 <= seconds <= MAX_ANNOUNCE_SEC):
            raise BadRequestError(f'Expected {{"sec": a number from 0 to {MAX_ANNOUNCE_SEC}}}, or nothing.')
        return json_reply(self._runtime.life.drain(seconds))

    def _restart(self, request: EndpointRequest) -> EndpointReply:
        return json_reply(self._runtime.life.restart())

    def _switch(self, request: EndpointRequest) -> EndpointReply:
        wanted = json_object(request.body)
        account, session, project = (wanted.get(key) for key in ("account", "session", "project"))
        texts = [value for value in (account, session, project) if value is not None]
        # A misspelt key must not remove the pin, and the empty text of an unset variable is not all work.
        are_valid = all(isinstance(value, str) and value for value in texts)
        if "account" not in wanted or not are_valid or (session and project):
            raise BadRequestError(
                'Expected {"account": name or null}, with "session": id for one session, or "project": path; '
                "none of them empty."
            )
        if project and not (len(project) <= MAX_PROJECT_CHARS and is_absolute(normalized_path(project))):
            raise BadRequestError("Expected the whole path of a directory as project.")
        if session and not (len(session) <= MAX_ID_CHARS and session.isprintable()):
            raise BadRequestError(f"No session has such an id: at most {MAX_ID_CHARS} printable characters.")
        return json_reply(self._runtime.controls.switch(account, session, project))

    def _switch_price(self, request: EndpointRequest) -> EndpointReply:
        account, session = request.query.get("account"), request.query.get("session")
        if not account or session == "":
            raise BadRequestError("Expected account=NAME, with session=ID for one session.")
        price = self._runtime.controls.switch_price(account, session)
        return json_reply(
            {
                "account": account,
                "conversations": price.conversations,
                "tokens": price.tokens,
                "cost": price.cost,
                "estimated": price.estimated,
                "unpricedTokens": price.unpriced_tokens,
            }
        )

    def _record(self, request: EndpointRequest) -> EndpointReply:
        return json_reply(self._runtime.controls.record(None))

    def _set_record(self, request: EndpointRequest) -> EndpointReply:
        on = json_object(request.body).get("on")
        if not isinstance(on, bool):
            raise BadRequestError('Expected {"on": true} or {"on": false}.')
        return json_reply(self._runtime.controls.record(on))

    def _set_enabled(self, request: EndpointRequest, name: str, verb: str) -> EndpointReply:
        return json_reply(self._runtime.controls.set_enabled(name, verb == "enable"))


def _own_only(request: EndpointRequest) -> Optional[str]:
    """Return the client whose requests alone may be shown; None: all may."""
    return request.caller.name if request.caller.role == CLIENT else None


class Row(NamedTuple):
    """One endpoint."""

    method: str
    pattern: str  # of the whole path
    roles: Sequence[str]  # that may ask; NOBODY: no role is needed
    action: Callable[..., EndpointReply]  # called with the request and the decoded groups of the pattern


NOBODY: Sequence[str] = ()


def _of_history(name: str) -> Callable[..., EndpointReply]:
    """Return an action of history_endpoints.py as one of `Endpoints`; reports are loaded when asked for."""

    def action(endpoints: Endpoints, request: EndpointRequest) -> EndpointReply:
        from . import history_endpoints

        reply: EndpointReply = getattr(history_endpoints, name)(endpoints._runtime, request)
        return reply

    return action


def _page(action: Callable[..., EndpointReply]) -> Callable[..., EndpointReply]:
    """Return an action of page_endpoints.py as one of `Endpoints`."""
    return lambda endpoints, request, *parts: action(endpoints._runtime, request, *parts)


_TABLE: Sequence[Row] = (
    Row("GET", "/", NOBODY, Endpoints._root),
    Row("GET", r"/health|/api/hello", NOBODY, Endpoints._health),
    Row("GET", r"/health/ready", NOBODY, Endpoints._ready),
    Row("GET", r"(?:/teamclaude)?/capacity", ANY_ROLE, Endpoints._capacity),
    Row("GET", r"/teamclaude/capacity/([^/]+)", ANY_ROLE, Endpoints._capacity),
    Row("GET", r"/teamclaude/caller", ANY_ROLE, Endpoints._caller),
    Row("GET", r"/teamclaude/statusline/([^/]*)", ANY_ROLE, Endpoints._status_line),
    Row("GET", r"/teamclaude/explain/([^/]+)", ANY_ROLE, Endpoints._explain),
    Row("GET", r"/teamclaude/sessions/([^/]+)/explain", ANY_ROLE, Endpoints._explain_session),
    Row("GET", r"/teamclaude/status", READERS, Endpoints._status),
    Row("GET", r"/metrics", READERS, Endpoints._metrics),
    Row("GET", r"/teamclaude/deck", READERS, Endpoints._deck),
    Row("GET", r"/teamclaude/record", READERS, Endpoints._record),
    Row("GET", r"/teamclaude/switch-price", READERS, Endpoints._switch_price),
    Row("GET", r"/teamclaude/usage", ANY_ROLE, _of_history("usage")),
    Row("GET", r"/teamclaude/history/quota", READERS, _of_history("quota")),
    Row("GET", r"/teamclaude/history/events", READERS, _of_history("events")),
    Row("POST", r"/teamclaude/accounts/reload", OPERATORS, Endpoints._reload),
    Row("POST", r"/teamclaude/drain", OPERATORS, Endpoints._drain),
    Row("POST", r"/teamclaude/restart", OPERATORS, Endpoints._restart),
    Row("POST", r"/teamclaude/switch", OPERATORS, Endpoints._switch),
    Row("POST", r"/teamclaude/record", OPERATORS, Endpoints._set_record),
    Row("POST", r"/teamclaude/accounts/([^/]+)/(enable|disable)", OPERATORS, Endpoints._set_enabled),
    Row("GET", r"/teamclaude/page/events", READERS, _page(page_endpoints.events)),
    Row("POST", r"/teamclaude/page/login", READERS, _page(page_endpoints.make_code)),
    Row("POST", SESSION_PATH, NOBODY, _page(page_endpoints.sign_in)),
    Row("GET", SESSION_PATH, READERS, _page(page_endpoints.session)),
    Row("DELETE", SESSION_PATH, READERS, _page(page_endpoints.sign_out)),
)
