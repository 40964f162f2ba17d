"""What the bearer of a key may do: its role, by proxy.clients[].role.

A client sends requests and reads what concerns itself; an observer reads everything, changes nothing and
spends nothing; an operator may do all.  The proxy's own key and processes of our own user are operators.
"""

from __future__ import annotations

from collections.abc import Collection

from ...errors import ForbiddenError
from .proxy_keys import CLIENT, OBSERVER, OPERATOR, Caller

__all__ = [
    "ANY_ROLE",
    "CLIENT",
    "OBSERVER",
    "OPERATOR",
    "OPERATORS",
    "READERS",
    "require_role",
    "require_sender",
]

ANY_ROLE = (CLIENT, OBSERVER, OPERATOR)
READERS = (OBSERVER, OPERATOR)
OPERATORS = (OPERATOR,)
_SENDERS = (CLIENT, OPERATOR)


def require_role(caller: Caller, roles: Collection[str], what: str) -> None:
    """Raise ForbiddenError, which names the role that `what` needs, unless the caller has one of `roles`."""
    if caller.role not in roles:
        whose = f"the key of {caller.name}" if caller.name else "this key"
        raise ForbiddenError(
            f"{what} needs the role {' or '.join(roles)}; {whose} has the role {caller.role or 'of nobody'} "
            "(proxy.clients[].role)"
        )


def require_sender(caller: Caller) -> None:
    """Raise ForbiddenError for a caller whose requests go nowhere: an observer's."""
    require_role(caller, _SENDERS, "sending requests")
