"""Say what requests wait for (`held 5m, alice back 23:22`), and why nothing can go on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Optional, Union

from ...proxy.records.wait_texts import HELD_AFTER_SEC, clock_time, outage_text
from ...snapshot import AccountView, HeldView, Snapshot, WaitView
from ..text.cells import clean, printable
from ..text.format import UNKNOWN, format_duration
from .model import HeldRow

__all__ = ["describe_cause", "describe_wait", "describe_waiting", "holds_of", "is_held", "obstacle_of"]


def holds_of(held: Iterable[HeldView], now: float) -> tuple[HeldRow, ...]:
    """Return the held requests, the longest held first."""
    longest_first = sorted(held, key=lambda one: -one.held_sec)
    return tuple(HeldRow(printable(one), _expected(one, now)) for one in longest_first)


def obstacle_of(snapshot: Snapshot) -> tuple[str, ...]:
    """Return why new work can't go on for now, with who is back first and when; empty: it can.

    `no account can serve: bob is back first, in 42m (23:22)`, `3 requests held, the longest 5m`.
    """
    held, at = snapshot.held, snapshot.at
    unreachable = _unreachable(snapshot)
    if unreachable:
        return (*unreachable, _held(held)) if held else unreachable
    red = snapshot.capacity.verdict == "red"
    if not red and not held:
        return ()
    longest = max(held, key=lambda one: one.held_sec, default=None)
    if not red and longest is not None:
        return (f"{_held(held)}: {_expected(longest, at)}",)
    paid = [clean(one.name) for one in snapshot.accounts if one.last_resort and one.usable]
    who = f"only {paid[0]}, a paid key, serves" if paid else "no account can serve"
    words = f"{who}: {_first_back(snapshot.accounts, at)}"
    return (words, _held(held)) if held else (words,)


def _unreachable(snapshot: Snapshot) -> tuple[str, ...]:
    """Return since when no usable account's API can be reached, and how many requests failed; or nothing."""
    cut = {name for outage in snapshot.outages for name in outage.accounts}
    usable = [one.name for one in snapshot.accounts if one.usable]
    if not usable or not cut.issuperset(usable):
        return ()
    failed = sum(outage.failed for outage in snapshot.outages)
    ago = format_duration(int(max(0.0, snapshot.at - max(outage.last_at for outage in snapshot.outages))))
    return clean(outage_text(snapshot.outages[0], snapshot.at)), f"{failed} failed, the last {ago} ago"


def _held(held: Sequence[HeldView]) -> str:
    since = format_duration(int(max(one.held_sec for one in held)))
    if len(held) == 1:
        return f"1 request held for {since}"
    return f"{len(held)} requests held, the longest {since}"


def _first_back(accounts: Sequence[AccountView], at: float) -> str:
    if not accounts:
        return "none is configured"
    waits = [(one.usable_in_sec, clean(one.name)) for one in accounts if one.usable_in_sec is not None]
    if waits:
        left, name = min(waits)
        return f"{name} is back first, in {format_duration(left)} ({clock_time(at + left, at)})"
    logins = [clean(one.name) for one in accounts if one.status == "auth_failed"]
    if logins:
        return f"{logins[0]} needs a login" if len(logins) == 1 else f"{len(logins)} accounts need a login"
    return "no time brings one back"


def describe_waiting(wait: Optional[WaitView], now: float) -> str:
    """Describe what a request in flight waits for; empty when it does not wait."""
    if wait is None:
        return ""
    since = format_duration(int(wait.sec))
    if is_held(wait):
        return f"held {since}, {_expected(wait, now)}"
    if wait.kind == "slot":
        return f"waits {since} for a slot on {clean(wait.account or '') or UNKNOWN}"
    return f"waits {since}, {_expected(wait, now)}"


def is_held(wait: Optional[WaitView]) -> bool:
    """Return whether a request waits because no account can serve it."""
    return wait is not None and wait.kind == "held" and wait.sec >= HELD_AFTER_SEC


def describe_cause(wait: WaitView, now: float) -> str:
    """Describe what a request waits for, without for how long: `alice back 23:22`, `a slot on bob`."""
    if wait.kind == "slot":
        return f"a slot on {clean(wait.account or '') or UNKNOWN}"
    return _expected(wait, now)


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
