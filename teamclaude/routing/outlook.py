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

from .fleet import Fleet
from .state.decision import NEVER, Reason
from .wait_queue import Waiter

__all__ = ["NOT_EXPECTED", "ExpectedAccount", "expected_account"]

_ROUNDING_SEC = 1e-3


class ExpectedAccount(NamedTuple):
    """None: not known."""

    account: Optional[str] = None  # name
    back_at: Optional[float] = None  # epoch seconds


NOT_EXPECTED = ExpectedAccount()


def expected_account(fleet: Fleet, waiter: Waiter, now: float) -> ExpectedAccount:
    """What `waiter` may expect as of `now`."""
    wait = waiter.wait
    if wait is None:
        return NOT_EXPECTED
    if wait.account is not None:
        account = fleet.accounts.get(wait.account)
        return ExpectedAccount(wait.account if account is None else account.name)
    if wait.decision.reason == Reason.GATE:
        return NOT_EXPECTED
    returns = [*_returning_accounts(fleet, waiter, now), *_paid_accounts(fleet, waiter, now)]
    return min(returns, key=lambda seen: seen.back_at or 0.0, default=NOT_EXPECTED)


def _returning_accounts(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[ExpectedAccount]:
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
            yield ExpectedAccount(account.name, block.until)


def _paid_accounts(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[ExpectedAccount]:
    ask, at = waiter.request, waiter.since + waiter.limits.paid_after
    if ask.allow_paid or ask.pin is not None or at >= NEVER:
        return
    for account in fleet.accounts.values():
        costly = account.is_costly(ask.model, fleet.rules, now)
        if costly and account.block(ask.model, fleet.rules, at, ask.scope) is None:
            yield ExpectedAccount(account.name, at)
