"""What policy `price` learns: active conversations, their burn, and the week's demand.

Tokens are burned tokens (`Usage.burn`), times are seconds.  The sizes of windows are learned with each
account (quota/learned_caps.py).  An account whose size is unknown counts as large as the others.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any, Optional

from ..quota.lenient_json import LenientObject, as_amount, as_count
from ..quota.usage import Usage
from ..state.account import Account
from ..state.expiring_set import ExpiringSet
from ..user_rules.week_hours import Calendar, utc_calendar
from .conversation_use import ConversationTotals, ConversationUse
from .family_estimates import ACTIVE_SEC, FamilyEstimates

__all__ = ["HOURS", "WEEKS_IN_5H", "DemandTable", "PriceEstimates"]

WEEKS_IN_5H = 0.125  # a 5h window as a part of a week's quota, until learned
FADE_SEC = 12 * 3600.0  # of the burn of an active conversation
LATEST_COLD, LEAST_COLD = 64, 5  # cold requests whose mean is the cost of an entry
MAX_STEP_SEC = 120.0
REFRESH_SEC = 20.0  # what needs a look at every account is computed anew so seldom
HOURS = 168
WEEKEND = (5, 6)  # days of a calendar, 0: Monday
HOUR_SEC = 3600.0
NEWEST_WEIGHT = 0.5  # of the newest week
# Of a working day's demand on a weekend that was not seen yet: without it a tenth of the quota of an account
# that is reset on the first Monday or Tuesday was left for Saturday and Sunday.
# With 0.5 three worlds did 0.4 to 0.6 points less (lab; seeds 1 to 3, seen half), with 0.1 as with 0.25.
WEEKEND_PART = 0.25


class PriceEstimates:
    """Sizes of windows, active conversations and demand, as the policy sees them.

    With `own_time` the burn of a conversation is taken over the time between its responses.  Else it is taken
    over all the time in which it counts as active: also the last ACTIVE_SEC, in which nothing comes any more.
    With `expects_ends` a conversation is expected to use what others did before they ended, else to go on.
    """

    def __init__(self, own_time: bool = True, expects_ends: bool = True) -> None:
        self._own_time = own_time
        self._expects_ends = expects_ends
        self.demand = DemandTable()
        self.tokens = 0.0  # burned by warm requests, fading
        self.seconds = 0.0  # of active conversations, fading alike
        self._cold: deque[int] = deque(maxlen=LATEST_COLD)  # burned by the latest cold requests
        self.entry_tokens = 0.0  # that a conversation burns to write its cache on an account; 0: not known
        # By account key: conversations that were served there lately, or have just been given it.
        self._active: defaultdict[str, ExpiringSet] = defaultdict(ExpiringSet)
        self._totals = ConversationTotals()
        self._last_now: Optional[float] = None
        self._mean_week: Optional[float] = None  # tokens, of the accounts that are known
        self._mean_five: Optional[float] = None
        self.families = FamilyEstimates()

    def record_response(
        self,
        accounts: Iterable[Account],
        account: Account,
        conversation: Optional[str],
        usage: Usage,
        now: float,
        model: Optional[str] = None,
    ) -> None:
        """Count one served response of `account`."""
        if self._last_now is None or not 0.0 <= now - self._last_now < REFRESH_SEC:
            self._advance(accounts, now)
        burned = usage.burn
        self.demand.add(burned, now)
        if usage.cache_read_tokens >= usage.cache_write_5m_tokens + usage.cache_write_1h_tokens:
            self.tokens += burned  # a warm request; a cold one says nothing of the usual burn
        else:
            self._record_cold([burned])
        if conversation is not None:
            self._active[account.key].set_expiry(conversation, now + ACTIVE_SEC)
            since = self._totals.record(conversation, burned, now)
            if self._own_time:
                self.seconds += since
        if model is not None and account.windows.scoped:
            self.families.record_response(account, conversation, model, burned, now)

    def record_entry(self, account: Account, conversation: str, now: float) -> None:
        """Count the conversation as active on `account` for a while from now on."""
        self._active[account.key].set_expiry(conversation, now + ACTIVE_SEC)

    def _advance(self, accounts: Iterable[Account], now: float) -> None:
        step = 0.0 if self._last_now is None else min(MAX_STEP_SEC, max(0.0, now - self._last_now))
        self._last_now = now
        self._mean_week = _mean(account.cap_7d.size for account in accounts)
        self._mean_five = _mean(account.cap_5h.size for account in accounts)
        faded = 1.0 - step / FADE_SEC
        self.seconds *= faded
        self.tokens *= faded
        self.families.advance(accounts, step)
        if not self._own_time:
            self.seconds += step * sum(self.active_count(a, now) for a in accounts)

    def active_count(self, account: Account, now: float, but: Optional[str] = None) -> int:
        """Return how many conversations were served on the account lately, not counting `but`."""
        active = self._active.get(account.spec.key)
        return 0 if active is None else active.count(now, but)

    def active_counts(self, accounts: Iterable[Account], now: float, but: Optional[str]) -> list[int]:
        """Return `active_count` of each of these accounts."""
        found, count = self._active.get, 0
        counts = []
        for account in accounts:
            active = found(account.key)
            if active is None:
                count = 0
            elif active.next_expiry <= now:
                count = active.count(now, but)
            else:
                count = len(active) - (but in active)
            counts.append(count)
        return counts

    def is_active(self, conversation: str, now: float) -> bool:
        """Return whether the conversation was served lately, on whatever account."""
        return any(active.contains(conversation, now) for active in self._active.values())

    def week_tokens(self, account: Account) -> Optional[float]:
        """Return the tokens of the account's weekly window, or None while no account's are known."""
        return self.window_sizes(account)[1]

    def window_sizes(self, account: Account) -> tuple[Optional[float], Optional[float]]:
        """Return the tokens of the account's 5h and weekly windows; an unknown size is the others' mean."""
        five, week = account.cap_5h.size, account.cap_7d.size
        if five is None:
            five = account.cap_5h.at_least(self._mean_five if week is None else week * WEEKS_IN_5H)
        if week is None:
            week = account.cap_7d.at_least(self._mean_week)
        return five, week

    @property
    def burn_rate(self) -> Optional[float]:
        """Tokens per second of an active conversation; None until an hour of them was seen."""
        return self.tokens / self.seconds if self.seconds >= 3600.0 and self.tokens > 0.0 else None

    @property
    def use_while_active(self) -> Optional[ConversationUse]:
        """What a conversation uses as long as it is active; None until `burn_rate` is known."""
        rate = self.burn_rate
        return None if rate is None else ConversationUse(rate)

    @property
    def use_until_end(self) -> Optional[ConversationUse]:
        """The same of one that will end as others did, as far as that is known."""
        use = self.use_while_active
        return use if use is None or not self._expects_ends else self._totals.usual(use.rate)

    def _record_cold(self, burned: Iterable[int]) -> None:
        self._cold.extend(burned)
        self.entry_tokens = sum(self._cold) / len(self._cold) if len(self._cold) >= LEAST_COLD else 0.0

    def to_json(self) -> dict[str, Any]:
        """Return what a restart must not lose."""
        return {
            "hours": [None if hour is None else round(hour) for hour in self.demand.hours],
            "tokens": self.tokens,
            "seconds": self.seconds,
            "cold": list(self._cold),
            "families": self.families.to_json(),
            "conversations": self._totals.to_json(),
        }

    def restore(self, saved: LenientObject) -> None:
        """Take back what `to_json` returned."""
        hours = saved.each("hours", _as_hour)
        known = [h if h >= 0 else None for h in hours] if len(hours) == HOURS else None
        self.demand = DemandTable(known, self.demand.calendar)
        self.tokens = saved.get("tokens", as_amount, 0.0)
        self.seconds = saved.get("seconds", as_amount, 0.0)
        self._record_cold(saved.each("cold", as_count))
        self.families.restore(saved.inner("families"))
        self._totals = ConversationTotals()
        self._totals.restore(saved.inner("conversations"))


class DemandTable:
    """Expected tokens by hour of the week, learned from what the pool used.

    With no history every hour is worth the same, so that a share of the expected demand is a share of
    the time: the weekly line.  An hour of the week not seen yet is worth what the same hour of other working
    days was, or of the other day of the weekend; of a weekend of which nothing was seen, a part of that.
    """

    def __init__(
        self, hours: Optional[Sequence[Optional[float]]] = None, calendar: Calendar = utc_calendar
    ) -> None:
        self.hours: list[Optional[float]] = list(hours) if hours else [None] * HOURS
        self.use_calendar(calendar)
        self._hour: Optional[int] = None  # running number of the hour that is being filled
        self._filled = 0.0
        self._partial = True  # the first hour was not seen from its beginning
        self._seen = 0  # hours, when they were added up
        self._now, self._past = 0.0, 0.0  # the instant asked for last, and what was wanted until then

    def use_calendar(self, calendar: Calendar) -> None:
        """Tell weekends by this calendar."""
        self.calendar = calendar
        self._is_weekend = [calendar((slot + 0.5) * HOUR_SEC)[0] in WEEKEND for slot in range(HOURS)]
        self._sums: Optional[list[float]] = None  # of the hours as they are; None: not added up yet

    def add(self, tokens: float, now: float) -> None:
        """Count tokens used at `now`; hours without use count as such."""
        hour = int(now // HOUR_SEC)
        if hour == self._hour:
            self._filled += tokens
            return
        if self._hour is None or hour < self._hour or hour - self._hour > HOURS:
            self._hour, self._filled, self._partial = hour, 0.0, True
        while self._hour < hour:
            self._close_hour()
        self._filled += tokens

    @property
    def is_known(self) -> bool:
        """Whether most hours of the week have been seen."""
        if self._sums is None:
            self._cumulate()
        return self._seen >= 0.7 * HOURS

    def expected(self, now: float, until: float) -> float:
        """Return the tokens wanted between two instants; before anything was learned, seconds."""
        if now != self._now or self._sums is None:  # asked twice for each account
            self._now, self._past = now, self._through(now)
        return max(0.0, self._through(until) - self._past)

    def _close_hour(self) -> None:
        assert self._hour is not None
        slot = self._hour % HOURS
        old = self.hours[slot]
        if not self._partial:
            self.hours[slot] = self._filled if old is None else old + NEWEST_WEIGHT * (self._filled - old)
            self._sums = None
        self._hour, self._filled, self._partial = self._hour + 1, 0.0, False

    def _through(self, at: float) -> float:
        sums = self._sums or self._cumulate()
        hour = at / HOUR_SEC
        weeks, place = divmod(hour, HOURS)
        slot = int(place) if place < HOURS else HOURS - 1
        return weeks * sums[HOURS] + sums[slot] + (place - slot) * (sums[slot + 1] - sums[slot])

    def _cumulate(self) -> list[float]:
        known = [value for value in self.hours if value is not None]
        self._seen = len(known)
        mean = sum(known) / len(known) if len(known) >= 24 else None
        total, sums = 0.0, [0.0]
        for slot in range(HOURS):
            total += HOUR_SEC if mean is None else self._guess(slot, mean)
            sums.append(total)
        self._sums = sums
        return sums

    def _guess(self, slot: int, mean: float) -> float:
        """Smooth an hour with its neighbours and a little of the mean: single hours are noisy."""
        near = [self.hours[(slot + shift) % HOURS] for shift in (-1, 0, 1)]
        seen = [value for value in near if value is not None]
        if len(seen) >= 2:
            return 0.9 * sum(seen) / len(seen) + 0.1 * mean
        same, is_weekend = range(slot % 24, HOURS, 24), self._is_weekend[slot]
        part, seen = 1.0, self._seen_of(same, is_weekend)
        if not seen:
            part = WEEKEND_PART if is_weekend else 1.0
            seen = self._seen_of(same, not is_weekend) or [mean]
        return part * (0.9 * sum(seen) / len(seen) + 0.1 * mean)

    def _seen_of(self, slots: Iterable[int], on_weekend: bool) -> list[float]:
        found = [self.hours[slot] for slot in slots if self._is_weekend[slot] is on_weekend]
        return [value for value in found if value is not None]


def _mean(values: Iterable[Optional[float]]) -> Optional[float]:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def _as_hour(value: Any) -> float:
    """Return an hour's tokens; -1 stands for an hour that was not seen."""
    return -1.0 if value is None else as_amount(value)
