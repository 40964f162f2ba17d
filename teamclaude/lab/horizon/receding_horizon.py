"""Receding-horizon control: the policy `horizon`, a competitor of `price` that is played in the lab only.

It plans instead of pricing (water_filling.py).  Only the beginning of a plan is used; it is made anew when a
window is reset, and when a conversation has to be placed, at most once a minute.

1. A cold conversation goes to the account with the largest planned rate per active conversation.
2. With the gate "plan" it enters only while that rate is enough for one more.
3. Before the week's demand is known every hour counts the same, as with `price`.

What it learns (demand, sizes of windows, burn of a conversation, requests in flight), when a warm
conversation waits for its account, and the usual gate are those of `price`.  Windows of some models alone are
not planned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from ...routing.policies.base import Placement, Policy, Pool
from ...routing.policies.price import PricePolicy
from ...routing.policies.price_estimates import WEEKS_IN_5H
from ...routing.state.account import Account
from ...routing.state.decision import NEVER, Exclusion, LazyExclusions, RoutingRequest
from .water_filling import (
    EPSILON,
    FIVE_HOURS,
    USUAL_TUNING,
    WEEK,
    AccountQuota,
    HorizonTuning,
    Plan,
    make_plan,
)

__all__ = ["RecedingHorizonPolicy"]

# As of price:
HOME_BONUS = 2.0  # part of the cache on the old account may live on
RATE_CAP = 2.0  # equal parts of the demand; in plenty a larger rate is no better
SCARCE_FROM = 0.9  # demand against quota from which every token counts


class RecedingHorizonPolicy(PricePolicy):
    """Quota by a plan up to the last weekly reset."""

    name = "horizon"
    choose, holds = Policy.choose, Policy.holds  # by its own `place` and `gate_reason`

    def __init__(self, horizon: HorizonTuning = USUAL_TUNING) -> None:
        super().__init__()
        self._horizon = horizon
        self._plans: dict[tuple[str, ...], Plan] = {}

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account with the largest planned rate per conversation; a free slot comes first."""
        accounts, now = pool.accounts, pool.now
        plan = self.plan(accounts, now)
        if plan is None:
            return super().place(pool, request, home)
        cap = self._rate_cap(plan)
        best, lowest = 0, (True, 0.0, 0, NEVER, "")
        for number, (account, rate) in enumerate(zip(accounts, plan.rates)):
            active = self.estimates.active_count(account, now, request.conversation)
            value = min(cap, rate) / (active + 1)
            if account is home:
                value *= HOME_BONUS
            full = not pool.has_slot(account)
            order = (full, -value, account.inflight, account.last_picked, account.spec.name)
            if number == 0 or order < lowest:
                best, lowest = number, order
        chosen = accounts[best]
        others = [
            Exclusion(a.key, "less planned", f"than {chosen.name}") for a in accounts if a is not chosen
        ]
        detail = f"planned to be {plan.levels[best]:.0%} full"
        return Placement(chosen, LazyExclusions(lambda: others), detail)

    def gate_reason(
        self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float
    ) -> str:
        """Hold a cold conversation while the plan has no rate left for it on the account."""
        kind, plan = self._horizon.gate, self.plan(pool.accounts, pool.now)
        if plan is None or kind == "price":
            return super().gate_reason(pool, request, account, ahead, waited)
        if kind == "none" or waited >= request.hold_sec:
            return ""
        why = self._planned_gate(pool, plan, request, account, ahead)
        if why or kind == "plan":
            return why
        return super().gate_reason(pool, request, account, ahead, waited)

    def _planned_gate(
        self, pool: Pool, plan: Plan, request: RoutingRequest, account: Account, ahead: int
    ) -> str:
        estimates, burn = self.estimates, self.estimates.burn_rate
        others = estimates.active_count(account, pool.now, but=request.conversation)
        if others == 0 or burn is None or account not in pool.accounts:
            return ""
        rates = plan.rates if self._horizon.gate_week and estimates.demand.is_known else plan.rates_5h
        rate = rates[list(pool.accounts).index(account)]
        # Those who are ahead go where the plan has room, in proportion.
        beside = ahead * rate / max(EPSILON, sum(rates))
        wanted = (others + beside + 1.0) * burn
        if wanted <= rate * self._horizon.slack:
            return ""
        return (
            f"{account.name} is planned for {rate / burn:.1f} conversations, {others} active, {ahead} ahead"
        )

    # --- the plan -----------------------------------------------------------------------------

    def plan(self, accounts: Sequence[Account], now: float) -> Optional[Plan]:
        """Return the plan for these accounts; None while no window's size is known."""
        key = tuple(account.key for account in accounts)
        plan = self._plans.get(key)
        if plan is not None and 0.0 <= now - plan.at < self._horizon.resolve_sec and now < plan.until:
            return plan
        if any(self.estimates.week_tokens(account) is None for account in accounts):
            return None
        quotas = [self._quota(account, now) for account in accounts]
        plan = self._plans[key] = make_plan(quotas, self.estimates.demand.expected, now, self._horizon)
        return plan

    def _quota(self, account: Account, now: float) -> AccountQuota:
        size_5h, size_7d = self.estimates.window_sizes(account)
        week = size_7d or 1.0
        five = size_5h or week * WEEKS_IN_5H
        used_5h, ends_5h, _, _ = account.windows.get("5h", now)
        used_7d, ends_7d, _, _ = account.windows.get("7d", now)
        return AccountQuota(
            five * max(0.0, account.usable_part("5h", now) - (used_5h or 0.0)),
            now + FIVE_HOURS if ends_5h is None else ends_5h,
            five,
            week * max(0.0, account.usable_part("7d", now) - (used_7d or 0.0)),
            now + WEEK if ends_7d is None else ends_7d,
            week,
        )

    def _rate_cap(self, plan: Plan) -> float:
        """Return the rate above which more is no better: in plenty few conversations each count more."""
        if not self.estimates.demand.is_known:
            return NEVER
        scarcity = min(1.0, max(0.0, (plan.level - SCARCE_FROM) / (1.0 - SCARCE_FROM)))
        if scarcity >= 1.0:
            return NEVER
        total = sum(rate * level for rate, level in zip(plan.rates, plan.levels))  # the demand
        return RATE_CAP * total / len(plan.rates) / (1.0 - scarcity)
