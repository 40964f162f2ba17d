"""How much more work the pool can take: verdict, headroom, soonest reset.

A launcher asks this before it starts more agents; it is computed from a `FleetView`, so that it
never contradicts the status shown beside it.

1. The verdict is red if and only if no account of the pool would serve a request asked now.
2. A learned cap keeps new work off an account only while another account is live: it is an estimate
   that only an answer can correct, so on its own it closes nothing.
3. Room is taken by active conversations: a request in flight, or one within `cacheAffinityWindowSec`.
   A finished run takes none, however long its prompt cache lives.
"""

from __future__ import annotations

from typing import NamedTuple, Optional

from .quota.rules import Rules
from .view import AccountView, FleetView

__all__ = ["AccountCapacity", "Capacity", "capacity_of"]


class AccountCapacity(NamedTuple):
    view: AccountView
    live: bool  # can take new work now
    near_cap: bool
    constrained: bool  # live, but with fewer slots than usual
    slots: int  # conversations it carries comfortably now
    headroom_tokens: Optional[float]  # of the learned 5h cap


class Capacity(NamedTuple):
    verdict: str  # green | yellow | red
    headroom: int  # conversations that can be started
    live: int
    benched: int
    total: int
    warm: int
    soonest_reset: float  # seconds, 0 when nothing is waiting
    accounts: tuple[AccountCapacity, ...]
    last_resort: tuple[AccountCapacity, ...]


def capacity_of(view: FleetView, rules: Rules) -> Capacity:
    """The pool's capacity at `view.now`; paid last-resort keys are reported apart."""
    rows = [_account_capacity(a, rules) for a in view.accounts]
    pool = _ignore_caps_if_none_live([row for row in rows if not row.view.spec.is_paid])
    live = [row for row in pool if row.live]
    warm = sum(1 for binding in view.bindings if binding.warm)
    headroom = max(0, sum(row.slots for row in live) - _active(view, rules))
    benched = sum(1 for row in pool if row.view.status == "benched")
    back = [row.view.usable_at - view.now for row in pool if row.view.usable_at is not None]
    return Capacity(
        verdict=_verdict(pool, live, headroom, rules),
        headroom=headroom,
        live=len(live),
        benched=benched,
        total=len(pool),
        warm=warm,
        soonest_reset=max(0.0, min(back, default=0.0)),
        accounts=tuple(pool),
        last_resort=tuple(row for row in rows if row.view.spec.is_paid),
    )


def _active(view: FleetView, rules: Rules) -> int:
    """Conversations at work, and the requests in flight that belong to none."""
    recent = rules.cache_affinity_window_sec
    active = sum(1 for binding in view.bindings if binding.inflight or binding.idle < recent)
    inflight = sum(account.inflight for account in view.accounts)
    return active + max(0, inflight - sum(binding.inflight for binding in view.bindings))


def _ignore_caps_if_none_live(pool: list[AccountCapacity]) -> list[AccountCapacity]:
    """Where learned caps alone leave no account live, each usable one is, with one slot."""
    if any(row.live for row in pool):
        return pool
    return [row._replace(live=True, constrained=True, slots=1) if row.view.usable else row for row in pool]


def _account_capacity(account: AccountView, rules: Rules) -> AccountCapacity:
    used = account.utilization("5h")
    headroom = max(0.0, account.cap_5h - account.burn_5h) if account.cap_5h else None
    # Real utilization beats a learned cap; the cap speaks only for accounts without headers.
    over_learned = (
        used is None
        and account.cap_5h is not None
        and account.burn_5h >= rules.cap_soft_ceiling * account.cap_5h
    )
    near_cap = over_learned if used is None else used >= rules.soft_ceiling
    live = account.usable and not over_learned
    constrained = live and (not account.proven or _in_warn_band(account, rules))
    slots = (1 if constrained else rules.soft_concurrency_per_account) if live else 0
    return AccountCapacity(account, live, near_cap, constrained, slots, headroom)


def _in_warn_band(account: AccountView, rules: Rules) -> bool:
    used = account.utilization("5h")
    return used is not None and used >= rules.five_hour_warn_ceiling


def _verdict(pool: list[AccountCapacity], live: list[AccountCapacity], headroom: int, rules: Rules) -> str:
    if not live:
        return "red"
    tight = any(
        row.view.status == "benched" or row.view.streak >= 2 or _in_warn_band(row.view, rules)
        for row in pool
        if row.view.spec.enabled
    )
    tight = tight or headroom <= 1 or all(row.near_cap for row in live)
    return "yellow" if tight else "green"
