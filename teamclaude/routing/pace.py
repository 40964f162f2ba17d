"""The policy `pace`: new work goes to the account furthest behind its weekly line.

Layers, each falling back to the set before it when it would leave nothing: within the 5h rail, a
free slot, fewer than the most sessions, within the tie band of the best score; then fewest in
flight, the old home, fewest warm conversations, longest unpicked, name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Optional

from .account import Account, inflight_cap, within_5h_rail
from .binding import Binding
from .decision import Ask, Exclusion, Reason
from .policy import Move, Placement, Pool
from .rules import Rules
from .score import pace_of

__all__ = ["PacePolicy"]


class PacePolicy:
    """Pace to the weekly line, with a 5h rail and an anti-dogpile spread."""

    name = "pace"

    def place(self, pool: Pool, ask: Ask, home: Optional[Account]) -> Placement:
        rules, now = pool.rules, pool.now
        excluded: list[Exclusion] = []
        waived: list[str] = []
        left = list(pool.accounts)

        def layer(rule: str, passes: Callable[[Account], bool], detail: Callable[[Account], str]) -> None:
            nonlocal left
            kept: list[Account] = []
            failed: list[Account] = []
            for account in left:
                (kept if passes(account) else failed).append(account)
            if not kept:
                waived.append(rule)
                return
            excluded.extend(Exclusion(account.key, rule, detail(account)) for account in failed)
            left = kept

        layer(
            "5h rail",
            lambda a: within_5h_rail(a, rules, now),
            lambda a: f"5h at {a.utilization('5h', now) or 0.0:.0%}",
        )
        layer(
            "no slot", lambda a: self.free_slots(rules, a, now, 0.0) > 0, lambda a: f"{a.inflight} in flight"
        )
        layer(
            "max sessions",
            lambda a: a.warm.count(now) < rules.max_sessions_per_account,
            lambda a: f"{a.warm.count(now)} warm",
        )
        scores = {a.key: pace_of(a, rules, now).score for a in left}
        floor = max(scores.values()) - rules.pace_tie_band - 1e-9
        layer("less behind", lambda a: scores[a.key] >= floor, lambda a: f"score {scores[a.key]:+.3f}")
        chosen = min(
            left, key=lambda a: (a.inflight, a is not home, a.warm.count(now), a.last_picked, a.name)
        )
        excluded.extend(
            Exclusion(a.key, "tie", f"{a.inflight} in flight, {a.warm.count(now)} warm")
            for a in left
            if a is not chosen
        )
        detail = f"score {scores.get(chosen.key, 0.0):+.3f}"
        if waived:
            detail += ", none passed: " + ", ".join(waived)
        return Placement(chosen, tuple(excluded), detail)

    def reconsider(self, pool: Pool, ask: Ask, binding: Binding, home: Account) -> Optional[Move]:
        rules, now = pool.rules, pool.now
        if not within_5h_rail(home, rules, now):
            placement = self.place(pool, ask, home)
            # Where everybody is near the cap a move would only pay for a cold cache.
            if placement.account is not home and within_5h_rail(placement.account, rules, now):
                return Move(Reason.RAIL, placement)
            return None
        gap = pace_of(home, rules, now).gap
        if gap >= -rules.far_over_line_threshold:
            return None
        if binding.paced_at is not None and now - binding.paced_at < binding.life(rules):
            return None
        placement = self.place(pool, ask, None)
        better = pace_of(placement.account, rules, now).gap
        # The target must be behind its own line and clearly better, else two accounts over their
        # lines would hand conversations back and forth, each time with a cold cache.
        if placement.account is home or better < 0 or better - gap <= rules.far_over_line_threshold:
            return None
        return Move(Reason.OVER_PACE, placement)

    def free_slots(self, rules: Rules, account: Account, now: float, waited: float) -> int:
        return inflight_cap(account, rules, now, waited) - account.inflight
