"""What each account offers to a cold conversation, kept in order: only what changed is looked at again.

An offer is filed at its best.  What makes it worse is seen when it comes first: more requests in flight,
a window that would run out.  What makes it better must be filed anew: an answer, a request that ends, or
time (`until`).
"""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple, Optional

from ..state.account import Account

__all__ = ["INFINITE", "Candidate", "Ranking", "QuotaOutlook"]

INFINITE = float("inf")


class QuotaOutlook(NamedTuple):
    """What is left of an account's windows at an instant."""

    at: float
    share: float  # against what the pool is expected to want of it
    windows: tuple[tuple[float, float], ...]  # tokens left, reset; of windows that may end before it

    def runway(self, active: int, rate: Optional[float], now: float) -> float:
        """Seconds until a window is used up by so many conversations; one that resets first never is."""
        shortest = INFINITE
        if rate is not None:
            for left, resets_at in self.windows:
                runs = left / (active * rate)
                if runs < shortest and now + runs < resets_at:
                    shortest = runs
        return shortest


class Candidate(NamedTuple):
    """One account as a place for a cold conversation; the smallest is the best."""

    cost: float  # less than 0: its share for each active conversation, with one more
    inflight: int
    last_picked: float
    name: str
    generation: int  # no two are equal
    until: float  # it may be better then
    account: Account
    outlook: QuotaOutlook
    active: int

    def describe(self, rate: Optional[float], now: float) -> str:
        """How crowded it was, and how long a window lasts with one more."""
        runway = self.outlook.runway(self.active + 1, rate, now)
        if runway == INFINITE:
            return f"{self.active} active"
        minutes = runway / 60
        return f"{self.active} active, lasts " + (
            f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
        )


class Ranking:
    """One offer of each account."""

    def __init__(self, offers: Iterable[Candidate] = ()) -> None:
        self.candidates = sorted(offers)
        self._by_account = {offer.account: offer for offer in self.candidates}
        self._due = [(offer.until, offer.generation, offer) for offer in self.candidates]
        heapq.heapify(self._due)

    def __contains__(self, account: Account) -> bool:
        return account in self._by_account

    def replace(self, offer: Candidate) -> None:
        """In place of the account's last one."""
        del self.candidates[bisect_left(self.candidates, self._by_account[offer.account])]
        insort(self.candidates, offer)
        self._by_account[offer.account] = offer
        heapq.heappush(self._due, (offer.until, offer.generation, offer))

    def due(self, now: float) -> list[Account]:
        """Accounts whose offers may have become better by time alone: they are to be filed anew."""
        found = []
        while self._due and self._due[0][0] <= now:
            offer = heapq.heappop(self._due)[2]
            if self._by_account[offer.account] is offer:
                found.append(offer.account)
        return found
