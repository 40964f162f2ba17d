"""The policy `price`: work goes where quota is most plentiful against what will be wanted of it.

The price of an account's tokens is their scarcity: what is left of its windows against the demand expected
until they reset.  Before anything is learned the demand is a straight week; the week's busy and quiet hours,
once learned, bend it into the team's own calendar.

1. A cold conversation goes to the account with the best share per active conversation.  The share is reduced
   where a window would soon run out under it.
2. A warm conversation stays.  When its account closes it waits, if that is cheaper than writing its cache
   anew.
3. A cold conversation enters an account only while the account's windows can carry it for a while; otherwise
   it waits its turn.  Without that gate all conversations that waited for a window enter at once, use it up
   by writing their caches anew, and these expire before the next window opens.
4. Candidates are sorted by their best-case cost.  Runway and free slots, which only make a candidate worse,
   are computed in that order until the rest cannot win.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, Optional

from ..quota.lenient_json import LenientObject
from ..quota.rules import Rules
from ..quota.usage import Usage
from ..state.account import Account
from ..state.conversations import Binding
from ..state.decision import NEVER, Exclusion, LazyExclusions, RoutingRequest
from .base import Placement, Policy, Pool
from .price_estimates import WEEKS_IN_5H, InflightLimits, PriceEstimates

__all__ = ["PricePolicy", "QuotaOutlook", "Tuning"]

INFINITE = float("inf")
HALF_HOUR, HOUR = 1800.0, 3600.0
# A response makes the outlook be computed anew at once, time alone so seldom.
OUTLOOK_SEC = 5.0
EPSILON = 1e-9
_WORST = (True, INFINITE, 0, 0.0, "")


class Tuning(NamedTuple):
    """The values chosen in the lab; other values show there what each part is worth."""

    # A window must carry a cold conversation for so long, for each one active there or held before it.
    gate_sec: float = 2700.0
    longest_gate_sec: float = 10800.0  # upper limit of that product
    long_run_sec: float = 7200.0  # a runway as long as this is as good as any
    home_bonus: float = 2.0  # part of its cache may live on
    share_cap_factor: float = 2.0  # equal parts of the demand; in plenty a larger share is no better
    short_wait_sec: float = 15.0  # always worth it
    token_price: float = 1.0  # of rewriting a cache when tokens are scarce; 0: never wait for it
    scarce_from: float = 0.9  # demand against supply from which tokens have a price
    full: float = 1.005  # headers round to 0.01: the API itself says when a window is full


DEFAULT_TUNING = Tuning()


class QuotaOutlook(NamedTuple):
    """What is left of an account's windows at an instant."""

    at: float
    share: float  # against what the pool is expected to want of it
    windows: tuple[tuple[float, float], ...]  # tokens left, reset; of windows that may end before it

    def runway(self, active: int, rate: Optional[float], now: float) -> float:
        """Return the seconds until `active` conversations use a window up.

        A window that resets earlier is never used up.
        """
        shortest = INFINITE
        if rate is not None:
            for left, resets_at in self.windows:
                runs = left / (active * rate)
                if runs < shortest and now + runs < resets_at:
                    shortest = runs
        return shortest

    def describe(self, active: int, rate: Optional[float], now: float) -> str:
        """Say how crowded the account is, and how long a window lasts with one conversation more."""
        conversations = "1 conversation active" if active == 1 else f"{active} conversations active"
        runway = self.runway(active + 1, rate, now)
        if runway == INFINITE:
            return conversations
        minutes = runway / 60
        lasts = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
        return f"{conversations}, lasts {lasts}"


# Best-case cost (less than 0: the share for each active conversation, with one more), in flight, last picked,
# name, generation (no two are equal: a comparison ends here); then account, outlook, active conversations.
_Candidate = tuple[float, int, float, str, int, Account, QuotaOutlook, int]


