"""What the attempts of one walk of the wait queue have in common, so that it is found once.

A walk tries many requests at one instant, and most of them get nothing.  Until one does, nothing changes:

1. Which accounts can serve a request depends on its constraints, and on whether it has waited for a slot for
   long enough.
2. A new conversation that the policy holds at its gate holds back others of its kind: those with as many
   conversations ahead or more (`Policy.gate_reason` promises that).  Their kind is what the answer depends on
   else: the constraints, and the account of the conversation that started them.
3. Those that came later and have the same constraints and the same parent differ in nothing that counts, so
   that not even this is looked at (`held_alike`).

A lease ends all of that.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Callable, Optional, TypeVar

from .candidates import Candidates
from .state.account import Account, Block
from .state.decision import NEVER, RoutingRequest, Wait

__all__ = ["SharedChoices", "find_once"]

T = TypeVar("T")


class SharedChoices:
    """What is known of one instant."""

    def __init__(self) -> None:
        self.blocks: dict[Hashable, Optional[Block]] = {}
        self.candidates: dict[Hashable, Candidates] = {}
        self.nothing_usable: dict[Hashable, Wait] = {}  # by constraints
        self._by_model: Optional[bool] = None  # not found out yet
        self._held: dict[Hashable, int] = {}  # conversations ahead
        self.held_alike: set[object] = set()  # `Waiter.alike` of those that are held

    def clear(self) -> None:
        """Forget everything: something has changed."""
        self.blocks.clear()
        self.candidates.clear()
        self._held.clear()
        self.held_alike.clear()
        self._by_model = None

    def constraints(self, request: RoutingRequest, accounts: Iterable[Account]) -> Hashable:
        """Return what decides which accounts can serve: with the model only where one tells models apart."""
        if self._by_model is None:
            self._by_model = any(map(_tells_models_apart, accounts))
        return request.constraints if self._by_model else request.general_constraints

    def leaves_out(self, account: str, alike: Hashable) -> bool:
        """Return whether the account is known not to be among the candidates of such requests."""
        known = self.candidates.get(alike)
        return known is not None and all(each.key != account for each in known.accounts)

    def record_held(self, kind: Hashable, ahead: int) -> None:
        """Record that a conversation of this kind was held at the gate, with `ahead` ahead of it."""
        self._held[kind] = min(ahead, self._held.get(kind, ahead))

    def is_held(self, kind: Hashable, ahead: float = NEVER) -> bool:
        """Return whether such a conversation is held, because one with no more ahead of it was."""
        known = self._held.get(kind)
        return known is not None and ahead >= known


def _tells_models_apart(account: Account) -> bool:
    """Return whether the account may serve one model and refuse another."""
    return bool(account.scoped_refusals or account.windows.scoped)


def find_once(known: dict[Hashable, T], key: Hashable, find: Callable[[], T]) -> T:
    """Return what is known under `key`; find it if nothing is."""
    found = known.get(key)
    if found is None:
        found = known[key] = find()
    return found
