"""Say what requests wait for: `held 5m, alice back 23:22`, `waits 3s for a slot on bob`."""

from __future__ import annotations

from typing import Optional

from ...proxy.records.request_wait import HELD_AFTER_SEC, clock_time
from ..text.format import UNKNOWN, epoch_seconds, finite_number, format_duration
from .model import HeldRequest
from .snapshot import JsonObject, objects_at, text_at

__all__ = ["describe_wait", "describe_waiting", "holds_of"]


def holds_of(snapshot: JsonObject, now: float) -> tuple[HeldRequest, ...]:
    """Return the held requests of a snapshot, the longest held first."""
    found = [
        HeldRequest(
            text_at(row, "request"),
            text_at(row, "session"),
            text_at(row, "agent"),
            text_at(row, "model"),
            finite_number(row.get("heldSec")) or 0.0,
            _expected(row, now),
        )
        for row in objects_at(snapshot, "held")
    ]
    return tuple(sorted(found, key=lambda hold: -hold.held_sec))


def describe_waiting(waiting: JsonObject, now: float) -> str:
    """Describe `waiting` of a request in flight; empty when it does not wait."""
    sec = finite_number(waiting.get("sec"))
    if sec is None:
        return ""
    kind, since = text_at(waiting, "kind"), format_duration(int(sec))
    if kind == "held" and sec >= HELD_AFTER_SEC:
        return f"held {since}, {_expected(waiting, now)}"
    if kind == "slot":
        return f"waits {since} for a slot on {text_at(waiting, 'account') or UNKNOWN}"
    return f"waits {since}, {_expected(waiting, now)}"


def describe_wait(wait: JsonObject, now: Optional[float] = None) -> str:
    """Describe one of the `waits` of a decision record: `waited 12s for a slot on bob`."""
    if not wait.get("over") and now is not None:
        return describe_waiting(wait, now)
    sec = finite_number(wait.get("sec"))
    since = UNKNOWN if sec is None else f"{sec:.1f}s" if sec < 10 else format_duration(int(sec))
    if text_at(wait, "kind") == "slot":
        return f"waited {since} for a slot on {text_at(wait, 'account') or UNKNOWN}"
    word = "held" if text_at(wait, "kind") == "held" and (sec or 0.0) >= HELD_AFTER_SEC else "waited"
    return f"{word} {since}: {text_at(wait, 'reason') or UNKNOWN}"


def _expected(row: JsonObject, now: float) -> str:
    """Return `alice back 23:22`, or what it waits for when that is unknown."""
    account, back = text_at(row, "account"), epoch_seconds(row.get("backAt"))
    if account and back is not None:
        return f"{account} back {clock_time(back, now)}"
    reason, detail = text_at(row, "reason"), text_at(row, "detail")
    return f"{reason} ({detail})" if reason and detail else reason or UNKNOWN
