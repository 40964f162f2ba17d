"""Read quota windows from an answer of the usage endpoint.

Its fields, as Claude Code 2.1.330 reads them: `five_hour`, `seven_day`, `seven_day_opus` and others like them
are null or `{utilization: percent, resets_at: RFC 3339 or null}`; newer answers have `limits`, a list of
`{kind: session | weekly_all | weekly_scoped, percent, resets_at, scope: {model: {id, display_name}}}`, the
scope null where there is none.  Any of it may be missing, null or new; what can't be read counts as absent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from .model_prices import family_of
from .rate_limit_headers import axis_of_claim, parse_instant
from .windows import MAX_UTILIZATION, QuotaReading, Window, scope_of_family

__all__ = ["read_usage_report"]

MAX_AXES = 12
MAX_LIMITS = 50
MAX_NAME_CHARS = 60
# The window of apps that use the login; it binds no model of Claude Code.
_NOT_OURS = "7d_oauth_apps"
_KINDS = {"session": "5h", "weekly_all": "7d"}


def read_usage_report(document: Mapping[str, Any], now: float) -> QuotaReading:
    """Return the windows that an answer names with a utilization; none of them says that it rejects."""
    axes: dict[str, Window] = {}
    for axis, percent, resets_at in (*_fields(document), *_limits(document)):
        if isinstance(percent, bool) or not isinstance(percent, (int, float)) or len(axes) >= MAX_AXES:
            continue
        if axis in axes or not 0 <= percent <= 100 * MAX_UTILIZATION:  # NaN fails, too
            continue
        at = parse_instant(axis, resets_at, now) if isinstance(resets_at, str) else None
        axes[axis] = Window(percent / 100.0, at, None, now)
    return QuotaReading(axes)


def _fields(document: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, value in document.items():
        axis = axis_of_claim(name) if len(name) <= MAX_NAME_CHARS else None
        if axis is not None and axis != _NOT_OURS and isinstance(value, dict):
            yield axis, value.get("utilization"), value.get("resets_at")


def _limits(document: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    limits = document.get("limits")
    for limit in limits[:MAX_LIMITS] if isinstance(limits, list) else ():
        axis = _axis_of_limit(limit) if isinstance(limit, dict) else None
        if axis is not None:
            yield axis, limit.get("percent"), limit.get("resets_at")


def _axis_of_limit(limit: Mapping[str, Any]) -> Optional[str]:
    kind, scope = limit.get("kind"), limit.get("scope")
    if kind != "weekly_scoped":
        return _KINDS.get(kind) if isinstance(kind, str) and not scope else None
    model = scope.get("model") if isinstance(scope, dict) else None
    names = [model.get("id"), model.get("display_name")] if isinstance(model, dict) else []
    for name in names:
        family = family_of(name) if isinstance(name, str) else None
        if family is not None:
            return f"7d_{scope_of_family(family)}"
    return None
