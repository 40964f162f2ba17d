"""What a routing policy is: place a conversation, keep or move it, admit it now or let it wait.

A policy is one small object without I/O, clock or lock of its own.  The Fleet has already done what
no policy may decide: pins, accounts that can't serve, paid keys, priority tiers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Optional, Protocol

from ..quota.lenient_json import LenientObject
from ..quota.rules import NO_LIMIT, Rules
from ..quota.usage import Usage
from ..state.account import Account, inflight_cap
from ..state.conversations import Binding
from ..state.decision import Exclusion, RoutingRequest

__all__ = ["Move", "Placement", "BasePolicy", "Policy", "Pool"]


class Pool(Protocol):
    """What a policy may look at: the accounts that can serve this request, and the rules."""

    @property
    def rules(self) -> Rules: ...

    @property
    def now(self) -> float: ...

    @property
    def accounts(self) -> Sequence[Account]:
        """Gathered when first asked for: a conversation that stays needs none but its own."""


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


class Policy(Protocol):
    """What the Fleet asks a policy; `pool.accounts` is never empty when `place` and `gate` are asked."""

    name: str

    def adapt_rules(self, rules: Rules) -> Rules:
        """The rules this policy works with, made of the configured ones."""

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """The account for a new or homeless conversation; `home` is where it was, also outside the pool."""

    def reconsider(
        self, pool: Pool, request: RoutingRequest, binding: Binding, home: Account
    ) -> Optional[Move]:
        """None keeps a warm conversation where it is."""

    def inflight_limit(self, rules: Rules, account: Account, now: float) -> int:
        """Requests the account may have in flight, as far as this policy is concerned."""

    def free_slots(self, rules: Rules, account: Account, now: float, waited: float) -> int:
        """How many more requests the account takes now; 0 lets the request wait."""

    def wait_reason(
        self,
        pool: Pool,
        request: RoutingRequest,
        binding: Binding,
        home: Account,
        until: float,
        waited: float,
    ) -> str:
        """Why a warm conversation waits for its closed account until then; empty: it is placed anew."""

    def gate_reason(
        self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float
    ) -> str:
        """Why a cold conversation must not enter `account` yet; empty: it may.  `ahead` wait longer."""

    def record_response(
        self,
        accounts: Iterable[Account],
        account: Account,
        conversation: Optional[str],
        usage: Usage,
        now: float,
    ) -> None:
        """Learn from an answer to a conversation, or to a request that belongs to none."""

    def record_bare_429(self, account: Account, now: float) -> None:
        """A 429 that says nothing: perhaps `account` had too many requests in flight, this one included."""

    def to_json(self) -> dict[str, Any]:
        """What it has learned, as plain JSON data."""

    def restore(self, saved: LenientObject, keys: Mapping[str, str]) -> None:
        """Take back what was stored; `keys` maps the account keys of then to those of now."""


class BasePolicy:
    """A policy that learns nothing, lets nobody wait and keeps what is warm."""

    name = ""

    def adapt_rules(self, rules: Rules) -> Rules:
        """It prefers no account for the rails' sake, unless they are set."""
        return rules.with_own(five_hour_soft_ceiling=NO_LIMIT, max_sessions_per_account=NO_LIMIT)

    def reconsider(
        self, pool: Pool, request: RoutingRequest, binding: Binding, home: Account
    ) -> Optional[Move]:
        return None

    def inflight_limit(self, rules: Rules, account: Account, now: float) -> int:
        return rules.max_inflight_per_account

    def free_slots(self, rules: Rules, account: Account, now: float, waited: float) -> int:
        """What the rails and the probe of an unproven account leave of `slots`: no policy overrides it."""
        return (
            inflight_cap(account, rules, now, waited, self.inflight_limit(rules, account, now))
            - account.inflight
        )

    def wait_reason(
        self,
        pool: Pool,
        request: RoutingRequest,
        binding: Binding,
        home: Account,
        until: float,
        waited: float,
    ) -> str:
        return ""

    def gate_reason(
        self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float
    ) -> str:
        return ""

    def record_response(
        self,
        accounts: Iterable[Account],
        account: Account,
        conversation: Optional[str],
        usage: Usage,
        now: float,
    ) -> None:
        pass

    def record_bare_429(self, account: Account, now: float) -> None:
        pass

    def to_json(self) -> dict[str, Any]:
        return {}

    def restore(self, saved: LenientObject, keys: Mapping[str, str]) -> None:
        pass
