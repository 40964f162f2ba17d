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

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, Optional

from .account import Account
from .binding import Binding
from .decision import NEVER, Ask, Exclusion
from .meter import WEEKS_IN_5H, Meter
from .policy import Placement, Plain, Pool, Served
from .rules import Rules
from .saved import Saved
from .slots import Slots

__all__ = ["PricePolicy", "Tuning"]

INFINITE = float("inf")
HALF_HOUR, HOUR = 1800.0, 3600.0
# What time alone changes is worked out anew so seldom; an answer of the account does it at once.
STANDING_SEC = 5.0


class Tuning(NamedTuple):
    """What the lab chose; other values are for trying there what each part is worth."""

    # A window must carry a cold conversation for so long, for each one that is active there or ahead of it
    gate_sec: float = 2700.0
    longest_gate_sec: float = 10800.0  # and never for longer than this
    long_run_sec: float = 7200.0  # a runway as long as this is as good as any
    home_bonus: float = 2.0  # part of its cache may live on
    plenty: float = 2.0  # equal parts of the demand: in plenty, who could carry more is no better for it
    short_wait_sec: float = 15.0  # always worth it
    token_price: float = 1.0  # of rewriting a cache when tokens are scarce; 0: never wait for it
    scarce_from: float = 0.9  # demand against supply from which tokens have a price
    full: float = 1.005  # headers round to 0.01: the API itself says when a window is full


CHOSEN = Tuning()


class _Standing(NamedTuple):
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


class _Offer(NamedTuple):
    """One account as a place for a cold conversation."""

    account: Account
    order: tuple[bool, float, int, float, str]  # the smallest is the best
    active: int
    runway: float  # seconds until a window runs out with one more conversation


