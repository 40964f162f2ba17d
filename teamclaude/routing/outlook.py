"""Which account a waiting request is expected to get, and when; changes nothing.

Rules that hold in this file:

1. A request that waits for a slot is expected on that account, at no known time.
2. A request that no account can serve is expected on the first of those its decision left out that comes
   back by itself; one that already refused it, or needs a person, does not.
3. What costs money, a last-resort key or extra usage, is expected when the request has waited long enough to
   be given it.
4. A request that the policy holds back for want of room is expected nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional

from .decision import NEVER, Reason
from .fleet import Fleet
from .line import Waiter

__all__ = ["UNKNOWN", "Outlook", "outlook"]

_ROUNDING_SEC = 1e-3


class Outlook(NamedTuple):
    """None: not known."""

    account: Optional[str] = None  # name
    back_at: Optional[float] = None  # epoch seconds


UNKNOWN = Outlook()


def outlook(fleet: Fleet, waiter: Waiter, now: float) -> Outlook:
    """What `waiter` may expect as of `now`."""
    wait = waiter.wait
    if wait is None:
        return UNKNOWN
    if wait.account is not None:
        account = fleet.accounts.get(wait.account)
        return Outlook(wait.account if account is None else account.name)
    if wait.decision.reason == Reason.GATE:
        return UNKNOWN
    returns = [*_returns(fleet, waiter, now), *_costly(fleet, waiter, now)]
    return min(returns, key=lambda seen: seen.back_at or 0.0, default=UNKNOWN)


def _returns(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[Outlook]:
    """The accounts that time brings back, of those that were left out."""
    assert waiter.wait is not None
    decision, ask = waiter.wait.decision, waiter.request
    # Paid keys that a choice leaves out of account come back earlier than it says; so do no others.
    earliest = 0.0 if decision.retry_at is None else decision.retry_at - _ROUNDING_SEC
    for key in dict.fromkeys(excluded.account for excluded in decision.excluded):
        account = fleet.accounts.get(key)
        block = None if account is None else account.block(ask.model, fleet.rules, now, ask.scope)
        if account is None or block is None or key in ask.tried:
            continue
        if earliest <= block.until < NEVER:
            yield Outlook(account.name, block.until)


def _costly(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[Outlook]:
    ask, at = waiter.request, waiter.since + waiter.limits.paid_after
    if ask.allow_paid or ask.pin is not None or at >= NEVER:
        return
    for account in fleet.accounts.values():
        costly = account.is_costly(ask.model, fleet.rules, now)
        if costly and account.block(ask.model, fleet.rules, at, ask.scope) is None:
            yield Outlook(account.name, at)
