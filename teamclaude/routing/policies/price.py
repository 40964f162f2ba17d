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

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from heapq import merge
from typing import Any, NamedTuple, Optional

from ..quota.lenient_json import LenientObject
from ..quota.rules import Rules
from ..quota.usage import Usage
from ..state.account import Account
from ..state.binding import Binding
from ..state.decision import NEVER, Exclusion, LazyExclusions, RoutingRequest
from ..state.inflight_limit import InflightLimits
from .base import BasePolicy, Placement, Pool
from .price_estimates import WEEKS_IN_5H, PriceEstimates
from .price_ranking import INFINITE, Candidate, QuotaOutlook, Ranking

__all__ = ["PricePolicy", "Tuning"]

HALF_HOUR, HOUR = 1800.0, 3600.0
# What time alone changes is worked out anew so seldom; an answer of the account does it at once.
OUTLOOK_SEC = 5.0
EARLIEST_NEWS_SEC = OUTLOOK_SEC - 1e-6  # early by more than the sum of such times is rounded
EPSILON = 1e-9
_WORST = (True, INFINITE, 0, 0.0, "")


class Tuning(NamedTuple):
    """What the lab chose; other values are for trying there what each part is worth."""

    # A window must carry a cold conversation for so long, for each one that is active there or ahead of it
    gate_sec: float = 2700.0
    longest_gate_sec: float = 10800.0  # and never for longer than this
    long_run_sec: float = 7200.0  # a runway as long as this is as good as any
    home_bonus: float = 2.0  # part of its cache may live on
    share_cap_factor: float = (
        2.0  # equal parts of the demand: in plenty, who could carry more is no better for it
    )
    short_wait_sec: float = 15.0  # always worth it
    token_price: float = 1.0  # of rewriting a cache when tokens are scarce; 0: never wait for it
    scarce_from: float = 0.9  # demand against supply from which tokens have a price
    full: float = 1.005  # headers round to 0.01: the API itself says when a window is full


DEFAULT_TUNING = Tuning()