class PricePolicy(Plain):
    """Quota by its scarcity, with a gate for cold conversations."""

    name = "price"

    def __init__(self, tuning: Tuning = CHOSEN) -> None:
        self._tuning = tuning
        self.meter = Meter()
        self._slots = Slots()
        self._standings: dict[str, _Standing] = {}
        self._scarce = (NEVER, 0, 0.0)  # when, of how many accounts, how much

    def adapt(self, rules: Rules) -> Rules:
        """Use windows to their end, unless a lower switchThreshold is configured."""
        if rules.switch_threshold != Rules().switch_threshold:
            return rules
        return replace(rules, switch_threshold=self._tuning.full)

    # --- the questions ------------------------------------------------------------------------

    def place(self, pool: Pool, ask: Ask, home: Optional[Account]) -> Placement:
        now, accounts, asking = pool.now, pool.accounts, ask.conversation
        plenty, rate = self._plenty(pool), self.meter.burn_rate
        long_run, most = self._tuning.long_run_sec, pool.rules.max_inflight_per_account
        slots = self._slots.limit
        offers: list[_Offer] = []
        best: Optional[_Offer] = None
        for account in accounts:
            standing = self._standing(account, now)
            active = self.meter.active(account, now, but=asking)
            runway = standing.runway(active + 1, rate, now) if standing.windows else INFINITE
            value = (standing.share if standing.share < plenty else plenty) / (active + 1)
            if runway < long_run:
                value *= runway / long_run
            if account is home:
                value *= self._tuning.home_bonus
            full = account.inflight >= slots(account, most, now)
            order = (full, -value, account.inflight, account.last_picked, account.name)
            offer = _Offer(account, order, active, runway)
            offers.append(offer)
            if best is None or order < best.order:
                best = offer
        assert best is not None
        others = [Exclusion(o.account.key, "less plentiful", _words(o)) for o in offers if o is not best]
        return Placement(best.account, tuple(others), _words(best))

    def free_slots(self, rules: Rules, account: Account, now: float, waited: float) -> int:
        return self._slots.limit(account, rules.max_inflight_per_account, now) - account.inflight

    def await_home(
        self, pool: Pool, ask: Ask, binding: Binding, home: Account, until: float, waited: float
    ) -> str:
        closed = until - pool.now
        if waited + closed > ask.hold or closed > binding.warm_until(pool.rules) - pool.now:
            return ""
        price = self._tuning.token_price * self._scarcity(pool)
        worth = self._tuning.short_wait_sec + price * binding.prefix / (self.meter.burn_rate or INFINITE)
        if waited + closed > worth:
            return ""
        return f"back in {closed:.0f} s, its cache of {binding.prefix // 1000}k tokens is worth {worth:.0f} s"

    def gate(self, pool: Pool, ask: Ask, account: Account, ahead: int, waited: float) -> str:
        meter, now = self.meter, pool.now
        others = meter.active(account, now, but=ask.conversation)
        if waited >= ask.hold or others == 0:
            return ""
        runway = self._standing(account, now).runway(others + ahead + 1, meter.burn_rate, now)
        if runway >= min(self._tuning.longest_gate_sec, self._tuning.gate_sec * (others + ahead)):
            return ""
        return f"{account.name} carries one more for {runway / 60:.0f} min only, {ahead} ahead"

    # --- prices -------------------------------------------------------------------------------

    def _standing(self, account: Account, now: float) -> _Standing:
        known = self._standings.get(account.key)
        if known is None or not 0.0 <= now - known.at < STANDING_SEC:
            known = self._standings[account.key] = self._work_out(account, now)
        return known

    def _work_out(self, account: Account, now: float) -> _Standing:
        expected = self.meter.demand.expected
        five, week = account.windows.get("5h", now), account.windows.get("7d", now)
        five_size, week_size = self.meter.five(account), self.meter.week(account)
        five_left = 1.0 - min(1.0, five.utilization or 0.0)
        week_left = 1.0 - min(1.0, week.utilization or 0.0)
        five_ends = now + 5 * HOUR if five.resets_at is None else max(five.resets_at, now + HALF_HOUR)
        week_ends = now + 7 * 24 * HOUR if week.resets_at is None else week.resets_at
        share = min(
            week_left * (week_size or 1.0) / max(1e-9, expected(now, week_ends)),
            five_left * (five_size or WEEKS_IN_5H) / max(1e-9, expected(now, five_ends)),
        )
        ending = tuple(
            (left * size, window.resets_at)
            for left, size, window in ((five_left, five_size, five), (week_left, week_size, week))
            if size is not None and window.utilization is not None and window.resets_at is not None
        )
        return _Standing(now, share, ending)

    def _plenty(self, pool: Pool) -> float:
        """The share above which more is no better: in plenty what counts is few conversations each."""
        scarcity = self._scarcity(pool)
        if scarcity >= 1.0 or not self.meter.demand.is_known:
            return INFINITE
        return self._tuning.plenty / len(pool.accounts) / (1.0 - scarcity)

    def _scarcity(self, pool: Pool) -> float:
        """0 while there is enough for everybody, 1 when every token is wanted."""
        at, count, scarcity = self._scarce
        if count != len(pool.accounts) or not 0.0 <= pool.now - at < STANDING_SEC:
            scarcity = self._work_out_scarcity(pool)
            self._scarce = (pool.now, len(pool.accounts), scarcity)
        return scarcity

    def _work_out_scarcity(self, pool: Pool) -> float:
        # Monday and Tuesday say little of a week: from them alone demand looks like too much for everybody.
        if not self.meter.demand.is_known or any(self.meter.week(a) is None for a in pool.accounts):
            return 0.0
        supply = sum(self._standing(account, pool.now).share for account in pool.accounts)
        low = self._tuning.scarce_from
        return min(1.0, max(0.0, (1.0 / max(supply, 1e-9) - low) / (1.0 - low)))

    # --- learning -----------------------------------------------------------------------------

    def served(self, accounts: Iterable[Account], account: Account, served: Served, now: float) -> None:
        self.meter.served(accounts, account, served, now)
        self._standings.pop(account.key, None)

    def crowded(self, account: Account, now: float) -> None:
        self._slots.refused(account, now)

    def stored(self) -> dict[str, Any]:
        return self.meter.stored()

    def restore(self, saved: Saved, keys: Mapping[str, str]) -> None:
        self.meter.restore(saved, keys)


def _words(offer: _Offer) -> str:
    if offer.runway == INFINITE:
        return f"{offer.active} active"
    minutes = offer.runway / 60
    return f"{offer.active} active, lasts " + (
        f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
    )
