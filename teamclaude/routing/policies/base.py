"""What a policy is asked: place a conversation, keep or move it, admit it now or let it wait.

A policy is one small object without I/O, clock or lock of its own.  The Choice has already done what no
policy may decide: pins, accounts that cannot serve, paid keys, priority tiers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Optional, Protocol

from ...values import NamedTuple
from ..quota.lenient_json import LenientObject
from ..quota.rules import NO_LIMIT, Rules
from ..quota.usage import Usage
from ..state.account import Account
from ..state.conversations import Binding
from ..state.decision import Exclusion, RoutingRequest
from ..user_rules.week_hours import Calendar

__all__ = ["Move", "Placement", "Policy", "Pool"]


class Pool(Protocol):
    """What a policy may look at: the accounts that can serve this request, and the rules."""

    @property
    def rules(self) -> Rules:
        """The rules as the policy adapted them."""

    @property
    def now(self) -> float:
        """Epoch seconds."""

    @property
    def accounts(self) -> Sequence[Account]:
        """The accounts in the order of the config file.

        They are found when first asked for: a conversation that stays needs none but its own.
        """

    def has_slot(self, account: Account, waited: float = 0.0) -> bool:
        """Return whether the account takes one more request, one that has waited for so long (s)."""


class Placement(NamedTuple):
    """The account a policy takes, and the rule that excluded each other one."""

    account: Account
    excluded: Iterable[Exclusion]
    detail: str = ""
    waived: tuple[str, ...] = ()  # rules that no account passed


class Move(NamedTuple):
    """A warm conversation should leave its account."""

    reason: str
    placement: Placement


class Policy(ABC):
    """What the Fleet asks a policy; `pool.accounts` is never empty for `place` and `gate_reason`.

    Only `place` must be defined: by default a policy learns nothing, lets nobody wait and keeps what is warm.
    """

    name = ""
    place_life_sec = 0.0  # how long a conversation keeps its place at the gate while its client is away
    moves_warm = False  # it defines `reconsider`, which is not asked otherwise

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.moves_warm = cls.reconsider is not Policy.reconsider

    def adapt_rules(self, rules: Rules) -> Rules:
        """Return the rules this policy works with: by default no rail that is not configured."""
        return rules.with_own(five_hour_soft_ceiling=NO_LIMIT, max_sessions_per_account=NO_LIMIT)

    @abstractmethod
    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Place a new or homeless conversation; `home` is where it was, also outside the pool."""

    def choose(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Account:
        """Return the account that `place` takes, where nobody asks why."""
        return self.place(pool, request, home).account

    def reconsider(
        self, pool: Pool, request: RoutingRequest, binding: Binding, home: Account
    ) -> Optional[Move]:
        """Return a move for a warm conversation; None keeps it where it is."""
        return None

    def inflight_limit(self, rules: Rules, account: Account, now: float) -> int:
        """Return the requests the account may have in flight, as far as this policy is concerned."""
        return rules.max_inflight_per_account

    def slot_wait_sec(self, rules: Rules, binding: Binding) -> float:
        """Return how long (s) a warm conversation waits for a slot of its account, at least `slot_wait`."""
        return rules.slot_wait

    def wait_reason(
        self,
        pool: Pool,
        request: RoutingRequest,
        binding: Binding,
        home: Account,
        until: float,
        waited: float,
    ) -> str:
        """Return why a warm conversation waits until then for its closed account; empty: place it anew."""
        return ""

    def gate_reason(
        self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float
    ) -> str:
        """Return why a cold conversation must not enter `account` yet; empty: it may.

        `ahead` conversations have been held for longer.  What is refused with some ahead is refused with
        more, however long each has waited, unless the policy `knows` the conversation.  One that has waited
        for `request.hold_sec` is not refused.
        """
        return ""

    def holds(self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float) -> bool:
        """Return whether `gate_reason` has a reason, where nobody asks which."""
        return bool(self.gate_reason(pool, request, account, ahead, waited))

    def knows(self, conversation: str, now: float) -> bool:
        """Return whether `place` or `gate_reason` may treat a conversation without an account unlike others.

        Where they cannot, those that wait at the gate are held together (shared_choice.py), and their models
        are told apart only where an account's windows or refusals are about some models.
        """
        return True

    def record_entry(  # noqa: B027 - learning is optional
        self, account: Account, conversation: str, now: float
    ) -> None:
        """Learn that a conversation is given an account on which it was not bound just before."""

    def record_response(  # noqa: B027 - learning is optional
        self,
        accounts: Iterable[Account],
        account: Account,
        conversation: Optional[str],
        usage: Usage,
        now: float,
        model: Optional[str] = None,
    ) -> None:
        """Learn from a response to a conversation, or to a request that belongs to none."""

    def record_bare_429(self, account: Account, now: float) -> None:  # noqa: B027 - learning is optional
        """Learn from a 429 that says nothing: perhaps too many requests were in flight, this one included."""

    def use_calendar(self, calendar: Calendar) -> None:  # noqa: B027 - as above
        """Tell weekends by this calendar; until then it is that of UTC."""

    def to_json(self) -> dict[str, Any]:
        """Return what it has learned, as plain JSON data."""
        return {}

    def restore(self, saved: LenientObject, keys: Mapping[str, str]) -> None:  # noqa: B027 - as above
        """Take back what was saved; `keys` maps saved account keys to those of now."""
