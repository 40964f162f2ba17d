"""One request's choice of an account, from pins over its binding to a fresh placement.

What holds for every policy is decided here; the policy is asked only to place, to reconsider a warm
conversation and to count free slots.  Nothing here changes state.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import NamedTuple, Optional, Protocol

from .account import Account, Block, within_5h_rail
from .binding import Binding
from .decision import Ask, Decision, Exclusion, Reason
from .policy import Placement, Policy, Pool
from .rules import Rules

__all__ = ["Choice", "FleetState"]

NEVER = float("inf")
# Blocks that neither time nor an answer will lift soon: they justify spending a paid key at once.
_STUCK = frozenset({"hard cap", "model cap", "disabled", "auth_failed"})
_HOME_LOST = {
    "account benched": Reason.BENCHED,
    "hard cap": Reason.HARD_CAP,
    "model cap": Reason.MODEL_CAP,
}


class FleetState(Protocol):
    """What a choice reads of the fleet."""

    rules: Rules
    policy: Policy
    accounts: dict[str, Account]
    bindings: dict[str, Binding]
    pins: dict[Optional[str], str]
    keyless: Optional[str]


class _Candidates(NamedTuple):
    eligible: list[Account]
    excluded: tuple[Exclusion, ...]
    soonest: Optional[float]  # epoch seconds at which the first blocked account is back


class Choice:
    """The choice for one request at one instant."""

    def __init__(self, fleet: FleetState, ask: Ask, now: float, waited: float) -> None:
        self._fleet, self._ask, self._now, self._waited = fleet, ask, now, waited
        self._rules, self._policy = fleet.rules, fleet.policy
        self._binding = fleet.bindings.get(ask.conversation or "")

    def decide(self) -> Decision:
        pinned = self._pinned()
        if pinned is not None:
            return pinned
        if self._binding is not None:
            return self._bound(self._binding)
        beside = self._beside_parent() or self._as_before()
        if beside is not None:
            return beside
        return self._place(Reason.NEW if self._ask.conversation else Reason.NO_SESSION)

    # --- cases --------------------------------------------------------------------------------

    def _pinned(self) -> Optional[Decision]:
        ask, pins = self._ask, self._fleet.pins
        account = self._fleet.accounts.get(ask.pin or pins.get(ask.session) or pins.get(None) or "")
        if account is None:
            return None
        block = self._block(account)
        if block is None:
            return self._decision(account, Reason.PINNED)
        if ask.pin is None:
            return None  # an operator's pin gives way while its account can't serve
        retry_at = block.until if block.until != NEVER else None
        excluded = (Exclusion(account.key, block.rule, block.detail),)
        return Decision(
            None, Reason.NOTHING_USABLE, "pinned account", excluded, retry_at=retry_at, at=self._now
        )

    def _bound(self, binding: Binding) -> Decision:
        home = self._fleet.accounts.get(binding.account)
        lost = self._home_lost(home)
        if home is None or lost:
            return self._place(lost)
        if not binding.warm(self._rules, self._now):
            return self._place(Reason.LAPSED, home)
        if home.spec.is_paid:
            return self._decision(home, Reason.KEPT)  # no free account can take it over yet
        move = self._policy.reconsider(self._pool, self._ask, binding, home)
        if move is not None:
            return self._placed(move.reason, move.placement)
        if self._ask.needs_slot and self._waited >= self._rules.slot_wait_sec and not self._has_slot(home):
            placement = self._policy.place(self._pool, self._ask, None)
            if placement.account is not home and self._has_slot(placement.account):
                return self._placed(Reason.NO_SLOT, placement)
        return self._decision(home, Reason.KEPT)

    def _home_lost(self, home: Optional[Account]) -> str:
        """Why a bound conversation can't stay, or an empty string."""
        if home is None:
            return Reason.REMOVED
        if home.key in self._ask.tried:
            return Reason.FAILOVER
        block = home.block(self._ask.model, self._rules, self._now)
        if block is not None:
            return _HOME_LOST.get(block.rule, Reason.LOCKED_OUT)
        if home.spec.is_paid and any(not a.spec.is_paid for a in self._candidates.eligible):
            return Reason.KEY_YIELDS
        return ""

    def _beside_parent(self) -> Optional[Decision]:
        """A sub-agent starts on its parent's account when that has a free slot."""
        parent = self._fleet.bindings.get(self._ask.parent or "")
        account = self._fleet.accounts.get(parent.account) if parent is not None else None
        if account is None or not self._inviting(account) or not self._has_slot(account):
            return None
        return self._decision(account, Reason.NEW, "beside its parent", self._candidates.excluded)

    def _as_before(self) -> Optional[Decision]:
        """Requests without a conversation stay together: their cache is shared if any is."""
        account = self._fleet.accounts.get(self._fleet.keyless or "")
        if self._ask.conversation is not None or account is None or not self._inviting(account):
            return None
        return self._decision(account, Reason.NO_SESSION, "as before", self._candidates.excluded)

    def _place(self, reason: str, home: Optional[Account] = None) -> Decision:
        candidates = self._candidates
        if candidates.eligible:
            if home is not None and home not in candidates.eligible:
                home = None
            return self._placed(reason, self._policy.place(self._pool, self._ask, home))
        return Decision(
            None,
            Reason.NOTHING_USABLE,
            excluded=candidates.excluded,
            previous=self._binding.account if self._binding else None,
            retry_at=candidates.soonest,
            at=self._now,
        )

    # --- parts --------------------------------------------------------------------------------

    def _placed(self, reason: str, placement: Placement) -> Decision:
        excluded = (*self._candidates.excluded, *placement.excluded)
        return self._decision(placement.account, reason, placement.detail, excluded)

    def _decision(
        self, account: Account, reason: str, detail: str = "", excluded: tuple[Exclusion, ...] = ()
    ) -> Decision:
        previous = self._binding.account if self._binding is not None else None
        return Decision(account.key, reason, detail, excluded, previous, at=self._now)

    def _inviting(self, account: Account) -> bool:
        return account in self._candidates.eligible and within_5h_rail(account, self._rules, self._now)

    def _has_slot(self, account: Account) -> bool:
        return self._policy.free_slots(self._rules, account, self._now, self._waited) > 0

    def _block(self, account: Account) -> Optional[Block]:
        if account.key in self._ask.tried:
            return Block("tried", "already refused this request", self._now)
        return account.block(self._ask.model, self._rules, self._now)

    @cached_property
    def _pool(self) -> Pool:
        return Pool(lambda: self._candidates.eligible, self._rules, self._now)

    @cached_property
    def _candidates(self) -> _Candidates:
        """The accounts that can serve; gathered only when the conversation does not simply stay."""
        usable: list[Account] = []
        blocked: list[tuple[Account, Block]] = []
        for account in self._fleet.accounts.values():
            block = self._block(account)
            if block is None:
                usable.append(account)
            else:
                blocked.append((account, block))
        stuck = all(a.spec.is_paid or block.rule in _STUCK for a, block in blocked)
        returning = [b.until for a, b in blocked if stuck or self._ask.allow_paid or not a.spec.is_paid]
        soonest = min(returning, default=NEVER)
        excluded = [Exclusion(a.key, block.rule, block.detail) for a, block in blocked]
        eligible = self._by_cost_and_tier(usable, stuck, excluded)
        return _Candidates(eligible, tuple(excluded), soonest if soonest != NEVER else None)

    def _by_cost_and_tier(
        self, usable: list[Account], stuck: bool, excluded: list[Exclusion]
    ) -> list[Account]:
        free = [a for a in usable if not a.spec.is_paid]
        left = free or (usable if stuck or self._ask.allow_paid else [])
        excluded.extend(_excluding(usable, left, "API key waits", "paid last resort"))
        if not left:
            return left
        tier = min(a.spec.priority for a in left)
        first = [a for a in left if a.spec.priority == tier]
        excluded.extend(_excluding(left, first, "priority", f"tier {tier} is usable"))
        return first


def _excluding(before: Iterable[Account], after: list[Account], rule: str, detail: str) -> list[Exclusion]:
    return [Exclusion(a.key, rule, detail) for a in before if a not in after]
