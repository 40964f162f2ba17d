"""The weekly line: how far an account is behind or ahead of an even week, and the end-of-week ramp."""

from __future__ import annotations

from ...snapshot import WeeklyPace
from ..quota.rules import Rules
from .account import WEEK_SEC, Account

__all__ = ["ramp_boost", "weekly_gap", "weekly_pace"]


def weekly_pace(account: Account, rules: Rules, now: float) -> WeeklyPace:
    """Where the account stands against its own week; an unknown reset reads as a week not begun."""
    window = account.windows.get("7d", now)
    used = window.utilization or 0.0
    if window.resets_at is None:
        return WeeklyPace(0.0, -used, 0.0, -used + 0.0)
    left = window.resets_at - now
    line = min(1.0, max(0.0, 1.0 - left / WEEK_SEC))
    gap, boost = line - used, ramp_boost(used, left / 3600.0, rules)
    return WeeklyPace(line, gap, boost, gap + boost)


def weekly_gap(account: Account, now: float) -> float:
    """`pace_of(...).gap` alone: asked with every request of a warm conversation, 2 us less."""
    window = account.windows.get("7d", now)
    used = window.utilization or 0.0
    if window.resets_at is None:
        return -used
    return min(1.0, max(0.0, 1.0 - (window.resets_at - now) / WEEK_SEC)) - used


def ramp_boost(used: float, hours_to_reset: float, rules: Rules) -> float:
    """Unused quota is lost at the reset: the nearer it is, the more it attracts work."""
    for tier in rules.ramp_tiers:
        if hours_to_reset <= tier.hours:
            return max(0.0, 1.0 - used) * tier.weight
    return 0.0
