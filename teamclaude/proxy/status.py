"""The status as JSON: one value that status, Deck, watch and scripts are renderings of.

Field names are the ones existing users script against.  Times are milliseconds since the epoch,
durations seconds, utilizations fractions; `null` means unknown and is never shown as 0.  Nothing
here ever holds a credential.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, Optional

from ..accounts.tokens.expiry import TokenStatus
from ..routing.capacity import AccountCapacity, Capacity, capacity_of
from ..routing.quota.rules import Rules
from ..routing.quota.usage import Usage
from ..routing.quota.windows import API_KEY_AXES
from ..routing.view import AccountView, BindingView, FleetView, IssueView

__all__ = ["capacity_json", "dollars", "resident_mb", "status_json"]


def status_json(
    view: FleetView, rules: Rules, system: dict[str, Any], tokens: Mapping[str, TokenStatus]
) -> dict[str, Any]:
    """The whole status; `system` is what the process says of itself, `tokens` the logins' by account key."""
    capacity = capacity_of(view, rules)
    constrained = {row.view.spec.key: row for row in (*capacity.accounts, *capacity.last_resort)}
    return {
        "currentAccount": view.last_account,
        "switchThreshold": rules.full,
        "policy": view.policy,
        "at": _ms(view.now),
        "capacity": capacity_json(capacity, view.now),
        "system": system,
        "pins": [{"session": session, "account": name} for session, name in view.pins.items()],
        "accounts": [
            {**_account(a, constrained[a.spec.key], view.now), "token": _token(tokens.get(a.spec.key))}
            for a in view.accounts
        ],
        "sessionBindings": [_binding(b) for b in view.bindings],
        "sessionAggregate": _aggregate(view),
        "usageByIssue": [_issue(issue) for issue in view.issues],
    }


def capacity_json(capacity: Capacity, now: float) -> dict[str, Any]:
    """The answer of `GET /capacity`."""
    last_resort = [_account_capacity(row, now) for row in capacity.last_resort]
    return {
        "verdict": capacity.verdict,
        "headroom": capacity.headroom,
        "liveAccounts": capacity.live,
        "benched": capacity.benched,
        "total": capacity.total,
        "warmSessions": capacity.warm,
        "soonestResetSec": math.ceil(capacity.soonest_reset),
        "accounts": [_account_capacity(row, now) for row in capacity.accounts],
        "lastResort": {"accounts": last_resort} if last_resort else None,
        "at": datetime.fromtimestamp(now, timezone.utc)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z"),
    }


