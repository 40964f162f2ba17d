"""Policies of one idea each: what everybody tries first, kept for comparison in the lab.

None of them moves a warm conversation unless its idea demands it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ..quota.rules import NO_LIMIT, Rules
from ..state.account import Account
from ..state.conversations import Binding
from ..state.decision import NEVER, Exclusion, Reason, RoutingRequest
from .base import Move, Placement, Policy, Pool

__all__ = ["DrainPolicy", "LeastUsedPolicy", "RoundRobinPolicy", "StickyPolicy", "ThresholdPolicy"]


def _placement(pool: Sequence[Account], chosen: Account, rule: str, detail: str) -> Placement:
    others = tuple(Exclusion(a.key, rule, f"than {chosen.name}") for a in pool if a is not chosen)
    return Placement(chosen, others, detail)


def _load_order(account: Account, now: float) -> tuple[int, int, float, str]:
    return (account.inflight, account.warm.count(now), account.last_picked, account.name)


def _peak_use(account: Account, model: Optional[str], now: float) -> float:
    used = max(account.utilization("7d", now) or 0.0, account.utilization("5h", now) or 0.0)
    return max(used, account.windows.scoped_use(model, now)) if account.windows.scoped else used


class _FreeSlotPolicy(Policy):
    """Choose among the accounts with a free slot, or among all when there is none."""

    def _with_free_slot(self, pool: Pool) -> list[Account]:
        free = [a for a in pool.accounts if pool.has_slot(a)]
        return free or list(pool.accounts)


class StickyPolicy(_FreeSlotPolicy):
    """A conversation stays where it began; a new one goes to the least loaded account."""

    name = "sticky"

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account with the fewest warm conversations."""
        now = pool.now
        chosen = min(
            self._with_free_slot(pool),
            key=lambda a: (
                a.warm.count(now) - (a is home),
                a.inflight,
                a.utilization("5h", now) or 0.0,
                a.name,
            ),
        )
        return _placement(
            pool.accounts, chosen, "more loaded", f"{chosen.warm.count(now)} warm conversations"
        )


class DrainPolicy(_FreeSlotPolicy):
    """New work goes to the account whose week ends soonest: what is unused then is lost."""

    name = "drain"

    def adapt_rules(self, rules: Rules) -> Rules:
        """Keep the 5h rail, without a limit of sessions."""
        return rules.with_own(max_sessions_per_account=NO_LIMIT)

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account with the soonest weekly reset."""
        now = pool.now

        def order(account: Account) -> tuple[float, tuple[int, int, float, str]]:
            resets_at = account.windows.get("7d", now).resets_at
            return (NEVER if resets_at is None else resets_at, _load_order(account, now))

        chosen = min(self._with_free_slot(pool), key=order)
        return _placement(pool.accounts, chosen, "resets later", "the soonest weekly reset")


class ThresholdPolicy(Policy):
    """One account for everybody, until it reaches switchThreshold."""

    name = "threshold"

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account picked last: it is the one in use."""
        chosen = max(pool.accounts, key=lambda a: (a.last_picked, -a.generation))
        return _placement(pool.accounts, chosen, "used longer ago", "the account in use")

    def reconsider(
        self, pool: Pool, request: RoutingRequest, binding: Binding, home: Account
    ) -> Optional[Move]:
        """Follow the account in use."""
        if pool.rules.most_sessions < NO_LIMIT:
            return None  # no account is everybody's then: following the last one picked would never end
        if home not in pool.accounts and home.suspect_until > pool.now:
            return None  # a failure keeps new work away for a while; what is cached there stays
        placement = self.place(pool, request, home)
        return None if placement.account is home else Move(Reason.TURN, placement)


class RoundRobinPolicy(_FreeSlotPolicy):
    """Each request goes to the account that was picked longest ago."""

    name = "round-robin"

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account picked longest ago."""
        chosen = min(self._with_free_slot(pool), key=lambda a: (a.last_picked, a.name))
        return _placement(pool.accounts, chosen, "picked later", "its turn")

    def reconsider(
        self, pool: Pool, request: RoutingRequest, binding: Binding, home: Account
    ) -> Optional[Move]:
        """Move on with every request."""
        placement = self.place(pool, request, home)
        return None if placement.account is home else Move(Reason.TURN, placement)


class LeastUsedPolicy(_FreeSlotPolicy):
    """New work goes to the account whose fuller window, 5-hour or weekly, is the least used."""

    name = "least-used"

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account whose fuller window is the least used."""
        now, model = pool.now, request.model
        chosen = min(
            self._with_free_slot(pool),
            key=lambda a: (_peak_use(a, model, now), _load_order(a, now)),
        )
        return _placement(pool.accounts, chosen, "more used", f"{_peak_use(chosen, model, now):.0%} used")
