"""The web page of one server: who is signed in, and what those who look are sent."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, Optional

from ...snapshot import Snapshot
from ...web.publisher import Publisher
from ...web.sessions import Grant, PageSessions, cookie_values
from ..http.head import RequestHead
from ..messages.access import AccessPolicy, Caller
from ..messages.roles import OBSERVER, OPERATOR

__all__ = ["Page"]


class Page:
    """`snapshot` and `revision` are those of the server; `warn` gets one line about a defect."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], revision: Callable[[], Hashable], warn: Callable[[str], None]
    ) -> None:
        self._snapshot = snapshot
        self._revision = revision
        self.sessions = PageSessions()
        # Returns the rows of the conversations; set by the program that starts the server, which knows names.
        self.nodes_of: Optional[Callable[[Snapshot], dict[str, dict[str, Any]]]] = None
        # Changes with what `nodes_of` knows beyond the snapshot.
        self.nodes_revision: Callable[[], Hashable] = lambda: None
        self.publisher = Publisher(
            self._new_state_maker, lambda: (self._revision(), self.nodes_revision()), warn
        )
        self.cookie_name = ""

    def listens_at(self, port: int) -> None:
        """Name the cookie: browsers don't tell the ports of a host apart."""
        self.cookie_name = f"teamclaude-{port}"

    def _new_state_maker(self) -> Callable[[], Any]:
        from ...web.page_rows import PageRows, plain_nodes

        rows = PageRows(self.nodes_of or plain_nodes)
        return lambda: rows.state(self._snapshot())

    def caller(
        self, head: RequestHead, policy: AccessPolicy, local_ip: str, is_own_process: Callable[[], bool]
    ) -> Optional[Caller]:
        """Return who the cookie of a request stands for; None without a valid one, or if it has a key.

        Raises what `AccessPolicy.check_page_call` raises.
        """
        if "cookie" not in head or policy.keys.identify(head) is not None:
            return None
        grant = self.sessions.find(cookie_values(head.get_all("cookie"), self.cookie_name))
        role = None if grant is None else _present_role(grant, policy)
        if grant is None or not role:
            return None
        policy.check_page_call(head, local_ip)
        if grant.own_user_only and not is_own_process():
            return None
        return Caller(grant.key_name, bool(grant.fingerprint), role, by_page=True)


def _present_role(grant: Grant, policy: AccessPolicy) -> str:
    """Return the role of a session by the keys of now; empty when its key is gone or was replaced."""
    if not grant.fingerprint:
        return grant.role
    if policy.keys.fingerprint(grant.key_name) != grant.fingerprint:
        return ""
    present = policy.keys.role_of(grant.key_name)
    if present not in (OBSERVER, OPERATOR):
        return ""
    return OBSERVER if OBSERVER in (present, grant.role) else OPERATOR
