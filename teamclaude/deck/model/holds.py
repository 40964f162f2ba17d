"""Say what requests wait for: `held 5m, alice back 23:22`, `waits 3s for a slot on bob`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Optional, Union

from ...proxy.records.request_wait import HELD_AFTER_SEC, clock_time
from ...snapshot import HeldView, WaitView
from ..text.cells import clean, printable
from ..text.format import UNKNOWN, format_duration
from .model import HeldRow

__all__ = ["describe_wait", "describe_waiting", "holds_of"]


def holds_of(held: Iterable[HeldView], now: float) -> tuple[HeldRow, ...]:
    """Return the held requests, the longest held first."""
    longest_first = sorted(held, key=lambda one: -one.held_sec)
    return tuple(HeldRow(printable(one), _expected(one, now)) for one in longest_first)


def describe_waiting(wait: Optional[WaitView], now: float) -> str:
    """Describe what a request in flight waits for; empty when it does not wait."""
    if wait is None:
        return ""
    since = format_duration(int(wait.sec))
    if wait.kind == "held" and wait.sec >= HELD_AFTER_SEC:
        return f"held {since}, {_expected(wait, now)}"
    if wait.kind == "slot":
        return f"waits {since} for a slot on {clean(wait.account or '') or UNKNOWN}"
    return f"waits {since}, {_expected(wait, now)}"


def describe_wait(wait: WaitView, now: float) -> str:
    """Describe one of the `waits` of a decision record: `waited 12s for a slot on bob`."""
    if not wait.over:
        return describe_waiting(wait, now)
    since = f"{wait.sec:.1f}s" if wait.sec < 10 else format_duration(int(wait.sec))
    if wait.kind == "slot":
        return f"waited {since} for a slot on {clean(wait.account or '') or UNKNOWN}"
    word = "held" if wait.kind == "held" and wait.sec >= HELD_AFTER_SEC else "waited"
    return f"{word} {since}: {clean(wait.reason) or UNKNOWN}"


def _expected(wait: Union[WaitView, HeldView], now: float) -> str:
    """Return `alice back 23:22`, or what it waits for when that is unknown."""
    account, back = clean(wait.account or ""), wait.back_at
    if account and back is not None:
        return f"{account} back {clock_time(back, now)}"
    reason, detail = clean(wait.reason), clean(wait.detail)
    return f"{reason} ({detail})" if reason and detail else reason or UNKNOWN
