"""How much more work the pool can take: verdict, headroom, soonest reset.

A launcher asks this before it starts more agents; it is computed from the views of a snapshot, so that it
never contradicts the status shown beside it.

1. The verdict is red if and only if no account of the pool would serve a request asked now.  One whose API
   can't be reached would not, although it is given requests.
2. A learned cap keeps new work off an account only while another account is live: it is an estimate
   that only a response can correct, so on its own it closes nothing.
3. Room is taken by active conversations: a request in flight, or one within `cacheAffinityWindowSec`.
   A finished run takes none, however long its prompt cache lives.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timezone

from ...snapshot import AccountCapacity, AccountView, BindingView, CapacityView, LastResort
from ...values import replace
from ..quota.rules import Rules

__all__ = ["capacity_of"]


def capacity_of(
    accounts: Sequence[AccountView],
    bindings: Sequence[BindingView],
    rules: Rules,
    now: float,
    unreachable: Collection[str] = (),
) -> CapacityView:
    """Return the capacity of the pool; paid last-resort keys are reported apart.

    `unreachable`: the names of the accounts whose API can't be connected to.
    """
    pool = [account for account in accounts if not account.last_resort]
    rows = [_account_capacity(account, rules, unreachable) for account in pool]
    rows = _ignore_caps_if_none_live(pool, rows, unreachable)
    paid = tuple(_account_capacity(each, rules, unreachable) for each in accounts if each.last_resort)
    live = [row for row in rows if row.live]
    moment = datetime.fromtimestamp(now, timezone.utc)
    slots = sum(1 if row.constrained else rules.soft_concurrency_per_account for row in live)
    headroom = max(0, slots - _active(accounts, bindings, rules))
    return CapacityView(
        verdict=_verdict(pool, live, headroom, rules),
        headroom=headroom,
        live_accounts=len(live),
        benched=sum(row.benched for row in rows),
        total=len(pool),
        warm_sessions=sum(binding.warm for binding in bindings),
        soonest_reset_sec=min((a.usable_in_sec for a in pool if a.usable_in_sec is not None), default=0.0),
        accounts=tuple(rows),
        last_resort=LastResort(paid) if paid else None,
        at=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    )


def _active(accounts: Sequence[AccountView], bindings: Sequence[BindingView], rules: Rules) -> int:
    """Return the conversations at work plus the requests in flight that belong to none."""
    recent = rules.cache_affinity_window_sec
    active = sum(1 for binding in bindings if binding.inflight or binding.idle_sec < recent)
    inflight = sum(account.inflight for account in accounts)
    return active + max(0, inflight - sum(binding.inflight for binding in bindings))


def _ignore_caps_if_none_live(
    pool: Sequence[AccountView], rows: list[AccountCapacity], unreachable: Collection[str]
) -> list[AccountCapacity]:
    """Where learned caps alone leave no account live, make each usable one live, with one slot."""
    if any(row.live for row in rows):
        return rows
    return [
        replace(row, live=True, constrained=True)
        if account.usable and account.name not in unreachable
        else row
        for account, row in zip(pool, rows)
    ]


def _account_capacity(account: AccountView, rules: Rules, unreachable: Collection[str]) -> AccountCapacity:
    used, cap = account.quota.unified_5h, account.cap_est_5h
    # Real utilization beats a learned cap; the cap speaks only for accounts without headers.
    over_learned = used is None and cap is not None and account.burn_5h >= rules.cap_soft_ceiling * cap
    live = account.usable and not over_learned and account.name not in unreachable
    return AccountCapacity(
        name=account.name,
        status=account.status,
        reason=account.status_reason,
        benched=account.status == "benched",
        bench_sec=account.bench_sec,
        streak=account.streak,
        inflight=account.inflight,
        burn_5h=account.burn_5h,
        cap_est_5h=cap,
        headroom_tok=max(0.0, cap - account.burn_5h) if cap else None,
        near_cap=over_learned if used is None else used >= rules.soft_ceiling,
        live=live,
        constrained=live and (not account.proven or _in_warn_band(account, rules)),
        utilization_5h=used,
        utilization_7d=account.quota.unified_7d,
    )


def _in_warn_band(account: AccountView, rules: Rules) -> bool:
    used = account.quota.unified_5h
    return used is not None and used >= rules.five_hour_warn_ceiling


def _verdict(
    pool: Sequence[AccountView], live: Sequence[AccountCapacity], headroom: int, rules: Rules
) -> str:
    if not live:
        return "red"
    tight = any(
        account.status == "benched" or account.streak >= 2 or _in_warn_band(account, rules)
        for account in pool
        if account.enabled
    )
    tight = tight or headroom <= 1 or all(row.near_cap for row in live)
    return "yellow" if tight else "green"
