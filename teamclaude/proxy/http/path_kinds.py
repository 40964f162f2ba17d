"""Classify request paths with one table, matched without any normalization.

Rules that hold in this file:

1. An account's credential is sent only under a path in this table.  A path that another program could read as
   a different one (empty or dot segments, encoded slashes, dots or letters, `;` parameters, fragments,
   backslashes) is unknown: the proxy answers 404 and never forwards it.
2. A path below /teamclaude is the proxy's own and never goes upstream.
3. Inside a tunnel to the API (`classify_opened`) the client talks to the API, not to the proxy: no path is
   the proxy's own and none is unknown.  What gets no account's credential has the client's own.

Sources: the specification of the public API (platform docs) and what Claude Code 2.1 asks for, measured.
"""

from __future__ import annotations

import enum
import re

from ...errors import ClientError, MethodNotAllowedError, NotFoundError
from ...values import NamedTuple

__all__ = [
    "TOKEN_PATH",
    "PathKind",
    "Route",
    "classify_opened",
    "classify_path",
    "unknown_path_error",
    "works_uncounted",
]


class PathKind(enum.Enum):
    """Who serves a path, and with which credential."""

    OWN = "own"  # answered by the proxy itself
    INFERENCE = "inference"  # POST /v1/messages: an account's credential, all of routing
    COUNT_TOKENS = "count_tokens"  # an account's credential; never benches inference
    API = "api"  # the rest of the public API: an account's credential
    CLIENT_LOGIN = "client login"  # the client's own credential, no account
    OAUTH_TOKEN = "oauth token"  # relayed unchanged to the token host
    CONNECT = "connect"  # the method: a tunnel to a host
    UNKNOWN = "unknown"  # answered with 404


class Route(NamedTuple):
    """The kind of a request; `path` is the target without its query.

    `in_tunnel`: inside a tunnel to the API, and none of its accounts' requests: passed on as it is.
    """

    kind: PathKind
    path: str
    upload_mib: int = 0  # the largest body of an upload in MiB; 0: the request is no upload
    in_tunnel: bool = False


TOKEN_PATH = "/v1/oauth/token"

_OWN_PATHS = {"/", "/health", "/health/ready", "/api/hello", "/capacity", "/metrics", "/teamclaude"}

_POST_PATHS = {
    "/v1/messages": PathKind.INFERENCE,
    "/v1/messages/count_tokens": PathKind.COUNT_TOKENS,
    TOKEN_PATH: PathKind.OAUTH_TOKEN,
}

# A path of exactly these two segments.
_EXACT_PATHS = {
    "/v1/complete": PathKind.API,
    "/v1/files": PathKind.API,
    "/v1/models": PathKind.API,
    "/v1/skills": PathKind.API,
    "/api/event_logging": PathKind.CLIENT_LOGIN,
}

# Everything below these two segments.
_PATH_PREFIXES = {
    "/v1/files": PathKind.API,
    "/v1/messages": PathKind.API,
    "/v1/models": PathKind.API,
    "/v1/skills": PathKind.API,
    "/api/event_logging": PathKind.CLIENT_LOGIN,
    "/api/oauth": PathKind.CLIENT_LOGIN,
    "/v1/code": PathKind.CLIENT_LOGIN,
}

# Limits of the API itself in MiB; its other bodies end at 32.
_UPLOAD_MIB = {"/v1/files": 500, "/v1/messages/batches": 256}

# TRACE would echo an account's credential to the client; the API needs no other method.
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

# Below a prefix: segments of unreserved and harmless characters, or encodings that no decoder turns into
# anything with a meaning in a path: not / \ . % ? # ; letters, digits, spaces, controls or parts of UTF-8.
_SAFE_PATH = re.compile(
    r"(?:/(?!\.\.?(?:/|\Z))"
    r"(?:[A-Za-z0-9._~!$&'()*+,=:@-]|%(?:2[1246-9A-Ca-c]|3[ACDEacde]|40|5[BDEbde]|60|7[B-Db-d]))+)+"
)


def classify_path(method: str, target: str) -> Route:
    """Return the route of a request; `target` is that of the request line."""
    if method == "CONNECT":
        return Route(PathKind.CONNECT, target)
    path = target.partition("?")[0]
    if path in _OWN_PATHS or path.startswith("/teamclaude/"):
        return Route(PathKind.OWN, path)
    if "#" in target or method not in _METHODS:
        return Route(PathKind.UNKNOWN, path)
    kind = _POST_PATHS.get(path)
    if kind is not None:
        return Route(kind if method == "POST" else PathKind.UNKNOWN, path)
    return Route(_kind_by_tables(path), path, _UPLOAD_MIB.get(path, 0) if method == "POST" else 0)


def classify_opened(method: str, target: str, own_login: bool) -> Route:
    """Return the route of a request inside a tunnel to the API; `own_login`: it has a credential of its own.

    A client with a login makes its files and skills with that login: another account does not have them.
    Messages are what accounts are for, whatever the client sends along.
    """
    route = classify_path(method, target)
    kind, path = route.kind, route.path
    if kind in (PathKind.INFERENCE, PathKind.COUNT_TOKENS, PathKind.CONNECT):
        return route
    if kind is PathKind.API and (not own_login or path.startswith("/v1/messages/")):
        return route
    return Route(PathKind.CLIENT_LOGIN, path, route.upload_mib, in_tunnel=True)


def works_uncounted(route: Route, method: str) -> bool:
    """Return whether a request gives models work whose tokens no answer tells: batches, completions."""
    if method != "POST" or route.kind is not PathKind.API:
        return False
    is_below = route.path.startswith("/v1/messages/") and not route.path.endswith("/cancel")
    return is_below or route.path == "/v1/complete"


def unknown_path_error(method: str, target: str) -> ClientError:
    """Return the error for a request of an unknown kind."""
    path = target.partition("?")[0][:200]
    if classify_path("POST", target).kind in _POST_PATHS.values():
        return MethodNotAllowedError(f"{method} is not a method of {path}.", ["POST"])
    return NotFoundError(f"{method} {path} is not part of the API; nothing was sent.")


def _kind_by_tables(path: str) -> PathKind:
    kind = _EXACT_PATHS.get(path)
    if kind is not None:
        return kind
    parts = path.split("/", 3)
    if len(parts) < 4 or not _SAFE_PATH.fullmatch(path):
        return PathKind.UNKNOWN
    return _PATH_PREFIXES.get("/".join(parts[:3]), PathKind.UNKNOWN)
