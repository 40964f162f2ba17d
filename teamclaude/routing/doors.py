"""Which accounts are open: kept between requests, for few of them change it.

An account that is open to every model stays so until something happens to it: as time goes on accounts
open, and none closes.  So only the others are looked at for each request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Optional

from .account import Account
from .decision import Exclusion
from .rules import Rules

__all__ = ["Doors", "excluding"]


class Open(NamedTuple):
    """The accounts at one look."""

    at: float
    others: list[Account]  # closed, or full for some model
    first: list[Account]  # of the open ones: in the best tier, paid keys left out
    waiting: tuple[Exclusion, ...]  # the rest of the open ones


class Doors:
    """Which accounts are open; `knock` says that an open one may have closed."""

    def __init__(self) -> None:
        self._seen: Optional[Open] = None

    def knock(self) -> None:
        self._seen = None

    def look(self, accounts: Iterable[Account], rules: Rules, now: float) -> Open:
        """`accounts` as they were last time, unless somebody has knocked since."""
        seen = self._seen
        if (
            seen is None
            or now < seen.at
            or (seen.others and any(account.serves_all(rules, now) for account in seen.others))
        ):
            seen = self._seen = _look_at_all(accounts, rules, now)
        return seen


def _look_at_all(accounts: Iterable[Account], rules: Rules, now: float) -> Open:
    usable: list[Account] = []
    others: list[Account] = []
    for account in accounts:
        (usable if account.serves_all(rules, now) else others).append(account)
    free = [a for a in usable if not a.spec.is_paid]
    tier = min((a.spec.priority for a in free), default=0)
    first = [a for a in free if a.spec.priority == tier]
    paid = excluding(usable, free, "API key waits", "paid last resort")
    lower = excluding(free, first, "priority", f"tier {tier} is usable")
    return Open(now, others, first, (*paid, *lower))


def excluding(before: Iterable[Account], after: Iterable[Account], rule: str, detail: str) -> list[Exclusion]:
    """The accounts that are left out of `after`."""
    kept = set(after)
    return [Exclusion(account.key, rule, detail) for account in before if account not in kept]
