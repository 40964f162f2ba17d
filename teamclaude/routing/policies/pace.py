"""The policy `pace`: new work goes to the account furthest behind its weekly line.

Within the rails, which are the same for every policy.  Layers, each falling back to the set before it
when it would leave nothing: a free slot, within the tie band of the best score; then fewest in
flight, the old home, fewest warm conversations, longest unpicked, best score, name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

from ..quota.rules import Rules
from ..state.account import Account, is_within_5h_rail
from ..state.binding import Binding
from ..state.decision import Exclusion, Reason, RoutingRequest
from ..state.weekly_line import weekly_gap, weekly_pace
from .base import BasePolicy, Move, Placement, Pool

__all__ = ["PacePolicy"]

ROUNDING = 1e-9  # the tie band is inclusive, also where 0.3 - 0.2 is not 0.1


class _Layers:
    """Accounts that pass layer after layer; a layer that nobody passes is waived."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self.left = list(accounts)
        self.excluded: list[Exclusion] = []
        self.waived: list[str] = []

    def narrow(self, rule: str, passes: Callable[[Account], bool], detail: Callable[[Account], str]) -> None:
        kept: list[Account] = []
        failed: list[Account] = []
        for account in self.left:
            (kept if passes(account) else failed).append(account)
        if not kept:
            self.waived.append(rule)
            return
        self.excluded.extend(Exclusion(account.key, rule, detail(account)) for account in failed)
        self.left = kept


class PacePolicy(BasePolicy):
    """Pace to the weekly line, with a 5h rail and an anti-dogpile spread."""

    name = "pace"

    def adapt_rules(self, rules: Rules) -> Rules:
        return rules

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        rules, now = pool.rules, pool.now
        sieve = _Layers(pool.accounts)
        sieve.narrow(
            "no slot", lambda a: self.free_slots(rules, a, now, 0.0) > 0, lambda a: f"{a.inflight} in flight"
        )
        warm = {a: a.warm.count(now) for a in sieve.left}
        scores = {a: weekly_pace(a, rules, now).score for a in sieve.left}
        floor = max(scores.values()) - rules.pace_tie_band - ROUNDING
        sieve.narrow("less behind", lambda a: scores[a] >= floor, lambda a: f"score {scores[a]:+.3f}")
        chosen = min(
            sieve.left,
            key=lambda a: (a.inflight, a is not home, warm[a], a.last_picked, -scores[a], a.name),
        )
        losers = [a for a in sieve.left if a is not chosen]
        ties = [Exclusion(a.key, "tie", f"{a.inflight} in flight, {warm[a]} warm") for a in losers]
        detail = f"score {scores[chosen]:+.3f}"
        return Placement(chosen, (*sieve.excluded, *ties), detail, tuple(sieve.waived))

    def reconsider(
        self, pool: Pool, request: RoutingRequest, binding: Binding, home: Account
    ) -> Optional[Move]:
        rules, now = pool.rules, pool.now
        if not is_within_5h_rail(home, rules, now):
            placement = self.place(pool, request, home)
            # Where everybody is near the cap a move would only pay for a cold cache.
            if placement.account is not home and is_within_5h_rail(placement.account, rules, now):
                return Move(Reason.RAIL, placement)
            return None
        gap = weekly_gap(home, now)
        if gap >= -rules.far_over_line_threshold:
            return None
        if binding.paced_at is not None and now - binding.paced_at < binding.life_sec(rules):
            return None
        placement = self.place(pool, request, None)
        better = weekly_gap(placement.account, now)
        # The target must be behind its own line and clearly better, else two accounts over their
        # lines would hand conversations back and forth, each time with a cold cache.
        if placement.account is home or better < 0 or better - gap <= rules.far_over_line_threshold:
            return None
        return Move(Reason.OVER_PACE, placement)
