"""The proxy's own endpoints: health, capacity, status, explain, and the operator's controls.

None of these ever goes upstream.  A row of `_TABLE` is a method, a path pattern and a function.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional
from urllib.parse import unquote

from .. import __version__
from ..errors import BadRequestError, MethodNotAllowedError, NotFoundError
from ..typed_json import to_json
from .records.journal import LAST, MAX_REMEMBERED
from .runtime import Runtime
from .status_line import status_line_facts

__all__ = ["EndpointReply", "Endpoints"]

_HEALTH = frozenset({"/health", "/health/ready"})
_KEYLESS = _HEALTH | {"/", "/api/hello"}


class EndpointReply(NamedTuple):
    """Status, body and further header fields of a reply."""

    status: int
    body: bytes
    headers: Sequence[tuple[str, str]] = ()


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

    def reply_to(self, method: str, path: str, body: bytes) -> EndpointReply:
        """Reply to a request, or raise MethodNotAllowedError, NotFoundError or BadRequestError."""
        allowed: list[str] = []
        for row_method, pattern, action in _TABLE:
            found = re.fullmatch(pattern, path)
            if found is None:
                continue
            if method == row_method or (method == "HEAD" and row_method == "GET"):
                return action(self, body, *(unquote(part) for part in found.groups()))
            allowed.append(row_method)
        if allowed:
            if "GET" in allowed:
                allowed.append("HEAD")
            raise MethodNotAllowedError(f"{method} is not a method of {path}.", allowed)
        raise NotFoundError(f"{path[:200]} is not an endpoint of this proxy.")

    def _health(self, body: bytes) -> EndpointReply:
        return _json({"status": "ok", "service": "teamclaude", "version": __version__})

    def _ready(self, body: bytes) -> EndpointReply:
        verdict = self._runtime.snapshot(requests=False).capacity.verdict
        draining = self._runtime.draining
        status = 503 if draining or verdict == "red" else 200
        return _json({"verdict": verdict, "draining": draining}, status)

    def _capacity(self, body: bytes, model: Optional[str] = None) -> EndpointReply:
        return _json(to_json(self._runtime.snapshot(requests=False, model=model).capacity))

    def _status(self, body: bytes) -> EndpointReply:
        return _json(self._runtime.snapshot(requests=False).to_json(requests=False))

    def _deck(self, body: bytes) -> EndpointReply:
        snapshot = self._runtime.snapshot()
        return _json({**snapshot.to_json(), "fleet": self._runtime.sessions_on_disk(snapshot)})

    def _status_line(self, body: bytes, session: str) -> EndpointReply:
        running = self._runtime.journal.running_of(session)
        facts = status_line_facts(self._runtime.snapshot(requests=False), running, session)
        return _json(facts.to_json())

    def _explain(self, body: bytes, request: str) -> EndpointReply:
        record = self._runtime.journal.explain(request)
        if record is None:
            if request == LAST:
                raise NotFoundError("There was no request yet; start a client with: teamclaude run")
            raise NotFoundError(f"No such request is remembered; only the latest {MAX_REMEMBERED} are.")
        return _json(record)

    def _explain_session(self, body: bytes, session: str) -> EndpointReply:
        record = self._runtime.journal.explain_last(session)
        if record is None:
            raise NotFoundError(f"No request of session {session[:80]} is remembered.")
        return _json(record)

    def _reload(self, body: bytes) -> EndpointReply:
        return _json(self._runtime.reload())

    def _switch(self, body: bytes) -> EndpointReply:
        wanted = _object(body)
        account, session = wanted.get("account"), wanted.get("session")
        texts = all(value is None or isinstance(value, str) for value in (account, session))
        # A misspelt key must not remove the pin.
        if "account" not in wanted or not texts:
            raise BadRequestError('Expected {"account": name or null}, with "session": id for one session.')
        return _json(self._runtime.switch(account or None, session or None))

    def _record(self, body: bytes) -> EndpointReply:
        return _json(self._runtime.record(None))

    def _set_record(self, body: bytes) -> EndpointReply:
        on = _object(body).get("on")
        if not isinstance(on, bool):
            raise BadRequestError('Expected {"on": true} or {"on": false}.')
        return _json(self._runtime.record(on))

    def _set_enabled(self, body: bytes, name: str, verb: str) -> EndpointReply:
        return _json(self._runtime.set_enabled(name, verb == "enable"))


_TABLE: Sequence[tuple[str, str, Callable[..., EndpointReply]]] = (
    ("GET", r"/|/health|/api/hello", Endpoints._health),
    ("GET", r"/health/ready", Endpoints._ready),
    ("GET", r"(?:/teamclaude)?/capacity", Endpoints._capacity),
    ("GET", r"/teamclaude/capacity/([^/]+)", Endpoints._capacity),
    ("GET", r"/teamclaude/status", Endpoints._status),
    ("GET", r"/teamclaude/deck", Endpoints._deck),
    ("GET", r"/teamclaude/statusline/([^/]*)", Endpoints._status_line),
    ("GET", r"/teamclaude/explain/([^/]+)", Endpoints._explain),
    ("GET", r"/teamclaude/sessions/([^/]+)/explain", Endpoints._explain_session),
    ("POST", r"/teamclaude/accounts/reload", Endpoints._reload),
    ("POST", r"/teamclaude/switch", Endpoints._switch),
    ("GET", r"/teamclaude/record", Endpoints._record),
    ("POST", r"/teamclaude/record", Endpoints._set_record),
    ("POST", r"/teamclaude/accounts/([^/]+)/(enable|disable)", Endpoints._set_enabled),
)


def _json(value: Any, status: int = 200) -> EndpointReply:
    return EndpointReply(status, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def _object(body: bytes) -> dict[str, Any]:
    try:
        value = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise BadRequestError("The body is not a JSON object.")
    return value
