"""The endpoints of the web page: its document, signing in and out, and the stream of its changes.

Rules that hold in this file:

1. A cookie is given only for a code or a key, in a reply to a call of our own page
   (`AccessPolicy.check_page_call`).  What the browser had before ends: nobody can have chosen the session
   that is signed in.
2. A code is made only for somebody who has a key or is our own user, with at most their role; never for a
   page, which could prolong itself that way.
3. No secret is in a URL that is sent anywhere, in a log, or in the document.
"""

from __future__ import annotations

from typing import Optional

from ..errors import BadRequestError, ForbiddenError, NotFoundError, TooManyTriesError
from ..web.sessions import CODE_SEC, Grant, cookie_values
from .answers.endpoint_types import EndpointReply, EndpointRequest, json_object, json_reply
from .messages.access import Caller
from .messages.roles import OBSERVER, OPERATOR, READERS
from .runtime import Runtime

__all__ = ["SESSION_PATH", "document", "events", "make_code", "session", "sign_in", "sign_out"]

SESSION_PATH = "/teamclaude/page/session"
COOKIE_PATH = "/teamclaude"  # below it the cookie is sent: to no page of another program by accident
_NOT_STORED = ("Cache-Control", "no-store")


def document() -> EndpointReply:
    """Return the page, the same for everybody."""
    from ..web.document import page_document  # most servers never show it

    found = page_document()
    return EndpointReply(200, found.body, (*found.headers, ("Vary", "Accept")), "text/html; charset=utf-8")


def events(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """Return the stream of the page's state; to HEAD only its head."""
    stream = None if request.method == "HEAD" else runtime.page.publisher.open(request.caller.role)
    # X-Accel-Buffering: nginx passes each event on at once.
    headers = (_NOT_STORED, ("X-Content-Type-Options", "nosniff"), ("X-Accel-Buffering", "no"))
    return EndpointReply(200, b"", headers, "text/event-stream", stream)


def make_code(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """Return a code that signs one page in: {"role"?, "ownUserOnly"?}."""
    caller, wanted = request.caller, json_object(request.body)
    if caller.by_page:
        raise ForbiddenError("a page can't make a code for another one: use teamclaude web, or a key")
    role, own_user_only = wanted.get("role", caller.role), wanted.get("ownUserOnly", False)
    if role not in READERS or not isinstance(own_user_only, bool):
        raise BadRequestError(
            'Expected {"role": "observer" or "operator"}, with "ownUserOnly": true or false.'
        )
    if role == OPERATOR != caller.role:
        raise ForbiddenError(f"a key with the role {caller.role} can't make a page of the role {role}")
    # Where the system can't say whose process it is, the code serves whoever has it.
    bound = own_user_only and request.is_own_process()
    code = runtime.page.sessions.new_code(_grant(runtime, caller, role, bound))
    return json_reply({"code": code, "role": role, "expiresSec": CODE_SEC}, headers=(_NOT_STORED,))


def sign_in(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """Exchange {"code": ...} or {"key": ...} for a cookie."""
    sent = json_object(request.body)
    code, key = sent.get("code"), sent.get("key")
    if isinstance(code, str) and key is None:
        grant = _by_code(runtime, request, code)
    elif isinstance(key, str) and code is None:
        grant = _by_key(runtime, request, key)
    else:
        raise BadRequestError('Expected {"code": "..."} or {"key": "..."}.')
    sessions = runtime.page.sessions
    sessions.end(_ids(runtime, request))
    id = sessions.begin(grant._replace(own_user_only=request.is_own_process()))
    cookie = _cookie(runtime, request, id)
    return json_reply({"role": grant.role, "name": grant.key_name}, headers=(cookie, _NOT_STORED))


def _by_code(runtime: Runtime, request: EndpointRequest, code: str) -> Grant:
    grant = runtime.page.sessions.redeem(code)
    if grant is None:
        runtime.page.sessions.note_wrong(request.address)
        raise ForbiddenError("this code was used before, or is too old: run teamclaude web again")
    if grant.own_user_only and not request.is_own_process():
        raise ForbiddenError(
            "this code is for a browser of the user who made it: teamclaude web --no-browser"
        )
    return grant


def _by_key(runtime: Runtime, request: EndpointRequest, key: str) -> Grant:
    wait = runtime.page.sessions.wait_sec(request.address)
    if wait > 0:
        raise TooManyTriesError("too many wrong keys from this address: wait a minute", round(wait) + 1)
    caller = runtime.access_policy.keys.identify_value(key.strip())
    if caller is None:
        runtime.page.sessions.note_wrong(request.address)
        raise ForbiddenError("this is no key of this proxy")
    if caller.role not in READERS:
        raise ForbiddenError(
            f"the key of {caller.name} has the role {caller.role}; the page needs {OBSERVER} or {OPERATOR} "
            "(proxy.clients[].role)"
        )
    return _grant(runtime, caller, caller.role, False)


def _grant(runtime: Runtime, caller: Caller, role: str, own_user_only: bool) -> Grant:
    fingerprint = runtime.access_policy.keys.fingerprint(caller.name) if caller.authenticated else ""
    return Grant(role, caller.name, fingerprint, own_user_only)


def session(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """Return who is signed in."""
    caller = request.caller
    return json_reply({"role": caller.role, "name": caller.name}, headers=(_NOT_STORED,))


def sign_out(runtime: Runtime, request: EndpointRequest) -> EndpointReply:
    """End the session, and have the browser forget the cookie."""
    ids = _ids(runtime, request)
    if not ids:
        raise NotFoundError("No page is signed in by this request.")
    runtime.page.sessions.end(ids)
    return json_reply({"role": None}, headers=(_cookie(runtime, request, None), _NOT_STORED))


def _ids(runtime: Runtime, request: EndpointRequest) -> list[str]:
    values = [] if request.head is None else request.head.get_all("cookie")
    return cookie_values(values, runtime.page.cookie_name)


def _cookie(runtime: Runtime, request: EndpointRequest, id: Optional[str]) -> tuple[str, str]:
    secure = request.field("origin").lower().startswith("https://")
    parts = [f"{runtime.page.cookie_name}={id or ''}", f"Path={COOKIE_PATH}", "HttpOnly", "SameSite=Strict"]
    parts += ["Secure"] if secure else []
    parts += [] if id else ["Max-Age=0"]
    return "Set-Cookie", "; ".join(parts)