class PricePolicy(BasePolicy):
    """Quota by its scarcity, with a gate for cold conversations."""

    name = "price"

    def __init__(self, tuning: Tuning = DEFAULT_TUNING) -> None:
        self._tuning = tuning
        self.estimates = PriceEstimates()
        self._inflight_limits = InflightLimits()
        self._outlooks: dict[str, QuotaOutlook] = {}
        self._known_scarcity = (NEVER, 0, 0.0)  # when, of how many accounts, how much
        self._ranking = Ranking()
        self._ranked: tuple[Sequence[Account], float, float] = ((), 0.0, 0.0)  # whom, at what plenty, when
        self._dirty: set[Account] = set()  # their offers may have become better since

    def adapt_rules(self, rules: Rules) -> Rules:
        """Use windows to their end, unless a switchThreshold is configured."""
        return rules.with_own(switch_threshold=self._tuning.full)

    # --- the questions ------------------------------------------------------------------------

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        now, rate = pool.now, self.estimates.burn_rate
        long_run, rules = self._tuning.long_run_sec, pool.rules
        plenty = self._share_cap(pool)
        offers = self._rank(pool, plenty).candidates
        own = self._candidates_for_known(request.conversation, home, plenty, now)
        best, first = offers[0], _WORST
        for offer in merge(sorted(own.values()), offers) if own else offers:
            if first < (False, *offer[:4]):
                break  # it is filed at its best, and so are all that follow
            account = offer.account
            runway = offer.outlook.runway(offer.active + 1, rate, now)
            cost = offer.cost * (runway / long_run) if runway < long_run else offer.cost
            full = self.free_slots(rules, account, now, 0.0) <= 0
            order = (full, cost, account.inflight, account.last_picked, account.name)
            if order < first:
                best, first = offer, order
            if account.last_picked != offer.last_picked:
                self._dirty.add(account)
        told = partial(_exclusions_of_others, pool.accounts, offers.copy(), own, best.account, rate, now)
        return Placement(best.account, LazyExclusions(told), best.describe(rate, now))

    def inflight_limit(self, rules: Rules, account: Account, now: float) -> int:
        return self._inflight_limits.limit(account, rules.max_inflight_per_account, now)

    def wait_reason(
        self,
        pool: Pool,
        request: RoutingRequest,
        binding: Binding,
        home: Account,
        until: float,
        waited: float,
    ) -> str:
        closed = until - pool.now
        if waited + closed > request.hold_sec or closed > binding.warm_until(pool.rules) - pool.now:
            return ""
        price = self._tuning.token_price * self._scarcity(pool)
        worth = self._tuning.short_wait_sec + price * binding.prefix / (self.estimates.burn_rate or INFINITE)
        if waited + closed > worth:
            return ""
        return f"back in {closed:.0f} s, its cache of {binding.prefix // 1000}k tokens is worth {worth:.0f} s"

    def gate_reason(
        self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float
    ) -> str:
        if waited >= request.hold_sec:
            return ""
        meter, now = self.estimates, pool.now
        others = meter.active_count(account, now, but=request.conversation)
        if others == 0:
            return ""
        runway = self._account_outlook(account, now).runway(others + ahead + 1, meter.burn_rate, now)
        if runway >= min(self._tuning.longest_gate_sec, self._tuning.gate_sec * (others + ahead)):
            return ""
        return f"{account.name} carries one more for {runway / 60:.0f} min only, {ahead} ahead"

    # --- offers -------------------------------------------------------------------------------

    def _rank(self, pool: Pool, plenty: float) -> Ranking:
        """The accounts of the pool in the order in which a conversation that knows none would take them."""
        now, accounts, ranking = pool.now, pool.accounts, self._ranking
        whom, at_plenty, when = self._ranked
        stirred = self._dirty
        stirred.update(ranking.due(now))
        same = (whom is accounts or whom == accounts) and at_plenty == plenty and when <= now
        if same and 2 * len(stirred) <= len(accounts):
            for account in stirred:
                if account in ranking:
                    ranking.replace(self._candidate(account, plenty, now))
        else:
            ranking = self._ranking = Ranking(self._candidate(account, plenty, now) for account in accounts)
        stirred.clear()
        self._ranked = (accounts, plenty, now)
        return ranking

    def _candidates_for_known(
        self, requester: Optional[str], home: Optional[Account], plenty: float, now: float
    ) -> dict[Account, Candidate]:
        """What accounts offer to a conversation that was there before: it is not in its own way."""
        hosts = self.estimates.accounts_of(requester)
        if home is not None:
            hosts = {home, *hosts}
        own = {a: self._candidate(a, plenty, now, but=requester) for a in hosts if a in self._ranking}
        if home in own:
            own[home] = own[home]._replace(cost=own[home].cost * self._tuning.home_bonus)
        return own

    def _candidate(self, account: Account, plenty: float, now: float, but: Optional[str] = None) -> Candidate:
        standing = self._account_outlook(account, now)
        active, until = self.estimates.active_until(account, now, but)
        share = standing.share if standing.share < plenty else plenty
        return Candidate(
            -share / (active + 1),
            account.inflight,
            account.last_picked,
            account.spec.name,
            account.generation,
            min(standing.at + EARLIEST_NEWS_SEC, until),
            account,
            standing,
            active,
        )

    # --- prices -------------------------------------------------------------------------------

    def _account_outlook(self, account: Account, now: float) -> QuotaOutlook:
        key = account.spec.key
        known = self._outlooks.get(key)
        if known is None or not 0.0 <= now - known.at < OUTLOOK_SEC:
            known = self._outlooks[key] = self._compute_outlook(account, now)
        return known

    def _compute_outlook(self, account: Account, now: float) -> QuotaOutlook:
        size_5h, size_7d = self.estimates.window_sizes(account)
        used_5h, ends_5h, _, _ = account.windows.get("5h", now)
        used_7d, ends_7d, _, _ = account.windows.get("7d", now)
        left_5h, left_7d = _unused_share(used_5h), _unused_share(used_7d)
        wanted = self.estimates.demand.expected
        until = now + 5 * HOUR if ends_5h is None else max(ends_5h, now + HALF_HOUR)
        share_5h = left_5h * (size_5h or WEEKS_IN_5H) / max(wanted(now, until), EPSILON)
        until = now + 7 * 24 * HOUR if ends_7d is None else ends_7d
        share_7d = left_7d * (size_7d or 1.0) / max(wanted(now, until), EPSILON)
        ending = []
        if size_5h is not None and used_5h is not None and ends_5h is not None:
            ending.append((left_5h * size_5h, ends_5h))
        if size_7d is not None and used_7d is not None and ends_7d is not None:
            ending.append((left_7d * size_7d, ends_7d))
        return QuotaOutlook(now, min(share_5h, share_7d), tuple(ending))

    def _share_cap(self, pool: Pool) -> float:
        """The share above which more is no better: in plenty what counts is few conversations each."""
        scarcity = self._scarcity(pool)
        if scarcity >= 1.0 or not self.estimates.demand.is_known:
            return INFINITE
        return self._tuning.share_cap_factor / len(pool.accounts) / (1.0 - scarcity)

    def _scarcity(self, pool: Pool) -> float:
        """0 while there is enough for everybody, 1 when every token is wanted."""
        at, count, scarcity = self._known_scarcity
        if count != len(pool.accounts) or not 0.0 <= pool.now - at < OUTLOOK_SEC:
            scarcity = self._compute_scarcity(pool)
            self._known_scarcity = (pool.now, len(pool.accounts), scarcity)
        return scarcity

    def _compute_scarcity(self, pool: Pool) -> float:
        # Monday and Tuesday say little of a week: from them alone demand looks like too much for everybody.
        if not self.estimates.demand.is_known or any(
            self.estimates.week_tokens(a) is None for a in pool.accounts
        ):
            return 0.0
        supply = sum(self._account_outlook(account, pool.now).share for account in pool.accounts)
        low = self._tuning.scarce_from
        return min(1.0, max(0.0, (1.0 / max(supply, EPSILON) - low) / (1.0 - low)))

    # --- learning -----------------------------------------------------------------------------

    def record_response(
        self,
        accounts: Iterable[Account],
        account: Account,
        conversation: Optional[str],
        usage: Usage,
        now: float,
    ) -> None:
        self.estimates.record_response(accounts, account, conversation, usage, now)
        self._outlooks.pop(account.key, None)

    def request_ended(self, account: Account) -> None:
        self._dirty.add(account)

    def record_bare_429(self, account: Account, now: float) -> None:
        self._inflight_limits.record_bare_429(account, now)

    def to_json(self) -> dict[str, Any]:
        return self.estimates.to_json()

    def restore(self, saved: LenientObject, keys: Mapping[str, str]) -> None:
        self.estimates.restore(saved, keys)
        self._ranked = ((), 0.0, 0.0)


def _unused_share(used: Optional[float]) -> float:
    """Of a window; all of it while nothing is known."""
    return 1.0 - min(1.0, used or 0.0)


def _exclusions_of_others(
    accounts: Sequence[Account],
    offers: Iterable[Candidate],
    own: Mapping[Account, Candidate],
    chosen: Account,
    rate: Optional[float],
    now: float,
) -> Iterator[Exclusion]:
    by_account = {**{offer.account: offer for offer in offers}, **own}
    for account in accounts:
        if account is not chosen:
            yield Exclusion(account.key, "less plentiful", by_account[account].describe(rate, now))
