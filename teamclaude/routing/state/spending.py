"""What a fleet's paid requests have cost in this day and this month, and which accounts that closes.

The rules are in user_rules/spend.py.  Asked with each request that is billed, and with no other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Optional

from ..quota.model_prices import PRICES
from ..quota.usage import Price, Usage
from ..user_rules.spend import (
    NO_SPEND_LIMITS,
    Period,
    Periods,
    SpendLimits,
    describe,
    spend_stop,
    utc_periods,
)
from .account import Account

__all__ = ["Spending"]

DEAREST = max((price for versions in PRICES.values() for price in versions.values()), key=lambda p: p.output)


class Spending:
    """The dollars of all accounts together; those of each are with the account.  Changed by the Fleet."""

    def __init__(self) -> None:
        self.limits = NO_SPEND_LIMITS  # of all together
        self.periods: Periods = utc_periods
        self.removed: dict[str, float] = {}  # what accounts have spent that are gone, by period
        self.extra_usage_leases: set[int] = set()  # open ones that are billed, however they end

    def use(self, limits: SpendLimits, periods: Periods) -> None:
        """Use these limits of all together, and this calendar; `update` applies them."""
        self.limits, self.periods = limits, periods

    def count(
        self,
        accounts: Collection[Account],
        account: Account,
        usage: Usage,
        price: Optional[Price],
        now: float,
        unseen: int,
    ) -> None:
        """Count a billed request that has ended; `unseen`: output tokens that `usage` lacks, estimated."""
        usage = usage._replace(output_tokens=usage.output_tokens + unseen, unmeasured=0)
        dollars = usage.cost(price or DEAREST) or 0.0
        periods = self.periods(now)
        account.spent = {period.name: account.spent.get(period.name, 0.0) + dollars for period in periods}
        self.update(accounts, now)

    def account_removed(self, account: Account) -> None:
        """Keep what an account that is gone has spent: the limits of all together go on."""
        for name, dollars in account.spent.items():
            self.removed[name] = self.removed.get(name, 0.0) + dollars

    def update(self, accounts: Collection[Account], now: float) -> None:
        """Close the accounts that may spend nothing more."""
        periods = self.periods(now)
        everybody = spend_stop(self.limits, self.total(accounts, periods), periods, "all accounts together: ")
        for account in accounts:
            stops = [everybody, spend_stop(account.spec.max_spend, account.spent, periods)]
            account.spend_stop = max(
                (stop for stop in stops if stop is not None), key=lambda stop: stop.until, default=None
            )
            account.spend_until = 0.0 if account.spend_stop is None else account.spend_stop.until

    def total(self, accounts: Iterable[Account], periods: Iterable[Period]) -> dict[str, float]:
        """Return the dollars of all together by period."""
        spenders = [self.removed, *(account.spent for account in accounts)]
        return {p.name: sum(spent.get(p.name, 0.0) for spent in spenders) for p in periods}

    def describe(self, accounts: Collection[Account], account: Optional[Account], now: float) -> str:
        """Return what an account, None: all together, has spent of its limits; empty without one."""
        periods = self.periods(now)
        if account is None:
            return describe(self.limits, self.total(accounts, periods), periods)
        return describe(account.spec.max_spend, account.spent, periods)