def resident_mb() -> Optional[float]:
    """Resident memory of this process in MB, None where it can't be read."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except (OSError, ValueError, IndexError, AttributeError):
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _account_capacity(row: AccountCapacity, now: float) -> dict[str, Any]:
    account = row.view
    return {
        "name": account.spec.name,
        "status": account.status,
        "reason": account.status_reason or None,
        "benched": account.status == "benched",
        "benchSec": _left(account.bench_until, now) or 0,
        "streak": account.streak,
        "inflight": account.inflight,
        "burn5h": account.burn_5h,
        "capEst5h": _rounded(account.cap_5h),
        "headroomTok": _rounded(row.headroom_tokens),
        "nearCap": row.near_cap,
        "live": row.live,
        "constrained": row.constrained,
        "utilization5h": account.utilization("5h"),
        "utilization7d": account.utilization("7d"),
    }


def _account(account: AccountView, capacity: AccountCapacity, now: float) -> dict[str, Any]:
    return {
        "name": account.spec.name,
        "type": account.spec.kind,
        "priority": account.spec.priority,
        "enabled": account.spec.enabled,
        "lastResort": account.spec.is_paid,
        "status": account.status,
        "statusReason": account.status_reason or None,
        "usable": account.usable,
        "usableInSec": _left(account.usable_at, now),
        "live": capacity.live,
        "inflight": account.inflight,
        "proven": account.proven,
        "streak": account.streak,
        "benchSec": _left(account.bench_until, now) or 0,
        "rateLimitedUntil": _ms(account.bench_until),
        "warmSessions": account.warm,
        "burn5h": account.burn_5h,
        "capEst5h": _rounded(account.cap_5h),
        "capEst7d": _rounded(account.cap_7d),
        "quota": _quota(account),
        "pace": {
            "line": round(account.pace.line, 4),
            "gap": round(account.pace.gap, 4),
            "boost": round(account.pace.boost, 4),
            "score": round(account.pace.score, 4),
        },
        "usage": {
            "requests": account.requests,
            **_tokens(account.usage),
            **dollars(account.cost, account.unpriced_tokens, account.cost_estimated, account.usage),
        },
    }


def _token(state: Optional[TokenStatus]) -> Optional[dict[str, Any]]:
    """None for an API key."""
    if state is None:
        return None
    return {
        "state": state.state,
        "expiresAt": _ms(state.expires_at),
        "loginEndsAt": _ms(state.login_ends_at),
        "reason": state.reason or None,
    }


def _quota(account: AccountView) -> dict[str, Any]:
    axes = {
        axis: {
            "utilization": window.utilization,
            "resetsAt": _ms(window.resets_at),
            "status": window.status,
            "seenAt": _ms(window.seen_at),
        }
        for axis, window in account.windows.items()
    }
    five, seven = account.windows.get("5h"), account.windows.get("7d")
    return {
        "unified5h": five.utilization if five else None,
        "unified7d": seven.utilization if seven else None,
        "unified5hReset": _ms(five.resets_at) if five else None,
        "unified7dReset": _ms(seven.resets_at) if seven else None,
        "unifiedStatus": account.unified_status,
        "axes": {axis: value for axis, value in axes.items() if axis not in API_KEY_AXES},
        "apiKeyLimits": {axis: value for axis, value in axes.items() if axis in API_KEY_AXES},
    }


def _binding(binding: BindingView) -> dict[str, Any]:
    return {
        "sid": binding.session,
        "sid8": binding.session[:8],
        "agent": binding.agent,
        "parent": binding.parent,
        "account": binding.account,
        "reason": binding.reason,
        "pinned": binding.pinned,
        "warm": binding.warm,
        "inflight": binding.inflight,
        "idleSec": round(binding.idle, 1),
        "boundAt": _ms(binding.bound_at),
        "firstSeen": _ms(binding.first_seen),
        "lastUsed": _ms(binding.last_used),
        "requests": binding.requests,
        "moves": binding.moves,
        **_tokens(binding.usage),
        **dollars(binding.cost, binding.unpriced_tokens, binding.cost_estimated, binding.usage),
        "model": binding.model,
        "cachedPrefixTokens": binding.prefix,
    }


def _aggregate(view: FleetView) -> dict[str, Any]:
    usage = (
        Usage(*(sum(column) for column in zip(*(b.usage for b in view.bindings))))
        if view.bindings
        else Usage()
    )
    unpriced = sum(b.unpriced_tokens for b in view.bindings)
    estimated = any(b.cost_estimated for b in view.bindings)
    return {
        "sessions": len({b.session for b in view.bindings}),
        "conversations": len(view.bindings),
        "warm": sum(b.warm for b in view.bindings),
        "inflight": sum(a.inflight for a in view.accounts),
        "requests": sum(b.requests for b in view.bindings),
        **_tokens(usage),
        **dollars(sum(b.cost for b in view.bindings), unpriced, estimated, usage),
    }


def _issue(issue: IssueView) -> dict[str, Any]:
    return {
        "issue": issue.issue or None,
        "sessions": issue.conversations,
        "requests": issue.requests,
        **_tokens(issue.usage),
        **dollars(issue.cost, issue.unpriced_tokens, issue.cost_estimated, issue.usage),
        "lastSeen": _ms(issue.last_seen),
    }


def _tokens(usage: Usage) -> dict[str, Optional[int]]:
    """Counts; null where none is known, a lower bound where `unmeasured` answers are among them."""
    counts: dict[str, Optional[int]] = {
        "inputTokens": usage.input_tokens,
        "outputTokens": usage.output_tokens,
        "cacheReadTokens": usage.cache_read_tokens,
        "cacheWriteTokens": usage.cache_write_tokens,
        "tokens": usage.total,
    }
    if usage.is_unknown:
        counts = dict.fromkeys(counts)
    return {**counts, "unmeasured": usage.unmeasured}


def dollars(cost: float, unpriced: int, estimated: bool, usage: Usage) -> dict[str, Any]:
    """`cost` is null when every token of it is of an unknown price, or none is known."""
    known = not usage.is_unknown and (usage.total == 0 or unpriced < usage.total)
    return {
        "cost": round(cost, 6) if known else None,
        "costEstimated": estimated,
        "unpricedTokens": unpriced,
    }


def _ms(moment: Optional[float]) -> Optional[int]:
    return None if moment is None else round(moment * 1000)


def _left(moment: Optional[float], now: float) -> Optional[int]:
    return None if moment is None else max(0, round(moment - now))


def _rounded(value: Optional[float]) -> Optional[int]:
    return None if value is None else round(value)
