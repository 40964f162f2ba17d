"""What a routing policy is: place a conversation, keep or move it, admit it now or let it wait.

A policy is one small object without I/O, clock or lock of its own.  The Fleet has already done what
no policy may decide: pins, accounts that can't serve, paid keys, priority tiers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Optional, Protocol

from .account import Account
from .binding import Binding
from .decision import Ask, Exclusion
from .rules import Rules

__all__ = ["Move", "Placement", "Policy", "Pool"]


class Pool:
    """What a policy may look at: the accounts that can serve this request, and the rules.

    The accounts are gathered when first asked for: a conversation that stays needs none but its own.
    """

    def __init__(self, gather: Callable[[], Sequence[Account]], rules: Rules, now: float) -> None:
        self._gather = gather
        self._accounts: Optional[Sequence[Account]] = None
        self.rules = rules
        self.now = now

    @property
    def accounts(self) -> Sequence[Account]:
        if self._accounts is None:
            self._accounts = self._gather()
        return self._accounts


class Placement(NamedTuple):
    """The account a policy takes, and the rule that excluded each other one."""

    account: Account
    excluded: tuple[Exclusion, ...]
    detail: str = ""


class Move(NamedTuple):
    """A warm conversation should leave its account."""

    reason: str
    placement: Placement


class Policy(Protocol):
    """Three questions; `pool.accounts` is never empty."""

    name: str

    def place(self, pool: Pool, ask: Ask, home: Optional[Account]) -> Placement:
        """The account for a new or homeless conversation; `home` is where it was, also outside the pool."""

    def reconsider(self, pool: Pool, ask: Ask, binding: Binding, home: Account) -> Optional[Move]:
        """None keeps a warm conversation where it is."""

    def free_slots(self, rules: Rules, account: Account, now: float, waited: float) -> int:
        """How many more requests the account takes now; 0 lets the request wait."""
