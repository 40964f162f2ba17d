"""What is left of an account's windows against what will be wanted of them, for policy `price`.

1. The share of an account is the smallest of its windows' shares: what is left of a window, in parts of the
   demand that is expected until it is reset.  Of what is expected until a weekly reset only that counts which
   is all but certain: days differ, and the mean of n days is uncertain by a part that falls with sqrt(n).  So
   the week that is reset first is used up first, also where quiet days come before the reset.
2. Its runway is how long the conversations that are active there can go on before a window is used up: for
   ever, if they are expected to end before (conversation_use.py).
3. A window that binds only some models counts for requests of these, against the demand for these, and with
   the conversations that use it.
4. For all other requests what such a window has left is set aside in the week, at most the part of the week
   that is wanted for its models: it would be lost if they used up the week before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import Optional

from ...values import NamedTuple
from ..state.account import Account
from ..state.decision import NEVER
from .conversation_use import ConversationUse
from .price_estimates import WEEKS_IN_5H, PriceEstimates

__all__ = ["INFINITE", "QuotaOutlook", "QuotaOutlooks"]

INFINITE = float("inf")
HALF_HOUR, HOUR, DAY, WEEK = 1800.0, 3600.0, 86400.0, 7 * 86400.0
# A response makes the outlook be computed anew at once, time alone so seldom.
OUTLOOK_SEC = 5.0
EPSILON = 1e-9
MAX_MODELS = 64  # clients name any model
LEAST_CERTAIN = 0.2  # of what is expected, however soon the reset is
_UNKNOWN_SCARCITY = (NEVER, 0, 0.0)


class QuotaOutlook(NamedTuple):
    """What is left of an account's windows at an instant."""

    at: float
    share: float  # against what the pool is expected to want of it
    # Tokens left, reset, active conversations that do not use it; of windows that may end before the reset.
    windows: tuple[tuple[float, float, int], ...]

    def runway(self, active: int, use: Optional[ConversationUse], now: float, entries: float = 0.0) -> float:
        """Return the seconds until `active` conversations use a window up; `entries` are burned at once.

        A window that resets earlier is never used up.
        """
        shortest = INFINITE
        if use is not None:
            for left, resets_at, others in self.windows:
                runs = use.lasting(max(0.0, left - entries), max(1, active - others))
                if runs < shortest and now + runs < resets_at:
                    shortest = runs
        return shortest

    def describe(self, active: int, use: Optional[ConversationUse], now: float) -> str:
        """Say how crowded the account is, and how long a window lasts with one conversation more."""
        conversations = "1 conversation active" if active == 1 else f"{active} conversations active"
        runway = self.runway(active + 1, use, now)
        if runway == INFINITE:
            return conversations
        minutes = runway / 60
        lasts = f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.0f} h"
        return f"{conversations}, lasts {lasts}"


