"""A client's fair share of the pool's windows: who may start another request when they get scarce.

Rules that hold in this file:

1. What clients can use of all windows of one kind (5h, 7d) is what they have used of them since each began,
   and what is left.  A client's share is that part of it, in tokens that count against the windows.
2. Below its share a client is never refused.
3. Above its share it is lent what is left beyond the claims of the others: of each that is below its own
   share the rest of that, at most what it is expected to use until the windows are reset.
4. Expected is the rate of its last hours, SAFETY times that, for as long as the windows last on average.  So
   nothing is kept for a client that is not there, and little for one that asks for little.
5. All who have no share are one client with the rest of 1.
6. Without an estimate of what a window allows nothing is known to be scarce, and nobody is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from ...values import NamedTuple
from ..quota.rules import Rules
from ..state.account import FIVE_HOURS_SEC, Account

__all__ = [
    "AXES",
    "NO_USE",
    "REST",
    "ClientUse",
    "Demand",
    "PoolWindow",
    "ShareUsedUp",
    "pool_windows",
    "refusal_by_share",
    "share_used",
    "shares_of_all",
]

AXES: Mapping[str, float] = {"5h": FIVE_HOURS_SEC, "7d": 7 * 86400.0}  # name -> length in seconds
REST = ""  # all who have no share of their own
SAFETY = 2.0
MEMORY = 0.1  # of a window's length: the time that a rate is of
MIN_MEMORY = 1 / 6  # of that time: a rate is of no less
LEAST_USED = 0.02  # of a window: below it burn / used is no estimate of what it allows


class PoolWindow(NamedTuple):
    """One account's window, in tokens."""

    account: str  # name
    left: float
    resets_at: Optional[float]  # epoch seconds


class ClientUse(NamedTuple):
    """What one client has used of the running windows of one kind."""

    used: float = 0.0  # tokens
    per_sec: float = 0.0  # tokens a second lately


NO_USE = ClientUse()


class ShareUsedUp(NamedTuple):
    """Why a client is refused."""

    axis: str
    share: float
    until: float  # when the first of the windows is reset, epoch seconds; it may be over earlier


class Demand(NamedTuple):
    """The rate of one client, with an exponential memory: what is old counts little."""

    tokens: float = 0.0
    at: float = 0.0  # epoch seconds of the last addition
    since: float = 0.0  # of the first one

    def plus(self, tokens: float, memory: float, now: float) -> Demand:
        """Return it with more tokens at `now`; `memory` in seconds."""
        old = self._decayed(memory, now)
        since = self.since if 0 <= now - self.at < 5 * memory else now
        return Demand(old + tokens, now, since)

    def per_sec(self, memory: float, now: float) -> float:
        """Return the tokens a second."""
        age = max(now - self.since, MIN_MEMORY * memory)
        return self._decayed(memory, now) / (memory * -math.expm1(-age / memory))

    def _decayed(self, memory: float, now: float) -> float:
        return self.tokens * math.exp(-max(0.0, now - self.at) / memory)


def shares_of_all(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the shares by client, with the rest for all who have none."""
    return {**shares, REST: max(0.0, 1.0 - sum(shares.values()))}


def refusal_by_share(
    client: str,
    axis: str,
    shares: Mapping[str, float],
    uses: Mapping[str, ClientUse],
    windows: Sequence[PoolWindow],
    now: float,
) -> Optional[ShareUsedUp]:
    """Return why `client` may start no request now; None: it may.

    `shares` is as `shares_of_all` returns it, `uses` by the same names; a client without a share is REST.
    """
    name = client if client in shares else REST
    left = sum(window.left for window in windows)
    usable = left + sum(use.used for use in uses.values())
    if not windows or uses.get(name, NO_USE).used < shares[name] * usable:
        return None
    lasts = _mean_time_left(axis, windows, now)
    claimed = 0.0
    for other, share in shares.items():
        use = uses.get(other, NO_USE)
        if other != name:
            claimed += min(max(0.0, share * usable - use.used), SAFETY * use.per_sec * lasts)
    if left > claimed or not claimed:  # with nothing left at all it is the accounts that refuse
        return None
    ends = [window.resets_at for window in windows if window.resets_at is not None]
    return ShareUsedUp(axis, shares[name], max(now, min(ends, default=now + AXES[axis])))


def share_used(client: str, uses: Mapping[str, ClientUse], windows: Sequence[PoolWindow]) -> Optional[float]:
    """Return what `client` has used of what all can use, 0 to 1; None: not known."""
    usable = sum(window.left for window in windows) + sum(use.used for use in uses.values())
    if not windows or usable <= 0:
        return None
    return uses.get(client, NO_USE).used / usable


def _mean_time_left(axis: str, windows: Sequence[PoolWindow], now: float) -> float:
    """Return how long what is left lasts on average, in seconds: until its window is reset."""
    weighted, weights = 0.0, 0.0
    for window in windows:
        until = now + AXES[axis] if window.resets_at is None else window.resets_at
        weighted += (window.left + 1.0) * max(0.0, until - now)
        weights += window.left + 1.0
    return weighted / weights


def pool_windows(accounts: Iterable[Account], rules: Rules, now: float) -> dict[str, Sequence[PoolWindow]]:
    """Return what is left of each subscription's windows by axis; nothing where no size is known.

    An account without an estimate counts with the mean of the others.
    """
    serving = [
        each for each in accounts if each.spec.kind == "oauth" and each.spec.enabled and not each.auth_failed
    ]
    return {axis: _windows_of(serving, axis, rules, now) for axis in AXES}


def _windows_of(accounts: Sequence[Account], axis: str, rules: Rules, now: float) -> Sequence[PoolWindow]:
    sizes = {each.key: size for each in accounts if (size := _size(each, axis, now)) is not None}
    if not sizes:
        return ()
    mean = sum(sizes.values()) / len(sizes)
    found = []
    for each in accounts:
        window = each.windows.get(axis, now)
        most = min(rules.full, each.limit(axis, now).fraction)
        used_up = each.is_used_up(axis, window, rules.full, now)
        free = 0.0 if used_up else max(0.0, most - (window.utilization or 0.0))
        found.append(PoolWindow(each.name, free * sizes.get(each.key, mean), window.resets_at))
    return found


def _size(account: Account, axis: str, now: float) -> Optional[float]:
    """Return the tokens that a whole window allows; None: unknown."""
    cap = account.cap_5h if axis == "5h" else account.cap_7d
    estimate = cap.estimate(now)
    if estimate:
        return estimate
    window = account.windows.get(axis, now)
    burned = account.burn.tokens_in_window(AXES[axis], window.resets_at, now)
    if burned and (window.utilization or 0.0) >= LEAST_USED:
        return burned / (window.utilization or 1.0)
    return None
