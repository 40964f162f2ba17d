"""What the forecast is made from: the accounts' windows and what they have burned, at one instant.

Burned tokens are those that count against a window: uncached input, cache writes and output.  An account is
known by its name.  Times are epoch seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ..snapshot import AccountView, Snapshot, Window
from ..values import NamedTuple

__all__ = ["FIVE_HOURS_SEC", "HOUR_SEC", "WEEK_SEC", "AccountReading", "PoolReading", "reading_of"]

HOUR_SEC, FIVE_HOURS_SEC, WEEK_SEC = 3600.0, 5 * 3600.0, 7 * 86400.0
LEAST_PART = 0.001  # of a window that nothing may be used of
ACTIVE_SEC = 900.0  # a conversation is at work for so long after a request


class AccountReading(NamedTuple):
    """One account."""

    name: str
    windows: Mapping[str, Window] = {}  # by axis, those that have not been reset
    burned: int = 0  # tokens, since the records begin
    size_5h: Optional[float] = None  # tokens that the window allows; None: unknown
    size_7d: Optional[float] = None
    is_pooled: bool = True  # it serves as soon as its windows allow: enabled, login good, no paid key
    is_metered: bool = True  # a subscription; False: an API key without such windows
    back_at: Optional[float] = None  # the end of a bench that no window explains

    def is_closed(self, now: float) -> bool:
        """Return whether it serves nothing now: a window for all models is used up, or it is benched."""
        return (self.back_at or 0.0) > now or any(
            "_" not in axis and (window.rejected or (window.utilization or 0.0) >= 1.0)
            for axis, window in self.windows.items()
        )


class PoolReading(NamedTuple):
    """All accounts at `at`."""

    at: float
    accounts: Sequence[AccountReading] = ()
    active: int = 0  # conversations at work: a request in flight, or one within a quarter of an hour

    @property
    def is_dry(self) -> bool:
        """Whether no account serves."""
        pooled = [account for account in self.accounts if account.is_pooled]
        return bool(pooled) and all(account.is_closed(self.at) for account in pooled)

    @property
    def burned(self) -> int:
        """Tokens of all accounts together."""
        return sum(account.burned for account in self.accounts)


def reading_of(snapshot: Snapshot) -> PoolReading:
    """Return the part of a snapshot that the forecast needs."""
    active = sum(1 for one in snapshot.session_bindings if one.inflight or one.idle_sec < ACTIVE_SEC)
    accounts = tuple(_account(view, snapshot.at) for view in snapshot.accounts)
    return PoolReading(snapshot.at, accounts, active)


def _account(view: AccountView, now: float) -> AccountReading:
    usage = view.usage.usage
    parts = (usage.input_tokens, usage.output_tokens, usage.cache_write_tokens)
    # A window that may be used in part is a smaller one.
    parts_of = view.usable_parts
    windows = {
        axis: _part_of(window, parts_of[axis]) if axis in parts_of else window
        for axis, window in view.quota.axes.items()
        if window.resets_at is None or window.resets_at > now
    }
    benched = view.rate_limited_until
    return AccountReading(
        name=view.name,
        windows=windows,
        burned=sum(part or 0 for part in parts),
        size_5h=_size(view.cap_est_5h, parts_of.get("5h")),
        size_7d=_size(view.cap_est_7d, parts_of.get("7d")),
        is_pooled=view.enabled and view.status in ("active", "benched") and not view.last_resort,
        is_metered=view.type == "oauth",
        back_at=benched if benched is not None and benched > now else None,
    )


def _part_of(window: Window, part: float) -> Window:
    used = window.utilization
    return window if used is None else window._replace(utilization=used / max(part, LEAST_PART))


def _size(tokens: Optional[float], part: Optional[float]) -> Optional[float]:
    return tokens * max(part, LEAST_PART) if tokens and part is not None else tokens or None