class QuotaOutlooks:
    """The outlooks of all accounts, each computed when it is asked for and kept for a moment."""

    def __init__(self, estimates: PriceEstimates, scarce_from: float, day_spread: float) -> None:
        self._estimates = estimates
        # By how much a day's demand may fall short, against the mean; 0: all days are alike.
        self._day_spread = day_spread
        self._scarce_from = scarce_from  # demand against supply from which tokens have a price
        # By account key, and by model where some windows bind only some models.  What is removed is computed
        # anew: with each response, so it is no method.
        self.known: dict[str, dict[Optional[str], QuotaOutlook]] = {}
        # By model as above: when, of how many accounts, how much.
        self._known_scarcity: dict[Optional[str], tuple[float, int, float]] = {}

    def of(self, account: Account, model: Optional[str], now: float) -> QuotaOutlook:
        """Return the outlook of the account for a request for `model`."""
        key = account.spec.key
        by_model = self.known.get(key)
        if by_model is None:
            by_model = self.known[key] = {}
        scope = model if account.windows.scoped else None
        known = by_model.get(scope)
        if known is None or not 0.0 <= now - known.at < OUTLOOK_SEC:
            known = by_model[scope] = self._compute(account, scope, now)
        return known

    def of_all(self, accounts: Iterable[Account], model: Optional[str], now: float) -> list[QuotaOutlook]:
        """Return the outlook of each of these accounts."""
        known, outlooks = self.known.get, []
        for account in accounts:
            by_model = known(account.key)
            outlook = by_model.get(model if account.windows.scoped else None) if by_model else None
            if outlook is None or not 0.0 <= now - outlook.at < OUTLOOK_SEC:
                outlook = self.of(account, model, now)
            outlooks.append(outlook)
        return outlooks

    def scarcity(self, accounts: Sequence[Account], model: Optional[str], now: float) -> float:
        """Return 0 while the accounts have enough for everybody, 1 when every token is wanted."""
        scope = model if self._estimates.families.tokens else None
        at, known_count, scarcity = self._known_scarcity.get(scope, _UNKNOWN_SCARCITY)
        count = len(accounts)
        if known_count != count or not 0.0 <= now - at < OUTLOOK_SEC:
            scarcity = self._compute_scarcity(accounts, model, now)
            if len(self._known_scarcity) >= MAX_MODELS:
                self._known_scarcity.clear()
            self._known_scarcity[scope] = (now, count, scarcity)
        return scarcity

    def _compute_scarcity(self, accounts: Sequence[Account], model: Optional[str], now: float) -> float:
        # Monday and Tuesday say little of a week: from them alone demand looks like too much for everybody.
        estimates, supply = self._estimates, 0.0
        if not estimates.demand.is_known:
            return 0.0
        for account in accounts:
            if estimates.week_tokens(account) is None:
                return 0.0
            supply += self.of(account, model, now).share
        low = self._scarce_from
        return min(1.0, max(0.0, (1.0 / max(supply, EPSILON) - low) / (1.0 - low)))

    def _compute(self, account: Account, model: Optional[str], now: float) -> QuotaOutlook:
        size_5h, size_7d = self._estimates.window_sizes(account)
        used_5h, ends_5h, _, _ = account.windows.get("5h", now)
        used_7d, ends_7d, _, _ = account.windows.get("7d", now)
        left_5h = _unused_share(used_5h, account.usable_part("5h", now))
        left_7d = _unused_share(used_7d, account.usable_part("7d", now))
        wanted = self._estimates.demand.expected
        until = now + 5 * HOUR if ends_5h is None else max(ends_5h, now + HALF_HOUR)
        share_5h = left_5h * (size_5h or WEEKS_IN_5H) / max(wanted(now, until), EPSILON)
        share_7d = left_7d * (size_7d or 1.0) / self._certain_demand(now, ends_7d)
        ending = []
        if size_5h is not None and used_5h is not None and ends_5h is not None:
            ending.append((left_5h * size_5h, ends_5h, 0))
        if size_7d is not None and used_7d is not None and ends_7d is not None:
            ending.append((left_7d * size_7d, ends_7d, 0))
        outlook = QuotaOutlook(now, min(share_5h, share_7d), tuple(ending))
        if account.windows.scoped:
            week = _Week(left_7d * (size_7d or 1.0), size_7d, share_5h, share_7d)
            outlook = self._with_scoped(outlook, account, model, week, now)
        return outlook

    def _certain_demand(self, now: float, resets_at: Optional[float]) -> float:
        """Return the tokens that will be wanted before a weekly reset, all but certainly; more than 0."""
        until = now + WEEK if resets_at is None else resets_at
        expected = max(self._estimates.demand.expected(now, until), EPSILON)
        days = max((until - now) / DAY, EPSILON)
        return expected * max(LEAST_CERTAIN, 1.0 - self._day_spread / sqrt(days))

    def _with_scoped(
        self, outlook: QuotaOutlook, account: Account, model: Optional[str], week: _Week, now: float
    ) -> QuotaOutlook:
        """Return the outlook for `model` with the windows that bind only some models."""
        families, ending = self._estimates.families, list(outlook.windows)
        of_others, scoped = INFINITE, INFINITE
        for axis in account.windows.scoped:
            used, ends_at, _, _ = account.windows.get(axis, now)
            size = families.window_size(account, axis, week.size)
            left = _unused_share(used, account.usable_part(axis, now)) * (size or 1.0)
            demand = families.demand_share(account, axis)
            wanted = self._certain_demand(now, ends_at)
            if account.windows.covers(axis, model):
                scoped = min(scoped, left / (wanted * demand))
                if size is not None and used is not None and ends_at is not None:
                    active = self._estimates.active_count(account, now)
                    ending.append((left, ends_at, active - families.active_count(account, axis, now)))
            elif demand < 1.0:
                rest = week.left - min(left, demand * week.left)
                of_others = min(of_others, week.share * rest / max(week.left, EPSILON) / (1.0 - demand))
        share_7d = week.share if of_others == INFINITE else of_others
        return QuotaOutlook(now, min(week.share_5h, share_7d, scoped), tuple(ending))


class _Week(NamedTuple):
    """An account's weekly window: tokens left, size, and the shares of its windows for all models."""

    left: float
    size: Optional[float]
    share_5h: float
    share: float


def _unused_share(used: Optional[float], part: float) -> float:
    """Return what is left of the usable part of a window (0-1); all of it while nothing is known."""
    return part - min(part, used or 0.0)
