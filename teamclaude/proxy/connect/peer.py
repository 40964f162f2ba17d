"""Who is at the other end of a connection, and what its requests are: of a plain one, or inside a tunnel."""

from __future__ import annotations

from contextlib import suppress
from typing import Optional

from ...dial.tls_sockets import is_tls
from ...errors import BadRequestError, ForbiddenError, ProxyKeyNeededError, TeamClaudeError
from ..http.head import OTHER_URL, RequestHead
from ..http.path_kinds import PathKind, Route, classify_opened, classify_path
from ..messages.access import AccessPolicy, Caller
from ..messages.roles import require_sender
from ..messages.web_origin import DEFAULT_PORT, named_host
from ..net.connections import AcceptedConnection

__all__ = ["Peer", "TunnelPeer"]

_OWN_LOGIN_KINDS = (PathKind.CLIENT_LOGIN, PathKind.OAUTH_TOKEN)


class Peer:
    """The other end of an accepted connection; `ip` is its address, or what a PROXY header named."""

    def __init__(self, accepted: AcceptedConnection, ip: str) -> None:
        self.ip = ip
        self.same_user = accepted.same_user
        self._scheme = "https" if is_tls(accepted.sock) else "http"
        self.local_ip, self._local_port = "", 0
        with suppress(OSError):  # the client is already disconnected
            name = accepted.sock.getsockname()
            self.local_ip, self._local_port = str(name[0]), name[1]

    def route_of(self, head: RequestHead, policy: AccessPolicy) -> Route:
        """Return what kind of request it is; of an unknown kind if its target is another server's."""
        if head.series.scheme is not None and not self._is_target_ours(head, policy):
            return Route(PathKind.UNKNOWN, head.target.partition("?")[0])
        return classify_path(head.method, head.target)

    def _is_target_ours(self, head: RequestHead, policy: AccessPolicy) -> bool:
        """Return whether the URL of a request line is one of this server, whatever key comes with it."""
        scheme = head.series.scheme
        try:
            named = named_host(head)
        except BadRequestError:
            return False
        if named is None or scheme != self._scheme:
            return False
        port = named.port or DEFAULT_PORT[scheme]
        return port == self._local_port and policy.is_own_host(named, self.local_ip)

    def address_of(self, head: RequestHead, policy: AccessPolicy) -> str:
        """Return the address a request comes from, behind trusted proxies the caller's."""
        return policy.trusted_proxies.caller_of(head, self.ip)

    def authorize(self, head: RequestHead, route: Route, policy: AccessPolicy) -> Caller:
        """Return who sends the request; raises what `AccessPolicy` raises."""
        if route.kind is PathKind.CONNECT:
            return policy.authorize_connect(head, self.ip, self.same_user)
        is_unknown = route.kind is PathKind.UNKNOWN
        if is_unknown and head.series.scheme is not None and not self._is_target_ours(head, policy):
            raise BadRequestError(OTHER_URL)
        return policy.authorize(head, self.ip, self.same_user, self.local_ip)

    def may_connect(self, head: RequestHead, policy: AccessPolicy) -> bool:
        """Return whether this CONNECT would be allowed by `policy`."""
        try:
            require_sender(policy.authorize_connect(head, self.ip, self.same_user))
        except TeamClaudeError:
            return False
        return True

    def is_local_user(self, head: RequestHead, policy: AccessPolicy, caller: Caller) -> bool:
        """Return whether a tunnel of this caller may end on this machine or in its network."""
        return policy.is_local_user(head, self.ip, self.same_user, caller)


class TunnelPeer(Peer):
    """A client inside the tunnel to `host` that the request `connect` has opened."""

    def __init__(self, outside: Peer, host: str, connect: RequestHead) -> None:
        self.ip, self.local_ip, self.same_user = outside.ip, outside.local_ip, outside.same_user
        self._host = host
        self._connect = connect
        self._policy: Optional[AccessPolicy] = None  # the one that `_caller` was authorized by
        self._caller = Caller(None, False)

    def route_of(self, head: RequestHead, policy: AccessPolicy) -> Route:
        """Return what kind of request to the API it is."""
        return classify_opened(head.method, head.target, policy.keys.has_other(head))

    def address_of(self, head: RequestHead, policy: AccessPolicy) -> str:
        """Return the address the tunnel comes from: no proxy has added to the heads inside."""
        return super().address_of(self._connect, policy)

    def authorize(self, head: RequestHead, route: Route, policy: AccessPolicy) -> Caller:
        """Return who sends the request; after a reload the tunnel must still be allowed."""
        if policy is not self._policy:
            try:
                self._caller = policy.authorize_connect(self._connect, self.ip, self.same_user)
            except ProxyKeyNeededError as error:  # 401 would make the client renew its own login
                raise ForbiddenError("the key that opened this connection is no longer valid") from error
            self._policy = policy
        if head.series.scheme == "http":  # RFC 9110 7.4: not over this connection
            raise BadRequestError(OTHER_URL)
        spends = route.kind not in _OWN_LOGIN_KINDS
        return policy.authorize_inside(head, self._host, self._caller, spends)
