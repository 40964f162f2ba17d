"""The policy `price`: work goes where quota is most plentiful against what will be wanted of it.

The price of an account's tokens is how scarce they are: what is left of its windows against the
demand expected until they reset.  A straight week is only the line one starts from; what is learned
of the week's busy and quiet hours bends it into the team's own calendar.

1. A cold conversation goes to the account with the best share per active conversation, less where
   the window would soon run out under it.
2. A warm one stays.  When its account closes it waits, if that is cheaper than writing its cache anew.
3. A cold conversation enters an account only while its window can carry it for a while; else it waits
   its turn.  Without that gate everybody who waited for a window enters at once, spends it on cold
   caches and is cold again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from .account import Account
from .binding import Binding
from .decision import Ask, Exclusion
from .meter import WEEKS_IN_5H, Meter
from .policy import Placement, Plain, Pool, Served
from .rules import Rules
from .saved import Saved

__all__ = ["PricePolicy"]

GATE_SEC = 2200.0  # a window must carry a cold conversation for so long
INFINITE = float("inf")
HALF_HOUR, HOUR = 1800.0, 3600.0
LONG_RUN_SEC = 7200.0  # a runway as long as this is as good as any
HOME_BONUS = 1.3  # part of its cache may live on
PLENTY = 2.0  # times an equal part of the demand: in plenty, who could carry more is no better for it
SHORT_WAIT_SEC = 15.0  # always worth it
FULL = 1.005  # headers round to 0.01: the API itself says when a window is full


class _Offer(NamedTuple):
    """One account as a place for a cold conversation."""

    share: float  # what is left against what is wanted
    active: int
    runway: float  # seconds until a window runs out with one more conversation

    @property
    def value(self) -> float:
        return self.share / (self.active + 1) * min(1.0, self.runway / LONG_RUN_SEC)


class PricePolicy(Plain):
    """Quota by its scarcity, with a gate for cold conversations."""

    name = "price"

    def __init__(self, gated: bool = True) -> None:
        self.gated = gated
        self.meter = Meter()

    def adapt(self, rules: Rules) -> Rules:
        """Use windows to their end, unless a lower switchThreshold is configured."""
        if rules.switch_threshold != Rules().switch_threshold:
            return rules
        return replace(rules, switch_threshold=FULL)

    # --- the questions ------------------------------------------------------------------------

    def place(self, pool: Pool, ask: Ask, home: Optional[Account]) -> Placement:
        rules, now = pool.rules, pool.now
        plenty = self._plenty(pool)
        offers = {a: self._offer(a, now, plenty=plenty) for a in pool.accounts}

        def order(account: Account) -> tuple[bool, float, int, float, str]:
            full = self.free_slots(rules, account, now, 0.0) <= 0
            value = offers[account].value * (HOME_BONUS if account is home else 1.0)
            return (full, -value, account.inflight, account.last_picked, account.name)

        chosen = min(pool.accounts, key=order)
        others = tuple(
            Exclusion(a.key, "less plentiful", _words(offers[a])) for a in pool.accounts if a is not chosen
        )
        return Placement(chosen, others, _words(offers[chosen]))

    def free_slots(self, rules: Rules, account: Account, now: float, waited: float) -> int:
        return (rules.max_inflight_per_account if account.proven else 1) - account.inflight

    def await_home(
        self, pool: Pool, ask: Ask, binding: Binding, home: Account, until: float, waited: float
    ) -> str:
        closed = until - pool.now
        if waited + closed > ask.hold or closed > binding.warm_until(pool.rules) - pool.now:
            return ""
        worth = SHORT_WAIT_SEC + self._scarcity(pool) * binding.prefix / (self.meter.burn_rate or INFINITE)
        if waited + closed > worth:
            return ""
        return f"back in {closed:.0f} s, its cache of {binding.prefix // 1000}k tokens is worth {worth:.0f} s"

    def gate(self, pool: Pool, ask: Ask, account: Account, ahead: int, waited: float) -> str:
        if not self.gated or waited >= ask.hold or self.meter.active(account, pool.now) == 0:
            return ""
        runway = self._offer(account, pool.now, ahead).runway
        if runway >= GATE_SEC:
            return ""
        return f"{account.name} carries one more for {runway / 60:.0f} min only, {ahead} ahead"

    # --- prices -------------------------------------------------------------------------------

    def _offer(self, account: Account, now: float, ahead: int = 0, plenty: float = INFINITE) -> _Offer:
        active = self.meter.active(account, now)
        share = min(plenty, self._week_share(account, now), self._five_share(account, now))
        return _Offer(share, active, self._runway(account, active + ahead + 1, now))

    def _week_share(self, account: Account, now: float) -> float:
        window = account.windows.get("7d", now)
        until = window.resets_at if window.resets_at is not None else now + 7 * 24 * HOUR
        left = (self.meter.week(account) or 1.0) * max(0.0, 1.0 - (window.utilization or 0.0))
        return left / max(1e-9, self.meter.demand.expected(now, until))

    def _five_share(self, account: Account, now: float) -> float:
        window = account.windows.get("5h", now)
        size = self.meter.five(account) or WEEKS_IN_5H
        until = window.resets_at if window.resets_at is not None else now + 5 * HOUR
        left = size * max(0.0, 1.0 - (window.utilization or 0.0))
        return left / max(1e-9, self.meter.demand.expected(now, max(until, now + HALF_HOUR)))

    def _runway(self, account: Account, active: int, now: float) -> float:
        """Seconds until a window is used up by so many conversations; a window that resets first never is."""
        rate = self.meter.burn_rate
        shortest = INFINITE
        for axis, size in (("5h", self.meter.five(account)), ("7d", self.meter.week(account))):
            window = account.windows.get(axis, now)
            if rate is None or size is None or window.utilization is None or window.resets_at is None:
                continue
            runs = size * max(0.0, 1.0 - window.utilization) / (active * rate)
            if now + runs < window.resets_at:
                shortest = min(shortest, runs)
        return shortest

    def _plenty(self, pool: Pool) -> float:
        """The share above which more is no better: in plenty what counts is few conversations each."""
        scarcity = self._scarcity(pool)
        if scarcity >= 1.0 or not self.meter.demand.is_known:
            return INFINITE
        return PLENTY / len(pool.accounts) / (1.0 - scarcity)

    def _scarcity(self, pool: Pool) -> float:
        """0 while there is enough for everybody, 1 when every token is wanted."""
        if any(self.meter.week(a) is None for a in pool.accounts):
            return 0.0
        supply = sum(min(self._week_share(a, pool.now), self._five_share(a, pool.now)) for a in pool.accounts)
        return min(1.0, max(0.0, (1.0 / max(supply, 1e-9) - 0.7) / 0.3))

    # --- learning -----------------------------------------------------------------------------

    def served(self, accounts: Sequence[Account], account: Account, served: Served, now: float) -> None:
        self.meter.served(accounts, account, served, now)

    def stored(self) -> dict[str, Any]:
        return self.meter.stored()

    def restore(self, saved: Saved, keys: Mapping[str, str]) -> None:
        self.meter.restore(saved, keys)


def _words(offer: _Offer) -> str:
    runway = "" if offer.runway == INFINITE else f", lasts {offer.runway / 60:.0f} min"
    return f"{offer.active} active{runway}"
