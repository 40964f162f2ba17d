"""What requests wait for, in words: `held 5m, alice back 23:22`, `waits 3s for a slot on bob`."""

from __future__ import annotations

from typing import Optional

from ..proxy.waiting import HELD_AFTER_SEC, clock_time
from .figures import UNKNOWN, format_duration, epoch_seconds, finite_number
from .model import HeldRequest
from .reading import Snapshot, rows, text

__all__ = ["holds_of", "waited_words", "waiting_words"]


def holds_of(snapshot: Snapshot, now: float) -> tuple[HeldRequest, ...]:
    """The held requests of a snapshot, the longest first."""
    found = [
        HeldRequest(
            text(row, "request"),
            text(row, "session"),
            text(row, "agent"),
            text(row, "model"),
            finite_number(row.get("heldSec")) or 0.0,
            _expected(row, now),
        )
        for row in rows(snapshot, "held")
    ]
    return tuple(sorted(found, key=lambda hold: -hold.held_sec))


def waiting_words(waiting: Snapshot, now: float) -> str:
    """`waiting` of a request under way; empty when it does not wait."""
    sec = finite_number(waiting.get("sec"))
    if sec is None:
        return ""
    kind, since = text(waiting, "kind"), format_duration(int(sec))
    if kind == "held" and sec >= HELD_AFTER_SEC:
        return f"held {since}, {_expected(waiting, now)}"
    if kind == "slot":
        return f"waits {since} for a slot on {text(waiting, 'account') or UNKNOWN}"
    return f"waits {since}, {_expected(waiting, now)}"


def waited_words(wait: Snapshot, now: Optional[float] = None) -> str:
    """One of the `waits` of a decision record: `waited 12s for a slot on bob`."""
    if not wait.get("over") and now is not None:
        return waiting_words(wait, now)
    sec = finite_number(wait.get("sec"))
    since = UNKNOWN if sec is None else f"{sec:.1f}s" if sec < 10 else format_duration(int(sec))
    if text(wait, "kind") == "slot":
        return f"waited {since} for a slot on {text(wait, 'account') or UNKNOWN}"
    word = "held" if text(wait, "kind") == "held" and (sec or 0.0) >= HELD_AFTER_SEC else "waited"
    return f"{word} {since}: {text(wait, 'reason') or UNKNOWN}"


def _expected(row: Snapshot, now: float) -> str:
    """`alice back 23:22`; where that is not known, what it waits for."""
    account, back = text(row, "account"), epoch_seconds(row.get("backAt"))
    if account and back is not None:
        return f"{account} back {clock_time(back, now)}"
    reason, detail = text(row, "reason"), text(row, "detail")
    return f"{reason} ({detail})" if reason and detail else reason or UNKNOWN
