"""The policy `price`: work goes where quota is most plentiful against what will be wanted of it.

The price of an account's tokens is their scarcity: what is left of its windows against the demand expected
until they reset.  Before anything is learned the demand is a straight week; the week's busy and quiet hours,
once learned, bend it into the team's own calendar.

1. A cold conversation goes to the account with the best share per active conversation.  The share is reduced
   where a window would soon run out under it.
2. A warm conversation stays.  When its account closes it waits, if that is cheaper than writing its cache
   anew.
3. A cold conversation enters an account where others are active only if the account's windows then last
   until they are reset, or until these conversations have ended, its entry included; otherwise it waits its
   turn.  Without that gate all conversations that waited for a window enter at once, use it up by writing
   their caches anew, and these expire before the next window opens.
4. Candidates are sorted by their best-case cost.  Runway and free slots, which only make a candidate worse,
   are computed in that order until the rest cannot win.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Optional

from ...values import NamedTuple
from ..quota.lenient_json import LenientObject
from ..quota.rules import Rules
from ..quota.usage import Usage
from ..state.account import Account
from ..state.conversations import Binding
from ..state.decision import Exclusion, LazyExclusions, RoutingRequest
from ..user_rules.week_hours import Calendar
from .base import Placement, Policy, Pool
from .conversation_use import ConversationUse
from .inflight_limits import InflightLimits
from .price_estimates import PriceEstimates
from .quota_outlook import INFINITE, QuotaOutlook, QuotaOutlooks

__all__ = ["PricePolicy", "Tuning"]

USUAL_BURN = 50.0  # tokens a second of an active conversation, until learned
_WORST = (True, INFINITE, 0, 0.0, "")


class Tuning(NamedTuple):
    """The values chosen in the lab; other values show there what each part is worth."""

    # A window must carry a cold conversation for so long, for each one active there or held before it.  One
    # that is reset earlier need not last longer, so that with these values it has to last to its reset.
    gate_sec: float = 18000.0
    longest_gate_sec: float = 18000.0  # upper limit of that product
    idle_gate_sec: float = 600.0  # where nobody is active; 0: such an account takes anybody
    counts_entry: bool = True  # what it costs to write the caches of those that enter
    counts_inflight: bool = True  # requests in flight as active, whose first response is still to come
    counts_admitted: bool = True  # conversations as active from when they are given the account
    long_run_sec: float = 7200.0  # a runway as long as this is as good as any
    home_bonus: float = 2.0  # part of its cache may live on
    share_cap_factor: float = 2.0  # equal parts of the demand; in plenty a larger share is no better
    short_wait_sec: float = 15.0  # always worth it
    token_price: float = 1.0  # of rewriting a cache when tokens are scarce; 0: never wait for it
    scarce_from: float = 0.9  # demand against supply from which tokens have a price
    day_spread: float = 0.4  # by which a day's demand may fall short of what is expected; 0: none does
    longest_slot_wait_sec: float = 120.0  # for a slot where the cache is; 0: as under every policy
    agents_wait: bool = True  # sub-agents let those go first that have waited longer
    place_life_sec: float = 7200.0  # of the place at the gate, while the client is away
    expects_ends: bool = True  # conversations use what others did before they ended; else they go on
    own_time: bool = True  # burn over the time between a conversation's responses alone
    full: float = 1.005  # headers round to 0.01: the API itself says when a window is full


DEFAULT_TUNING = Tuning()


# Best-case cost (less than 0: the share for each active conversation, with one more), in flight, last picked,
# name, generation (no two are equal: a comparison ends here); then account, outlook, active conversations.
_Candidate = tuple[float, int, float, str, int, Account, QuotaOutlook, int]


class PricePolicy(Policy):
    """Quota by its scarcity, with a gate for cold conversations."""

    name = "price"

    def __init__(self, tuning: Tuning = DEFAULT_TUNING) -> None:
        self._tuning = tuning
        self.place_life_sec = tuning.place_life_sec
        self.estimates = PriceEstimates(tuning.own_time, tuning.expects_ends)
        self._inflight_limits = InflightLimits()
        self._outlooks = QuotaOutlooks(self.estimates, tuning.scarce_from, tuning.day_spread)

    def adapt_rules(self, rules: Rules) -> Rules:
        """Use windows to their end, unless a switchThreshold is configured."""
        return rules.with_own(switch_threshold=self._tuning.full)

    # --- the questions ------------------------------------------------------------------------

    def place(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Placement:
        """Take the account with the lowest cost; a free slot comes first."""
        now, use = pool.now, self.estimates.use_while_active
        candidates = self._candidates(pool, request, home)
        chosen, outlook, active = self._best(pool, candidates, use)[5:]
        others = partial(_exclusions_of_others, pool.accounts, candidates, chosen, use, now)
        return Placement(chosen, LazyExclusions(others), outlook.describe(active, use, now))

    def choose(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> Account:
        """Return the account of `place`."""
        return self._best(pool, self._candidates(pool, request, home), self.estimates.use_while_active)[5]

    def _best(
        self, pool: Pool, candidates: Sequence[_Candidate], use: Optional[ConversationUse]
    ) -> _Candidate:
        now, long_run = pool.now, self._tuning.long_run_sec
        best, lowest = candidates[0], _WORST
        for candidate in candidates:
            if lowest < (False, *candidate[:4]):
                break  # sorted by best-case cost: the rest cannot win
            cost, inflight, last_picked, name, _, account, outlook, active = candidate
            runway = outlook.runway(active + 1, use, now)
            if runway < long_run:
                cost *= runway / long_run
            full = not pool.has_slot(account)
            order = (full, cost, inflight, last_picked, name)
            if order < lowest:
                best, lowest = candidate, order
        return best

    def inflight_limit(self, rules: Rules, account: Account, now: float) -> int:
        """Return the limit learned from bare 429s, or `maxInflightPerAccount`."""
        most, limits = rules.max_inflight_per_account, self._inflight_limits
        return limits.limit(account, most, now) if limits.learned or not account.proven else most

    def slot_wait_sec(self, rules: Rules, binding: Binding) -> float:
        """Let a conversation wait for a slot as long as its cache is worth, unless `slotWaitSec` is set."""
        if rules.slot_wait_sec is not None:
            return rules.slot_wait
        worth = binding.prefix / (self.estimates.burn_rate or USUAL_BURN)
        return max(rules.slot_wait, min(self._tuning.longest_slot_wait_sec, worth))

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
        price = self._tuning.token_price * self._scarcity(pool, request.model)
        worth = self._tuning.short_wait_sec + price * binding.prefix / (self.estimates.burn_rate or INFINITE)
        if waited + closed > worth:
            return ""
        return f"back in {closed:.0f} s, its cache of {binding.prefix // 1000}k tokens is worth {worth:.0f} s"

    def gate_reason(
        self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float
    ) -> str:
        """Hold a cold conversation while the account's windows cannot carry it for long enough."""
        ahead, runway, needed = self._room(request, account, ahead, pool.now)
        if runway >= needed or waited >= request.hold_sec:
            return ""
        return f"{account.name} carries one more for {runway / 60:.0f} min only, {ahead} ahead"

    def holds(self, pool: Pool, request: RoutingRequest, account: Account, ahead: int, waited: float) -> bool:
        """Return whether `gate_reason` has one."""
        _, runway, needed = self._room(request, account, ahead, pool.now)
        return runway < needed and waited < request.hold_sec

    def _room(
        self, request: RoutingRequest, account: Account, ahead: int, now: float
    ) -> tuple[int, float, float]:
        """Return those ahead that count, the account's runway with them and one more, and what it takes."""
        ahead = ahead if self._tuning.agents_wait or request.agent is None else 0
        tuning, estimates = self._tuning, self.estimates
        others = estimates.active_count(account, now, but=request.conversation)
        if tuning.counts_inflight:
            others = max(others, account.inflight)
        if others == 0:
            ahead, needed = 0, tuning.idle_gate_sec  # whoever is first may be unable to use it
            use = estimates.use_while_active
        else:
            needed = min(tuning.longest_gate_sec, tuning.gate_sec * (others + ahead))
            use = estimates.use_until_end
        entries = (1 + ahead) * estimates.entry_tokens if tuning.counts_entry else 0.0
        outlook = self._outlooks.of(account, request.model, now)
        return ahead, outlook.runway(others + ahead + 1, use, now, entries), needed

    def knows(self, conversation: str, now: float) -> bool:
        """Return whether it was active lately."""
        return self.estimates.is_active(conversation, now)

    # --- prices -------------------------------------------------------------------------------

    def _candidates(self, pool: Pool, request: RoutingRequest, home: Optional[Account]) -> list[_Candidate]:
        """Return the accounts of the pool by their best-case cost for this conversation."""
        now, model, conversation = pool.now, request.model, request.conversation
        share_cap, accounts = self._share_cap(pool, model), pool.accounts
        # All at once: with a call each, the decision for a new conversation on 16 accounts took 4 us longer.
        outlooks = self._outlooks.of_all(accounts, model, now)
        active_counts = self.estimates.active_counts(accounts, now, conversation)
        candidates = []
        for account, outlook, active in zip(accounts, outlooks, active_counts):
            share = outlook.share
            cost = -(share if share < share_cap else share_cap) / (active + 1)
            if account is home:
                cost *= self._tuning.home_bonus
            others = account.inflight, account.last_picked, account.name, account.generation
            candidates.append((cost, *others, account, outlook, active))
        candidates.sort()
        return candidates

    def _share_cap(self, pool: Pool, model: Optional[str]) -> float:
        """Return the share above which more is no better: in plenty few conversations each count more."""
        scarcity = self._scarcity(pool, model)
        if scarcity >= 1.0 or not self.estimates.demand.is_known:
            return INFINITE
        return self._tuning.share_cap_factor / len(pool.accounts) / (1.0 - scarcity)

    def _scarcity(self, pool: Pool, model: Optional[str]) -> float:
        """Return 0 while there is enough for everybody, 1 when every token is wanted."""
        return self._outlooks.scarcity(pool.accounts, model, pool.now)

    # --- learning -----------------------------------------------------------------------------

    def record_entry(self, account: Account, conversation: str, now: float) -> None:
        """Count the conversation as active before its first response: others may ask for room meanwhile."""
        if self._tuning.counts_admitted:
            self.estimates.record_entry(account, conversation, now)

    def record_response(
        self,
        accounts: Iterable[Account],
        account: Account,
        conversation: Optional[str],
        usage: Usage,
        now: float,
        model: Optional[str] = None,
    ) -> None:
        """Learn from a response; the account's outlook is computed anew with the next placement."""
        self.estimates.record_response(accounts, account, conversation, usage, now, model)
        self._outlooks.known.pop(account.key, None)

    def record_bare_429(self, account: Account, now: float) -> None:
        """Lower the account's in-flight limit below the requests it has in flight."""
        self._inflight_limits.record_bare_429(account, now)

    def use_calendar(self, calendar: Calendar) -> None:
        """Tell weekends by this calendar."""
        self.estimates.demand.use_calendar(calendar)

    def to_json(self) -> dict[str, Any]:
        """Return the estimates; learned in-flight limits do not survive a restart."""
        return self.estimates.to_json()

    def restore(self, saved: LenientObject, keys: Mapping[str, str]) -> None:
        """Take back the estimates."""
        self.estimates.restore(saved)


def _exclusions_of_others(
    accounts: Sequence[Account],
    candidates: Iterable[_Candidate],
    chosen: Account,
    use: Optional[ConversationUse],
    now: float,
) -> Iterator[Exclusion]:
    by_account = {candidate[5]: candidate[6:] for candidate in candidates}
    for account in accounts:
        if account is not chosen:
            outlook, active = by_account[account]
            yield Exclusion(account.key, "less quota left", outlook.describe(active, use, now))
