"""Every error of this package, sorted by who is to blame; each carries its HTTP answer.

The sections: the user, the client, the upstream, the accounts, our own limits.  Foreign exceptions
(OSError, ssl, json...) are translated into these once, where they enter.  Messages are for people: one
line, with what to do, never a credential.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional


class TeamClaudeError(Exception):
    """Base of all errors that a user or client can meet.

    `status` and `kind` are the answer's HTTP status and the `type` in its JSON error.
    """

    status = 500
    kind = "api_error"
    retry_after: Optional[int] = None
    """Seconds sent as Retry-After; None: the header is left out."""
    client_may_retry = True
    """False sends `x-should-retry: false`: Claude Code then does not retry."""

    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the extra headers of the HTTP answer."""
        out = [] if self.retry_after is None else [("Retry-After", str(self.retry_after))]
        # Claude Code waits for up to 60 s and stops at once for more: send the true time and say so.
        if not self.client_may_retry or (self.retry_after or 0) > 60:
            out.append(("x-should-retry", "false"))
        return out


# --- the user: a command or the config file is wrong --------------------------------------------


class UsageError(TeamClaudeError):
    """A command was called with arguments it can't take (exit status 2)."""


class ConfigError(TeamClaudeError):
    """The config file can't be read or holds a bad value; names the file and the place."""


class SnapshotError(TeamClaudeError):
    """What a proxy answered is no snapshot; names the place of the wrong value."""


class HistoryError(TeamClaudeError):
    """The history file is missing or can't be read; names the file and what to do."""


# --- the client: its request is wrong or not allowed, and no account is used -------------------------


class ClientError(TeamClaudeError):
    """The request can't be served because of what it is; it is sent to no account."""

    status = 400
    kind = "invalid_request_error"


class BadRequestError(ClientError):
    """Malformed HTTP; the connection is closed after the answer."""


class UnauthorizedError(ClientError):
    """The request has no valid proxy key."""

    status = 401
    kind = "authentication_error"


class ProxyKeyNeededError(ClientError):
    """A CONNECT has no valid proxy key (RFC 9110, 15.5.8)."""

    status = 407
    kind = "authentication_error"

    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the challenge; only Basic is a scheme that clients find in a proxy's URL."""
        return (("Proxy-Authenticate", 'Basic realm="teamclaude"'),)


class ForbiddenError(ClientError):
    """The caller may not do this, whatever key it has."""

    status = 403
    kind = "permission_error"


class BlockedError(ForbiddenError):
    """A route of the user's lets no account, or not this one, serve the request."""

    client_may_retry = False


class NotFoundError(ClientError):
    """The path names nothing here."""

    status = 404
    kind = "not_found_error"


class MethodNotAllowedError(ClientError):
    """The path exists for other methods, which the Allow header lists."""

    status = 405

    def __init__(self, message: str, allow: Sequence[str]) -> None:
        super().__init__(message)
        self.allow = tuple(allow)

    def headers(self) -> Sequence[tuple[str, str]]:
        """Return the Allow header (RFC 9110, 15.5.6)."""
        return (("Allow", ", ".join(self.allow)),)


class RequestTimeoutError(ClientError):
    """The client was too slow to send its request."""

    status = 408


class BodyTooLargeError(ClientError):
    """The request's body is over proxy.maxBodyMiB."""

    status = 413
    kind = "request_too_large"


class BusyError(ClientError):
    """What was asked for is being done already, or can't be done in this state of the server."""

    status = 409


class MisdirectedRequestError(ClientError):
    """The Host header names a host that is not ours (DNS rebinding)."""

    status = 421


class TooManyTriesError(ClientError):
    """Too many wrong keys came from this address in a short time."""

    status = 429
    kind = "rate_limit_error"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ClientLimitError(ClientError):
    """A client key is at a limit of its own (proxy.clients[]); `limit` is the setting's name."""

    status = 429
    kind = "rate_limit_error"

    def __init__(self, message: str, limit: str, retry_after: int) -> None:
        super().__init__(message)
        self.limit = limit
        self.retry_after = retry_after


class HeadTooLargeError(ClientError):
    """The request's head is over the limits for lines and fields."""

    status = 431


