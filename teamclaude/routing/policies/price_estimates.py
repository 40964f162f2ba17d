"""What a policy learns of each account: its windows' size in burned tokens, and who is active on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Optional

from ..quota.lenient_json import LenientObject, as_number
from ..quota.usage import Usage
from ..quota.windows import SAME_WINDOW_SEC
from ..state.account import Account
from ..state.decision import NEVER
from ..state.expiring_set import ExpiringSet
from .price_demand import HOURS, DemandTable

__all__ = ["PriceEstimates"]

ACTIVE_SEC = 900.0  # a conversation counts as active for so long after a request
MIN_SIGNAL = 0.08  # below this utilization the rounding of headers says too little
WEEKS_IN_5H = 0.125  # a 5h window as a part of a week's quota, until learned
FADE_SEC = 12 * 3600.0  # of the burn of an active conversation
MAX_STEP_SEC = 120.0
ROUNDING = 0.01  # of the headers' utilization
# A rise between two answers that is more than requests of ours take: somebody else uses the account.
FOREIGN_RISE = {"5h": 0.1, "7d": 0.05}
REFRESH_SEC = 20.0  # what needs a look at every account is worked out anew so seldom
_NO_ACCOUNTS: AbstractSet[Account] = frozenset()


@dataclass
class _WindowTrack:
    """A window since its first answer, not its beginning: what was used before we came is not ours."""

    resets_at: float
    used_before: float
    burned_before: int
    used: float
    burned: int

    @property
    def rise(self) -> float:
        return self.used - self.used_before

    @property
    def tokens(self) -> int:
        return self.burned - self.burned_before


@dataclass
class _AccountEstimates:
    """Of one account: tokens per window, None until learned."""

    week: Optional[float] = None
    five: Optional[float] = None
    active: ExpiringSet = field(default_factory=ExpiringSet)
    tracks: dict[str, _WindowTrack] = field(default_factory=dict)  # by axis

    def lower_bound(self, axis: str, guess: Optional[float]) -> Optional[float]:
        """The guess, or what the window holds for sure: little may have risen under what was burned."""
        watched = self.tracks.get(axis)
        if guess is None or watched is None:
            return guess
        return max(guess, watched.tokens / (watched.rise + ROUNDING))


class PriceEstimates:
    """Capacities, activity, demand; all in burned tokens (Usage.burn) and seconds."""

    def __init__(self) -> None:
        self.demand = DemandTable()
        self.tokens = 0.0  # burned by warm requests, fading
        self.seconds = 0.0  # of active conversations, fading alike
        self._by_account: dict[str, _AccountEstimates] = {}
        self._accounts_of: dict[str, set[Account]] = {}  # by conversation: where it is active
        self._last_now: Optional[float] = None
        self._mean_week: Optional[float] = None  # tokens, of the accounts that are known
        self._mean_five: Optional[float] = None

    # --- learning -----------------------------------------------------------------------------

    def record_response(
        self,
        accounts: Iterable[Account],
        account: Account,
        conversation: Optional[str],
        usage: Usage,
        now: float,
    ) -> None:
        """Take in one answer of `account`."""
        self._advance(accounts, now)
        burn = usage.burn
        self.demand.add(burn, now)
        if not _is_cold(usage):
            self.tokens += burn
        known = self._estimates_of(account)
        if conversation is not None:
            if conversation not in known.active:
                self._accounts_of.setdefault(conversation, set()).add(account)
            known.active.set_expiry(conversation, now + ACTIVE_SEC)
        burned = account.usage.burn
        known.week = self._estimate_size(account, known, "7d", burned, known.week, now)
        known.five = self._estimate_size(account, known, "5h", burned, known.five, now)

    def _advance(self, accounts: Iterable[Account], now: float) -> None:
        if self._last_now is not None and 0.0 <= now - self._last_now < REFRESH_SEC:
            return
        step = 0.0 if self._last_now is None else min(MAX_STEP_SEC, max(0.0, now - self._last_now))
        self._last_now = now
        self._mean_week = _mean(k.week for k in self._by_account.values())
        self._mean_five = _mean(k.five for k in self._by_account.values())
        faded = 1.0 - step / FADE_SEC
        self.seconds = self.seconds * faded + step * sum(self.active_count(a, now) for a in accounts)
        self.tokens *= faded

    @staticmethod
    def _estimate_size(
        account: Account, known: _AccountEstimates, axis: str, burned: int, size: Optional[float], now: float
    ) -> Optional[float]:
        """The size of a window by what was burned while its utilization rose."""
        used, resets_at, _, _ = account.windows.get(axis, now)
        used = used or 0.0
        if resets_at is None:
            return size
        watched = known.tracks.get(axis)
        if (
            watched is None
            or abs(watched.resets_at - resets_at) > SAME_WINDOW_SEC
            or used < watched.used_before
            or _is_foreign(axis, used - watched.used, burned - watched.burned, size)
        ):
            known.tracks[axis] = _WindowTrack(resets_at, used, burned, used, burned)
            return size
        watched.used, watched.burned = used, burned
        risen, spent = watched.rise, watched.tokens
        if risen < MIN_SIGNAL or spent <= 0:
            return size
        # The more it has risen, the less the rounding hides.
        return spent / risen if size is None else size + min(0.5, 0.2 * risen) * (spent / risen - size)

    # --- what is known --------------------------------------------------------------------------

    def active_count(self, account: Account, now: float, but: Optional[str] = None) -> int:
        """Conversations that were served on it lately, without one of them."""
        return self.active_until(account, now, but)[0]

    def active_until(self, account: Account, now: float, but: Optional[str] = None) -> tuple[int, float]:
        """As `active`, and until when they can't be fewer."""
        known = self._by_account.get(account.spec.key)
        if known is None:
            return 0, NEVER
        lately = known.active
        if lately.next_expiry <= now:
            for gone in lately.expire(now):
                self._remove_active(gone, account)
        count = len(lately)
        if count and but is not None and but in lately:
            count -= 1
        return count, lately.next_expiry

    def accounts_of(self, conversation: Optional[str]) -> AbstractSet[Account]:
        """The accounts on which it is active."""
        return self._accounts_of.get(conversation or "", _NO_ACCOUNTS)

    def _remove_active(self, conversation: str, account: Account) -> None:
        hosts = self._accounts_of.get(conversation)
        if hosts is not None:
            hosts.discard(account)
            if not hosts:
                del self._accounts_of[conversation]

    def week_tokens(self, account: Account) -> Optional[float]:
        """Tokens in a week of the account."""
        return self.window_sizes(account)[1]

    def window_sizes(self, account: Account) -> tuple[Optional[float], Optional[float]]:
        """Tokens in 5 hours and in a week of the account; an unknown one is as large as the others."""
        known = self._estimates_of(account)
        five, week = known.five, known.week
        if five is None:
            five = known.lower_bound("5h", self._mean_five if week is None else week * WEEKS_IN_5H)
        if week is None:
            week = known.lower_bound("7d", self._mean_week)
        return five, week

    @property
    def burn_rate(self) -> Optional[float]:
        """Tokens per second of an active conversation; None until an hour of them was seen."""
        return self.tokens / self.seconds if self.seconds >= 3600.0 and self.tokens > 0.0 else None

    def _estimates_of(self, account: Account) -> _AccountEstimates:
        known = self._by_account.get(account.key)
        if known is None:
            known = self._by_account[account.key] = _AccountEstimates()
        return known

    # --- a restart ------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        return {
            "hours": [None if hour is None else round(hour) for hour in self.demand.hours],
            "tokens": self.tokens,
            "seconds": self.seconds,
            "accounts": {
                key: {"week": known.week, "five": known.five}
                for key, known in self._by_account.items()
                if known.week is not None or known.five is not None
            },
        }

    def restore(self, saved: LenientObject, keys: Mapping[str, str]) -> None:
        hours = saved.each("hours", _as_hour)
        self.demand = DemandTable([h if h >= 0 else None for h in hours] if len(hours) == HOURS else None)
        self.tokens = max(0.0, saved.get("tokens", as_number, 0.0))
        self.seconds = max(0.0, saved.get("seconds", as_number, 0.0))
        rows = saved.inner("accounts")
        for old in rows.names():
            if old in keys:
                row = rows.inner(old)
                week, five = row.find("week", as_number), row.find("five", as_number)
                self._by_account[keys[old]] = _AccountEstimates(
                    week if week and week > 0 else None, five if five and five > 0 else None
                )


def _mean(values: Iterable[Optional[float]]) -> Optional[float]:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def _is_foreign(axis: str, rise: float, spent: int, size: Optional[float]) -> bool:
    return rise >= FOREIGN_RISE[axis] and (size is None or spent < 0.25 * rise * size)


def _is_cold(usage: Usage) -> bool:
    return usage.cache_read_tokens < usage.cache_write_tokens


def _as_hour(value: Any) -> float:
    """An hour's tokens; -1 stands for an hour that was not seen."""
    return -1.0 if value is None else max(0.0, as_number(value))
