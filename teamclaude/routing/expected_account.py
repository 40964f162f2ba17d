"""The account that a waiting request is expected to get, and when: what its client is told meanwhile.

1. A request that waits for a slot is expected on that account, at no known time.
2. A request that no account can serve is expected on the first of the excluded accounts that comes back by
   itself; an account that already refused it, or that needs its owner, does not.
3. What costs money, a last-resort key or extra usage, is expected when the request has waited long enough to
   be given it and the account can serve.  By the same rule wait_queue.py lets a request wait for it.
4. A request that the policy holds at the gate is expected nowhere.

Nothing here changes state.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from ..values import NamedTuple
from .fleet import Fleet
from .state.account import Account
from .state.decision import NEVER, Reason, RoutingRequest
from .state.waiter import Waiter

__all__ = ["NOT_EXPECTED", "ExpectedAccount", "expected_account", "paid_at"]

ROUNDING_SEC = 1e-3


class ExpectedAccount(NamedTuple):
    """The account a waiter is expected to get, and when; None: not known."""

    account: Optional[str] = None  # name
    back_at: Optional[float] = None  # epoch seconds


NOT_EXPECTED = ExpectedAccount()


def expected_account(fleet: Fleet, waiter: Waiter, now: float) -> ExpectedAccount:
    """Return what `waiter` may expect as of `now`."""
    wait = waiter.wait
    if wait is None:
        return NOT_EXPECTED
    if wait.account is not None:
        account = fleet.accounts.get(wait.account)
        return ExpectedAccount(wait.account if account is None else account.name)
    if wait.decision.reason == Reason.GATE:
        return NOT_EXPECTED
    paid = (ExpectedAccount(account.name, at) for account, at in _paid_accounts(fleet, waiter, now))
    returns = [*_returning_accounts(fleet, waiter, now), *paid]
    return min(returns, key=lambda expected: expected.back_at or 0.0, default=NOT_EXPECTED)


def _returning_accounts(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[ExpectedAccount]:
    """Yield those of the excluded accounts that come back by themselves."""
    assert waiter.wait is not None
    decision, request = waiter.wait.decision, waiter.request
    # Only paid keys come back earlier than the decision says: it does not count them.
    earliest = 0.0 if decision.retry_at is None else decision.retry_at - ROUNDING_SEC
    for key in dict.fromkeys(excluded.account for excluded in decision.excluded):
        account = fleet.accounts.get(key)
        block = None if account is None else account.block(request.model, fleet.rules, now, request.scope)
        if account is None or block is None or not _may_serve(request, key):
            continue
        if earliest <= block.until < NEVER:
            yield ExpectedAccount(account.name, block.until)


def _may_serve(request: RoutingRequest, key: str) -> bool:
    return key not in request.tried and (not request.allowed or key in request.allowed)


def paid_at(fleet: Fleet, waiter: Waiter, now: float) -> float:
    """Return when an account that costs money may serve the waiter; NEVER: none will."""
    return min((at for _, at in _paid_accounts(fleet, waiter, now)), default=NEVER)


def _paid_accounts(fleet: Fleet, waiter: Waiter, now: float) -> Iterator[tuple[Account, float]]:
    """Yield the accounts that may serve the waiter for money alone, and from when on (epoch seconds).

    There are none for a request that names its account; nor once it may be paid for: then its decision counts
    them like any other.
    """
    request, at = waiter.request, max(now, waiter.since + waiter.limits.paid_after)
    if at >= NEVER or request.allow_paid or request.pin is not None or request.owner in fleet.accounts:
        return
    for account in fleet.accounts.values():
        if _may_serve(request, account.key) and account.is_costly(request.model, fleet.rules, now):
            block = account.block(request.model, fleet.rules, at, request.scope)
            if block is None or block.until < NEVER:
                yield account, at if block is None else max(at, block.until)