class PricePolicy(Policy):
    """Quota by its scarcity, with a gate for cold conversations."""

    name = "price"

    def __init__(self, tuning: Tuning = DEFAULT_TUNING) -> None:
        self._tuning = tuning
        self.estimates = PriceEstimates()
        self._inflight_limits = InflightLimits()
        self._outlooks: dict[str, QuotaOutlook] = {}
        self._known_scarcity = (NEVER, 0, 0.0)  # when, of how many accounts, how much

    def adapt_rules(self, rules: Rules) -> Rules:
        """Use windows to their end, unless a switchThreshold is configured."""
        return rules.with_own(switch_threshold=self._tuning.full)

    # --- the questions ------------------------------------------------------------------------

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account with the lowest cost; a free slot comes first."""
        now, rate, long_run = pool.now, self.estimates.burn_rate, self._tuning.long_run_sec
        candidates = self._candidates(pool, request.conversation, home)
        best, lowest = candidates[0], _WORST
        for candidate in candidates:
            if lowest < (False, *candidate[:4]):
                break  # sorted by best-case cost: the rest cannot win
            cost, inflight, last_picked, name, _, account, outlook, active = candidate
            runway = outlook.runway(active + 1, rate, now)
            if runway < long_run:
                cost *= runway / long_run
            full = not pool.has_slot(account)
            order = (full, cost, inflight, last_picked, name)
            if order < lowest:
                best, lowest = candidate, order
        chosen, outlook, active = best[5:]
        others = partial(_exclusions_of_others, pool.accounts, candidates, chosen, rate, now)
        return Placement(chosen, LazyExclusions(others), outlook.describe(active, rate, now))

    def inflight_limit(self, rules: Rules, account: Account, now: float) -> int:
        """Return the limit learned from bare 429s, or `maxInflightPerAccount`."""
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
        """Let a conversation wait where that is cheaper than writing its prompt cache anew."""
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
        """Hold a cold conversation while the account's windows cannot carry it for long enough."""
        if waited >= request.hold_sec:
            return ""
        estimates, now = self.estimates, pool.now
        others = estimates.active_count(account, now, but=request.conversation)
        if others == 0:
            return ""
        outlook = self._account_outlook(account, now)
        runway = outlook.runway(others + ahead + 1, estimates.burn_rate, now)
        if runway >= min(self._tuning.longest_gate_sec, self._tuning.gate_sec * (others + ahead)):
            return ""
        return f"{account.name} carries one more for {runway / 60:.0f} min only, {ahead} ahead"

    # --- prices -------------------------------------------------------------------------------

    def _candidates(
        self, pool: Pool, conversation: Optional[str], home: Optional[Account]
    ) -> list[_Candidate]:
        """Return the accounts of the pool by their best-case cost for this conversation."""
        now, share_cap, active_count = pool.now, self._share_cap(pool), self.estimates.active_count
        candidates = []
        for account in pool.accounts:
            outlook = self._account_outlook(account, now)
            active = active_count(account, now, conversation)
            share = outlook.share if outlook.share < share_cap else share_cap
            cost = -share / (active + 1)
            if account is home:
                cost *= self._tuning.home_bonus
            candidates.append(
                (
                    cost,
                    account.inflight,
                    account.last_picked,
                    account.spec.name,
                    account.generation,
                    account,
                    outlook,
                    active,
                )
            )
        candidates.sort()
        return candidates

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
        """Return the share above which more is no better: in plenty few conversations each count more."""
        scarcity = self._scarcity(pool)
        if scarcity >= 1.0 or not self.estimates.demand.is_known:
            return INFINITE
        return self._tuning.share_cap_factor / len(pool.accounts) / (1.0 - scarcity)

    def _scarcity(self, pool: Pool) -> float:
        """Return 0 while there is enough for everybody, 1 when every token is wanted."""
        at, count, scarcity = self._known_scarcity
        if count != len(pool.accounts) or not 0.0 <= pool.now - at < OUTLOOK_SEC:
            scarcity = self._compute_scarcity(pool)
            self._known_scarcity = (pool.now, len(pool.accounts), scarcity)
        return scarcity

    def _compute_scarcity(self, pool: Pool) -> float:
        # Monday and Tuesday say little of a week: from them alone demand looks like too much for everybody.
        estimates = self.estimates
        if not estimates.demand.is_known or any(estimates.week_tokens(a) is None for a in pool.accounts):
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
        """Learn from a response; the account's outlook is computed anew with the next placement."""
        self.estimates.record_response(accounts, account, conversation, usage, now)
        self._outlooks.pop(account.key, None)

    def record_bare_429(self, account: Account, now: float) -> None:
        """Lower the account's in-flight limit below the requests it has in flight."""
        self._inflight_limits.record_bare_429(account, now)

    def to_json(self) -> dict[str, Any]:
        """Return the estimates; learned in-flight limits do not survive a restart."""
        return self.estimates.to_json()

    def restore(self, saved: LenientObject, keys: Mapping[str, str]) -> None:
        """Take back the estimates."""
        self.estimates.restore(saved)


def _unused_share(used: Optional[float]) -> float:
    """Return what is left of a window (0-1); all of it while nothing is known."""
    return 1.0 - min(1.0, used or 0.0)


def _exclusions_of_others(
    accounts: Sequence[Account],
    candidates: Iterable[_Candidate],
    chosen: Account,
    rate: Optional[float],
    now: float,
) -> Iterator[Exclusion]:
    by_account = {candidate[5]: candidate[6:] for candidate in candidates}
    for account in accounts:
        if account is not chosen:
            outlook, active = by_account[account]
            yield Exclusion(account.key, "less quota left", outlook.describe(active, rate, now))
