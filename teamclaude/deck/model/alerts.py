"""What needs the operator, and which of it is new: the bell rings on the edge, not on the state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Optional

from .model import AccountRow, Alert, Node

__all__ = ["alerts_of", "new_alerts"]

_CHIPS = {"block": "blocked", "review": "review"}


def alerts_of(nodes: Mapping[str, Node], accounts: Iterable[AccountRow], verdict: str) -> frozenset[Alert]:
    """Everything that needs the operator in this frame."""
    found = {
        Alert(_CHIPS[node.chip], node.issue or node.key) for node in nodes.values() if node.chip in _CHIPS
    }
    found |= {Alert("collision", node.issue.casefold()) for node in nodes.values() if node.collision}
    found |= {Alert("login", account.name) for account in accounts if account.status == "auth_failed"}
    if verdict == "red":
        found.add(Alert("pool red"))
    return frozenset(found)


def new_alerts(previous: Optional[frozenset[Alert]], current: frozenset[Alert]) -> frozenset[Alert]:
    """What to ring for; nothing in the first frame (`previous` None): the operator is looking at it."""
    return frozenset() if previous is None else current - previous
