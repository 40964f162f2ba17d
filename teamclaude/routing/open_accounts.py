"""Which accounts are open: kept between requests, for few of them change it.

An account that is open to every model stays so until something happens to it: as time goes on accounts
open, and none closes.  So only the others are looked at for each request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from .quota.rules import Rules
from .state.account import Account
from .state.decision import Exclusion

__all__ = ["OpenAccounts", "exclusions"]


class OpenSet(NamedTuple):
    """The accounts at one look."""

    at: float
    closed: list[Account]  # closed, or full for some model
    eligible: list[Account]  # of the open ones: in the best tier, paid keys left out
    excluded: tuple[Exclusion, ...]  # the rest of the open ones


class OpenAccounts:
    """Which accounts are open; `knock` says that an open one may have closed."""

    def __init__(self) -> None:
        self._known: Optional[OpenSet] = None

    def invalidate(self) -> None:
        self._known = None

    def get(self, accounts: Iterable[Account], rules: Rules, now: float) -> OpenSet:
        """`accounts` as they were last time, unless somebody has knocked since."""
        seen = self._known
        if (
            seen is None
            or now < seen.at
            or (seen.closed and any(account.is_open_to_all(rules, now) for account in seen.closed))
        ):
            seen = self._known = _find_open(accounts, rules, now)
        return seen


def _find_open(accounts: Iterable[Account], rules: Rules, now: float) -> OpenSet:
    usable: list[Account] = []
    others: list[Account] = []
    for account in accounts:
        (usable if account.is_open_to_all(rules, now) else others).append(account)
    free = [a for a in usable if not a.spec.is_paid]
    tier = min((a.spec.priority for a in free), default=0)
    first = [a for a in free if a.spec.priority == tier]
    paid = exclusions(usable, free, "API key waits", "paid last resort")
    lower = exclusions(free, first, "priority", f"tier {tier} is usable")
    return OpenSet(now, others, first, (*paid, *lower))


def exclusions(
    before: Iterable[Account], after: Iterable[Account], rule: str, detail: str
) -> list[Exclusion]:
    """The accounts that are left out of `after`."""
    kept = set(after)
    return [Exclusion(account.key, rule, detail) for account in before if account not in kept]
