"""Every error of this package, sorted by who is to blame; each knows its HTTP answer.

Foreign exceptions (OSError, ssl, json...) are translated into these once, where they enter.
Texts are for people: one line, says what to do, never contains a credential.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

__all__ = [
    "AccountError",
    "BadRequestError",
    "BodyTooLargeError",
    "ClientError",
    "ClientGoneError",
    "ConfigError",
    "ConnectFailedError",
    "DiskFullError",
    "DrainingError",
    "ForbiddenError",
    "HeadTooLargeError",
    "LoginRefusedError",
    "MethodNotAllowedError",
    "MisdirectedRequestError",
    "NoAccountAvailableError",
    "NotFoundError",
    "NotSupportedError",
    "OverloadedError",
    "RequestTimeoutError",
    "SnapshotError",
    "TeamClaudeError",
    "TokenEndpointUnavailableError",
    "UnauthorizedError",
    "UpstreamError",
    "UpstreamLostError",
    "UpstreamOutageError",
    "UpstreamProtocolError",
    "UpstreamTimeoutError",
    "UsageError",
    "WaitQueueFullError",
]


class TeamClaudeError(Exception):
    """Base of all errors a user or client can meet."""

    status = 500
    kind = "api_error"

    def headers(self) -> Sequence[tuple[str, str]]:
        """Extra headers of the HTTP answer."""
        return ()


# --- the person at the keyboard -------------------------------------------------------------


class UsageError(TeamClaudeError):
    """A command was called with words it can't take (exit status 2)."""


class ConfigError(TeamClaudeError):
    """The config file can't be read or holds a bad value; names the file and the place."""


class SnapshotError(TeamClaudeError):
    """What a proxy answered is no snapshot; names the place of the wrong value."""


# --- the client: its request is wrong or not allowed ------------------------------------------


class ClientError(TeamClaudeError):
    """The request can't be served for a reason of its own; no account is touched."""

    status = 400
    kind = "invalid_request_error"


class BadRequestError(ClientError):
    """Malformed HTTP; the connection is closed after the answer."""


class UnauthorizedError(ClientError):
    status = 401
    kind = "authentication_error"


class ForbiddenError(ClientError):
    status = 403
    kind = "permission_error"


class NotFoundError(ClientError):
    status = 404
    kind = "not_found_error"


class MethodNotAllowedError(ClientError):
    status = 405

    def __init__(self, message: str, allow: Sequence[str]) -> None:
        super().__init__(message)
        self.allow = tuple(allow)

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("Allow", ", ".join(self.allow)),)


class RequestTimeoutError(ClientError):
    """The client was too slow to send its request."""

    status = 408


class BodyTooLargeError(ClientError):
    status = 413
    kind = "request_too_large"


class MisdirectedRequestError(ClientError):
    """The Host header names a host that is not ours (DNS rebinding)."""

    status = 421


class HeadTooLargeError(ClientError):
    status = 431


class NotSupportedError(ClientError):
    status = 501


class ClientGoneError(ClientError):
    """The client closed its connection: nobody's failure, nothing to answer."""

    status = 499


# --- the upstream: an outage, never an account's fault -----------------------------------------


class UpstreamError(TeamClaudeError):
    status = 502


class ConnectFailedError(UpstreamError):
    """No connection: refused, DNS, TLS or timed out before a byte was sent."""

    status = 503
    kind = "overloaded_error"

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("Retry-After", "5"),)


class UpstreamOutageError(UpstreamError):
    """Something on the way to the API (an edge, a filter, a proxy) answers in its place."""

    status = 503
    kind = "overloaded_error"

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("Retry-After", "5"),)


class UpstreamLostError(UpstreamError):
    """The connection broke or fell silent after the request was (perhaps) sent."""


class UpstreamTimeoutError(UpstreamLostError):
    """No answer began within its time: the request may be running, and billed, so it is not sent again."""


class UpstreamProtocolError(UpstreamLostError):
    """The upstream's bytes are not HTTP we accept."""


# --- the accounts and the pool -----------------------------------------------------------------


class AccountError(TeamClaudeError):
    """Every account refused; a client's own retry would not help."""

    status = 502

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("x-should-retry", "false"),)


class LoginRefusedError(TeamClaudeError):
    """The authorization server knows the login no more: only a person can help, by logging in again."""

    status = 502
    kind = "authentication_error"


class TokenEndpointUnavailableError(TeamClaudeError):
    """The authorization server gave no usable answer: later perhaps; nothing is wrong with the login.

    `retry_after`: seconds it asked for, None when it did not.  `may_be_spent`: the request reached it
    and the answer was lost, so a single-use token that was sent may be worth nothing now; False when
    it certainly did not reach it or was turned away.
    """

    status = 503
    kind = "overloaded_error"

    def __init__(self, message: str, *, retry_after: Optional[float] = None, may_be_spent: bool) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        self.may_be_spent = may_be_spent


class NoAccountAvailableError(TeamClaudeError):
    """No account was usable within the budget: the honest 429."""

    status = 429
    kind = "rate_limit_error"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def headers(self) -> Sequence[tuple[str, str]]:
        # Claude Code sleeps through values up to 60 s and stops at once above: the truth decides.
        out = [("Retry-After", str(self.retry_after))]
        if self.retry_after > 60:
            out.append(("x-should-retry", "false"))
        return out


class WaitQueueFullError(TeamClaudeError):
    status = 503
    kind = "overloaded_error"

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("Retry-After", "5"),)


class OverloadedError(TeamClaudeError):
    """Something of ours is used up for the moment (memory, descriptors, connections): ask again."""

    status = 503
    kind = "overloaded_error"

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("Retry-After", str(self.retry_after)),)


class DiskFullError(TeamClaudeError):
    """An upload that is kept on disk does not fit there; a person has to make room."""

    status = 507

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("x-should-retry", "false"),)


class DrainingError(TeamClaudeError):
    """The server is shutting down."""

    status = 503
    kind = "overloaded_error"

    def headers(self) -> Sequence[tuple[str, str]]:
        return (("Retry-After", "1"),)
