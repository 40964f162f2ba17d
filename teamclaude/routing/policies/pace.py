"""The weekly line, and the policy `pace`: new work goes to the account furthest behind its line.

The weekly line is an even use of the week's quota.  Near the weekly reset unused quota attracts work
(`rampTiers`), since it is lost at the reset.

The policy works within the rails, which are the same for every policy.  A layer that would leave no account
is waived: a free slot, then a score within the tie band of the best.  Of what is left: fewest in flight, the
old home, fewest warm conversations, longest unpicked, best score, name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Optional

from ...snapshot import WeeklyPace
from ..quota.rules import Rules
from ..state.account import WEEK_SEC, Account, is_within_5h_rail
from ..state.conversations import Binding
from ..state.decision import Exclusion, Reason, RoutingRequest
from .base import Move, Placement, Policy, Pool

__all__ = ["PacePolicy", "ramp_boost", "weekly_pace"]

ROUNDING = 1e-9  # the tie band is inclusive, also where 0.3 - 0.2 is not 0.1


def weekly_pace(account: Account, rules: Rules, now: float, model: Optional[str] = None) -> WeeklyPace:
    """Compare the account with its own week; an unknown reset reads as a week not begun.

    For a `model` with a window of its own the fuller one of both counts.

    The week of an account that may not be used to its end (`maxUsage`) is the part that may be used.
    """
    window = account.windows.get("7d", now)
    used = window.utilization or 0.0
    if model is not None and account.windows.scoped:
        used = max(used, account.windows.scoped_use(model, now))
    if window.resets_at is None:
        return WeeklyPace(0.0, -used, 0.0, -used + 0.0)
    left = window.resets_at - now
    part = account.usable_part("7d", now)
    line = min(1.0, max(0.0, 1.0 - left / WEEK_SEC)) * part
    gap, boost = line - used, ramp_boost(used, left / 3600.0, rules, part)
    return WeeklyPace(line, gap, boost, gap + boost)


def ramp_boost(used: float, hours_to_reset: float, rules: Rules, part: float = 1.0) -> float:
    """Return the weight of unused quota this near to the reset, at which it is lost.

    `part` of the week may be used.
    """
    for tier in rules.ramp_tiers:
        if hours_to_reset <= tier.hours:
            return max(0.0, part - used) * tier.weight
    return 0.0


class _Layers:
    """Accounts that pass layer after layer; a layer that no account passes is waived."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self.left = list(accounts)
        self.excluded: list[Exclusion] = []
        self.waived: list[str] = []

    def narrow(self, rule: str, passes: Callable[[Account], bool], detail: Callable[[Account], str]) -> None:
        """Keep the accounts that pass; exclude the others by `rule`, with a detail each."""
        kept: list[Account] = []
        failed: list[Account] = []
        for account in self.left:
            (kept if passes(account) else failed).append(account)
        if not kept:
            self.waived.append(rule)
            return
        self.excluded.extend(Exclusion(account.key, rule, detail(account)) for account in failed)
        self.left = kept


class PacePolicy(Policy):
    """Pace to the weekly line, with a 5h rail and an anti-dogpile spread."""

    name = "pace"

    def adapt_rules(self, rules: Rules) -> Rules:
        """Keep the default rails: they are made for this policy."""
        return rules

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account with the best score, the least busy one within the tie band."""
        rules, now = pool.rules, pool.now
        layers = _Layers(pool.accounts)
        layers.narrow("no slot", pool.has_slot, lambda a: f"{a.inflight} in flight")
        warm = {a: a.warm.count(now) for a in layers.left}
        scores = {a: weekly_pace(a, rules, now, request.model).score for a in layers.left}
        floor = max(scores.values()) - rules.pace_tie_band - ROUNDING
        layers.narrow("less behind", lambda a: scores[a] >= floor, lambda a: f"score {scores[a]:+.3f}")
        chosen = min(
            layers.left,
            key=lambda a: (a.inflight, a is not home, warm[a], a.last_picked, -scores[a], a.name),
        )
        losers = [a for a in layers.left if a is not chosen]
        ties = [Exclusion(a.key, "tie", f"{a.inflight} in flight, {warm[a]} warm") for a in losers]
        detail = f"score {scores[chosen]:+.3f}"
        return Placement(chosen, (*layers.excluded, *ties), detail, tuple(layers.waived))

    def reconsider(
        self, pool: Pool, request: RoutingRequest, binding: Binding, home: Account
    ) -> Optional[Move]:
        """Move a warm conversation off an account near its 5h cap, or far over its weekly line."""
        rules, now = pool.rules, pool.now
        if not is_within_5h_rail(home, rules, now):
            placement = self.place(pool, request, home)
            # Where every account is near the cap a move would only pay for a cold cache.
            if placement.account is not home and is_within_5h_rail(placement.account, rules, now):
                return Move(Reason.RAIL, placement)
            return None
        gap = weekly_pace(home, rules, now).gap
        if gap >= -rules.far_over_line_threshold:
            return None
        if binding.paced_at is not None and now - binding.paced_at < binding.life_sec(rules):
            return None
        placement = self.place(pool, request, None)
        better = weekly_pace(placement.account, rules, now).gap
        # The target must be behind its own line and clearly better, else two accounts over their
        # lines would hand conversations back and forth, each time with a cold cache.
        if placement.account is home or better < 0 or better - gap <= rules.far_over_line_threshold:
            return None
        return Move(Reason.OVER_PACE, placement)