class RestartFailedError(TeamClaudeError):
    """The new program can't serve; the running one goes on."""


class NotSupportedError(ClientError):
    """Valid HTTP that this server does not implement."""

    status = 501


class ClientGoneError(ClientError):
    """The client closed its connection: nobody's failure, and nothing can be answered."""

    status = 499


# --- the upstream: an outage, never an account's fault ------------------------------------------


class UpstreamError(TeamClaudeError):
    """Base of the failures between us and the API."""

    status = 502


class ConnectFailedError(UpstreamError):
    """No connection: refused, DNS, TLS, or timed out before a byte was sent."""

    status = 503
    kind = "overloaded_error"
    retry_after: Optional[int] = 5


class ProxyRefusedError(ConnectFailedError):
    """A proxy on the way refuses: asked again, it would refuse again, and may lock its user out."""

    retry_after = None
    client_may_retry = False


class UpstreamOutageError(UpstreamError):
    """Something on the way to the API (an edge, a filter, a proxy) answers in its place."""

    status = 503
    kind = "overloaded_error"
    retry_after = 5


class UpstreamLostError(UpstreamError):
    """The connection broke or fell silent after the request was (perhaps) sent."""


class UpstreamTimeoutError(UpstreamLostError):
    """No answer began in time: the request may be running, and billed, so it is not sent again."""


class UpstreamProtocolError(UpstreamLostError):
    """The upstream's bytes are not HTTP that we accept."""


class TunnelFailedError(UpstreamError):
    """No tunnel to the host that a client named: refused, unknown, or no way to it."""


class TunnelTimeoutError(TunnelFailedError):
    """The host that a client named did not accept a connection in time."""

    status = 504


# --- the accounts: their logins and quotas ------------------------------------------------------


class AccountError(TeamClaudeError):
    """Every account refused the request; a retry by the client would not help."""

    status = 502
    client_may_retry = False


class LoginRefusedError(TeamClaudeError):
    """The authorization server refused the login: only logging in again helps.

    `answered`: the status of its answer; None when it was not asked.
    """

    status = 502
    kind = "authentication_error"

    def __init__(self, message: str, answered: Optional[int] = None) -> None:
        super().__init__(message)
        self.answered = answered


class TokenEndpointUnavailableError(TeamClaudeError):
    """The authorization server gave no usable answer: try later; nothing is wrong with the login.

    `pause_sec`: seconds it asked for, None when it did not.  `may_be_spent`: the request reached it
    and the answer was lost, so a single-use token that was sent may be worthless now; False when the
    request certainly did not reach it or was turned away.  `answered`: the status of a refusal.
    """

    status = 503
    kind = "overloaded_error"

    def __init__(
        self,
        message: str,
        *,
        pause_sec: Optional[float] = None,
        may_be_spent: bool,
        answered: Optional[int] = None,
    ) -> None:
        super().__init__(message)
        self.pause_sec = pause_sec
        self.may_be_spent = may_be_spent
        self.answered = answered


class NoAccountAvailableError(TeamClaudeError):
    """No account became usable within the hold budget: 429 with the true waiting time."""

    status = 429
    kind = "rate_limit_error"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# --- our own limits: nobody's fault ---------------------------------------------------------------


class WaitQueueFullError(TeamClaudeError):
    """proxy.maxHeld requests wait for an account already."""

    status = 503
    kind = "overloaded_error"

    def __init__(self, message: str, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OverloadedError(TeamClaudeError):
    """We are out of memory for bodies, file descriptors or connections for the moment."""

    status = 503
    kind = "overloaded_error"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class DiskFullError(TeamClaudeError):
    """An upload that is spooled to disk does not fit; a person has to free space."""

    status = 507
    client_may_retry = False


class DrainingError(TeamClaudeError):
    """The server is shutting down."""

    status = 503
    kind = "overloaded_error"
    retry_after = 1


class HandedOverError(DrainingError):
    """Another process serves in place of this one, and keeps the request's place in the queue.

    Not an `overloaded_error`: of these Claude Code counts three, and takes another model then.
    """

    kind = "api_error"
