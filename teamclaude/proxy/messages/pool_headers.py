"""Write the pool's limits into a response's head in place of the account's.  Pure.

Only fields `anthropic-ratelimit-unified-*` are changed, and only where there are some.  What Claude Code does
with them (2.1.112 and 2.1.332): it shows `utilization` and `reset` of each window, warns where a window has
`surpassed-threshold`, and names the limit that `representative-claim` names when the status is 429.

1. Any response but a 429 is allowed, or allowed_warning, whatever remains.
2. A 429 while an account could serve is about the request: all that explains it stays, and only the other
   windows are the pool's.  Once the pool is exhausted, claim and reset are the pool's, too.
3. Else what belongs to one account alone is left out: extra usage, upgrades, periods of grace.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime, timezone
from typing import Any, Optional

from ...routing.pool.pool_limits import PoolLimits, PoolWindow
from ...routing.quota.rate_limit_headers import claim_of

__all__ = ["pool_usage", "with_pool_limits"]

Headers = list[tuple[str, str]]

PREFIX = "anthropic-ratelimit-unified-"
# About the model, not about the account's quota.
_KEPT = frozenset({f"{PREFIX}fallback", f"{PREFIX}fallback-percentage"})
# From which on a client warns: those at which Claude Code itself finds a window nearly used up, and 1.
_THRESHOLDS = {"5h": (0.9, 1.0)}
_WEEKLY_THRESHOLDS = (0.75, 0.9, 1.0)


def with_pool_limits(headers: Headers, limits: PoolLimits, status: int) -> Headers:
    """Return the fields with the pool's limits; unchanged without unified ones or while nothing is known."""
    theirs = {name.lower(): value for name, value in headers if name.lower().startswith(PREFIX)}
    if not theirs or not limits.windows:
        return headers
    if status == 429 and limits.exhausted_axis is None:
        claim = theirs.get(f"{PREFIX}representative-claim")
        axes = [axis for axis in limits.windows if claim_of(axis) != claim]
        replaced = {name for name in theirs for axis in axes if name.startswith(f"{PREFIX}{axis}-")}
        ours = [field for axis in axes for field in _window_fields(axis, limits.windows[axis])]
    else:
        replaced = set(theirs) - _KEPT
        ours = _all_fields(limits, status == 429)
    return _with_fields(headers, replaced, [(PREFIX + name, value) for name, value in ours])


def _with_fields(headers: Headers, replaced: Collection[str], ours: Headers) -> Headers:
    """Return the fields with `ours` in the place of the first of those that are replaced."""
    out: Headers = []
    for name, value in headers:
        if name.lower() in replaced:
            out += ours
            ours = []
        else:
            out.append((name, value))
    return out + ours


def _all_fields(limits: PoolLimits, refused: bool) -> Headers:
    windows = limits.windows
    warned = any(_surpassed(axis, window) is not None for axis, window in windows.items())
    claimed = limits.exhausted_axis if refused else None
    if claimed is None:
        claimed = max(windows, key=lambda axis: (_surpassed(axis, windows[axis]) or 0.0, axis == "5h"))
    at = limits.back_at if refused else windows[claimed].resets_at
    fields = [("status", "rejected" if refused else "allowed_warning" if warned else "allowed")]
    for axis, window in windows.items():
        fields += _window_fields(axis, window, refused and axis == claimed)
    fields += [] if at is None else [("reset", str(round(at)))]
    return [*fields, ("representative-claim", claim_of(claimed))]


def _window_fields(axis: str, window: PoolWindow, rejected: bool = False) -> Headers:
    surpassed = _surpassed(axis, window)
    status = "rejected" if rejected else "allowed" if surpassed is None else "allowed_warning"
    fields = [(f"{axis}-status", status), (f"{axis}-utilization", f"{window.utilization:.2f}")]
    if window.resets_at is not None:
        fields.append((f"{axis}-reset", str(round(window.resets_at))))
    if surpassed is not None:
        fields.append((f"{axis}-surpassed-threshold", str(surpassed)))
    return fields


def _surpassed(axis: str, window: PoolWindow) -> Optional[float]:
    passed = [t for t in _THRESHOLDS.get(axis, _WEEKLY_THRESHOLDS) if window.utilization >= t]
    return passed[-1] if passed else None


def pool_usage(limits: PoolLimits) -> Optional[bytes]:
    """Return the pool's answer to GET /api/oauth/usage; None while nothing is known.

    Shape as the API answers (public captures); Claude Code 2.1.332 shows `limits`, 2.1.112 the windows.
    """
    five, week = limits.windows.get("5h"), limits.windows.get("7d")
    if five is None and week is None:
        return None
    answer: dict[str, Any] = {"five_hour": _usage_of(five), "seven_day": _usage_of(week)}
    answer.update(dict.fromkeys(("seven_day_oauth_apps", "seven_day_opus", "seven_day_sonnet")))
    answer["extra_usage"] = {
        "is_enabled": False,
        "monthly_limit": None,
        "used_credits": None,
        "utilization": None,
    }
    rows = (("session", "session", "5h", five), ("weekly_all", "weekly", "7d", week))
    answer["limits"] = [
        _usage_row(kind, group, axis, window) for kind, group, axis, window in rows if window is not None
    ]
    return json.dumps(answer).encode()


def _usage_of(window: Optional[PoolWindow]) -> Optional[dict[str, Any]]:
    if window is None:
        return None
    return {"utilization": round(100 * window.utilization, 1), "resets_at": _iso(window.resets_at)}


def _usage_row(kind: str, group: str, axis: str, window: PoolWindow) -> dict[str, Any]:
    surpassed = _surpassed(axis, window)
    return {
        "kind": kind,
        "group": group,
        "percent": round(100 * window.utilization),
        "severity": "normal" if surpassed is None else "critical" if surpassed >= 1.0 else "warning",
        "resets_at": _iso(window.resets_at),
        "scope": None,
        "is_active": True,
    }


def _iso(at: Optional[float]) -> Optional[str]:
    if at is None:
        return None
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="microseconds")
