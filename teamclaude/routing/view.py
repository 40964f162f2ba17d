"""What routing knows as typed values: the fleet's part of a `Snapshot`, and states that two looks compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..snapshot import (
    AccountUsage,
    AccountView,
    BindingView,
    PinView,
    ProjectPinView,
    QuotaView,
    RouteView,
    SessionTotals,
    Snapshot,
    TokenView,
    UsageView,
)
from ..values import NamedTuple, replace
from .fleet import Fleet
from .policies.pace import weekly_pace
from .pool.capacity import capacity_of
from .quota.learned_caps import BUCKET_SEC
from .quota.usage import Usage
from .quota.windows import API_KEY_AXES, UNKNOWN_WINDOW, Window, is_scoped
from .state.account import FIVE_HOURS_SEC, Account
from .state.conversations import Binding
from .state.decision import NEVER
from .user_rules.caps import NO_LIMIT

__all__ = ["AccountState", "WindowState", "burned_by_hour", "snapshot_of", "states_of", "usage_view"]


class WindowState(NamedTuple):
    """One axis at one instant."""

    utilization: Optional[float]
    resets_at: Optional[float]  # epoch seconds
    full: bool  # rejected, used up to the threshold, or as far as its owner allows
    limit: str = ""  # what its owner allows, where that is used up: `maxUsage 60%`
    limit_until: Optional[float] = None  # epoch seconds, where that does not end with the window; inf: never


class AccountState(NamedTuple):
    """One account at one instant, as far as two of these tell what happened in between."""

    key: str
    name: str
    bench_until: Optional[float]  # epoch seconds, only while benched
    bench_began: Optional[float]
    bench_reason: str
    windows: dict[str, WindowState]  # axes that have not been reset
    auth_failed: str = ""  # why its credential is refused


def states_of(fleet: Fleet, now: float) -> tuple[AccountState, ...]:
    """Return the accounts alone; call it under the lock that guards `fleet`."""
    full = fleet.rules.full
    return tuple(
        AccountState(
            account.key,
            account.name,
            account.bench_until if account.is_benched(now) else None,
            account.bench_began,
            account.bench_reason,
            {
                axis: _window_state(account, axis, window, full, now)
                for axis, window in account.windows.live(now)
            },
            account.auth_failed,
        )
        for account in fleet.accounts.values()
    )


def _window_state(account: Account, axis: str, window: Window, full: float, now: float) -> WindowState:
    if not account.is_used_up(axis, window, full, now):
        return WindowState(window.utilization, window.resets_at, False)
    limit = account.limit(axis, now)
    if (window.utilization or 0.0) < limit.fraction:
        limit = NO_LIMIT
    return WindowState(window.utilization, window.resets_at, True, limit.text, limit.until)


def burned_by_hour(fleet: Fleet, now: float) -> list[tuple[float, float]]:
    """Return the tokens that the pool burned in each hour of the last week, from the first known one on.

    Begin in epoch seconds, tokens; in order, up to the hour before `now`.  Call it under the lock that guards
    `fleet`.
    """
    tokens: dict[int, int] = {}
    for account in fleet.accounts.values():
        for bucket, burned in account.burn.to_json():
            hour = bucket * BUCKET_SEC // 3600
            tokens[hour] = tokens.get(hour, 0) + burned
    hours = range(min(tokens, default=0), int(now // 3600)) if tokens else range(0)
    return [(hour * 3600.0, float(tokens.get(hour, 0))) for hour in hours[-168:]]


_NO_TOKENS: Mapping[str, TokenView] = {}
_ALL_REACHABLE: Mapping[str, str] = {}


def snapshot_of(
    fleet: Fleet,
    now: float,
    tokens: Mapping[str, TokenView] = _NO_TOKENS,
    model: Optional[str] = None,
    unreachable: Mapping[str, str] = _ALL_REACHABLE,
) -> Snapshot:
    """Copy what readers may see; call it under the lock that guards `fleet`.

    `tokens` are the states of the logins by account key.  With `model` an account is usable if it serves that
    model, and the capacity is that of the accounts that do; else the windows of single models do not count.
    `unreachable`: why accounts' API can't be connected to, by account key.
    """
    names = {key: account.name for key, account in fleet.accounts.items()}
    accounts = [
        _account(fleet, account, tokens.get(key), now, model, unreachable.get(key, ""))
        for key, account in fleet.accounts.items()
    ]
    shown = [binding for binding in fleet.bindings.values() if not binding.is_evicted(fleet.rules, now)]
    bindings = tuple(_binding(fleet, binding, names, now) for binding in shown)
    out_of_reach = [names[key] for key in unreachable if key in names]
    capacity = capacity_of(accounts, bindings, fleet.rules, now, out_of_reach)
    paid = capacity.last_resort.accounts if capacity.last_resort is not None else ()
    live = {row.name for row in (*capacity.accounts, *paid) if row.live}
    return Snapshot(
        current_account=names.get(fleet.last_account or ""),
        switch_threshold=fleet.rules.full,
        policy=fleet.policy.name,
        spending=fleet.spending.describe(fleet.all_accounts, None, now),
        at=now,
        capacity=capacity,
        pins=tuple(PinView(session, names.get(key, key)) for session, key in fleet.pins.items()),
        project_pins=tuple(
            ProjectPinView(project, names.get(key, key), configured)
            for project, key, configured in fleet.user_rules.project_pins.rows()
        ),
        routes=_routes(fleet, names),
        accounts=tuple(replace(account, live=account.name in live) for account in accounts),
        session_bindings=bindings,
        session_aggregate=SessionTotals(
            sessions=len({binding.session for binding in shown}),
            conversations=len(shown),
            warm=sum(binding.warm for binding in bindings),
            inflight=sum(account.inflight for account in accounts),
            requests=sum(binding.requests for binding in shown),
            usage=_sum(shown),
        ),
    )


def _routes(fleet: Fleet, names: Mapping[str, str]) -> tuple[RouteView, ...]:
    return tuple(
        RouteView(
            route.place,
            match,
            tuple(names.get(key, key) for key in route.accounts),
            route.words if route.is_block else "",
        )
        for match, route in fleet.user_rules.routes.rows()
    )


def _account(
    fleet: Fleet,
    account: Account,
    token: Optional[TokenView],
    now: float,
    model: Optional[str],
    unreachable: str,
) -> AccountView:
    rules, spec = fleet.rules, account.spec
    block = account.block(model, rules, now)
    is_benched = account.is_benched(now)
    return AccountView(
        name=spec.name,
        type=spec.kind,
        priority=spec.priority,
        enabled=spec.enabled,
        last_resort=spec.is_paid,
        rules=_rules(fleet, account, now),
        usable_parts=_usable_parts(account, now),
        status=account.status(now),
        status_reason=(block.detail if block is not None else unreachable or _partly(account, now)) or None,
        usable=block is None,
        usable_in_sec=max(0.0, block.until - now) if block is not None and block.until != NEVER else None,
        inflight=account.inflight,
        proven=account.proven,
        streak=account.streak,
        bench_sec=max(0.0, account.bench_until - now) if is_benched else 0.0,
        rate_limited_until=account.bench_until if is_benched else None,
        warm_sessions=account.warm.count(now),
        burn_5h=account.burn.tokens_in_window(FIVE_HOURS_SEC, account.windows.resets.get("5h"), now),
        cap_est_5h=account.cap_5h.estimate(now),
        cap_est_7d=account.cap_7d.estimate(now),
        used_elsewhere_per_hour=account.used_elsewhere.rate("5h", now),
        quota=_quota(account, now),
        pace=weekly_pace(account, rules, now),
        usage=AccountUsage(
            account.requests,
            usage_view(account.usage, account.cost, account.unpriced_tokens, account.cost_estimated),
        ),
        token=token,
    )


def _rules(fleet: Fleet, account: Account, now: float) -> str:
    """Return what its owner allows, in words."""
    limits = "" if account.limits is None else account.limits.describe()
    spent = fleet.spending.describe(fleet.all_accounts, account, now)
    return ", ".join(filter(None, (limits, spent)))


def _usable_parts(account: Account, now: float) -> dict[str, float]:
    """Return how far its windows may be used, where that is not to their end."""
    if account.limits is None:
        return {}
    axes = {axis for axis, _ in account.windows.live(now)} | {"5h", "7d"}
    parts = {axis: account.usable_part(axis, now) for axis in sorted(axes)}
    return {axis: round(part, 4) for axis, part in parts.items() if part < 1.0}


def _partly(account: Account, now: float) -> str:
    """Return what an account that is open refuses nevertheless, in words."""
    refused = {
        f"{model or 'some'} ({r.message})"
        for (model, _), r in account.scoped_refusals.items()
        if r.until > now
    }
    for axis, window in account.windows.live(now) if account.limits is not None else ():
        limit, used = account.limit(axis, now), window.utilization or 0.0
        if is_scoped(axis) and used >= limit.fraction:
            refused.add(f"{axis[3:]} ({axis} at {used:.0%}, {limit.text})")
    return "refuses " + ", ".join(sorted(refused)) if refused else ""


def _quota(account: Account, now: float) -> QuotaView:
    windows = dict(account.windows.live(now))
    five, seven = windows.get("5h", UNKNOWN_WINDOW), windows.get("7d", UNKNOWN_WINDOW)
    return QuotaView(
        unified_5h=five.utilization,
        unified_7d=seven.utilization,
        unified_5h_reset=five.resets_at,
        unified_7d_reset=seven.resets_at,
        unified_status=account.account_status(now),
        axes={axis: window for axis, window in windows.items() if axis not in API_KEY_AXES},
        api_key_limits={axis: window for axis, window in windows.items() if axis in API_KEY_AXES},
    )


def _binding(fleet: Fleet, binding: Binding, names: Mapping[str, str], now: float) -> BindingView:
    return BindingView(
        sid=binding.session,
        sid8=binding.session[:8],
        agent=binding.agent,
        parent=binding.parent,
        account=names.get(binding.account),
        reason=binding.reason,
        pinned=binding.session in fleet.pins or None in fleet.pins or binding.project_pinned,
        warm=binding.is_warm(fleet.rules, now),
        inflight=binding.inflight,
        idle_sec=0.0 if binding.inflight else max(0.0, now - binding.last_used),
        bound_at=binding.bound_at,
        first_seen=binding.first_seen,
        last_used=binding.last_used,
        requests=binding.requests,
        moves=binding.moves,
        usage=usage_view(binding.usage, binding.cost, binding.unpriced_tokens, binding.cost_estimated),
        model=binding.model,
        cached_prefix_tokens=binding.prefix,
        cache_life_sec=binding.cache_life,
    )


def _sum(rows: Sequence[Binding]) -> UsageView:
    return usage_view(
        Usage(*(sum(column) for column in zip(*(row.usage for row in rows)))),
        sum(row.cost for row in rows),
        sum(row.unpriced_tokens for row in rows),
        any(row.cost_estimated for row in rows),
    )


def usage_view(usage: Usage, cost: float, unpriced: int, estimated: bool) -> UsageView:
    """Return the counts: unknown where not one token is known; the cost also where no price is.

    `cost` is in dollars, of the tokens with a known price; `unpriced` counts the others.
    """
    # By place and without the properties: there are hundreds, and the lock of the router is held.
    new, output, read, written_5m, written_1h, unmeasured = usage
    total = new + output + read + written_5m + written_1h
    if unmeasured and usage.is_unknown:
        return UsageView(None, None, None, None, None, unmeasured, None, estimated, unpriced)
    priced = cost if total == 0 or unpriced < total else None
    written = written_5m + written_1h
    return UsageView(new, output, read, written, total, unmeasured, priced, estimated, unpriced)
