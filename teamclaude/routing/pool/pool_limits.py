"""The windows of the pool as a whole, as one subscription would have them.  Pure.

`limitsFromPool` shows them to clients in place of those of the account that served.

1. The pool are the subscriptions that are enabled and whose login is good.  A paid key has no such windows.
2. Utilization is the mean of the accounts', weighted by the sizes of their windows as learned; an account
   of unknown size counts as large as the others.  A window that was reset, or was never seen, is unused.
3. What an account can't use counts as used: its 5h window while its week is used up.  Of a window that its
   owner limits (`maxUsage`) the pool has that part: used so far it is full.
4. The reset of a window is when the pool's next room comes: the first of its accounts' resets at which an
   account gets back a tenth of its window or more.
5. The pool is exhausted when no account of it would be given a request for the model; it ends with the first
   account that comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Optional

from ...values import NamedTuple
from ..quota.rules import Rules
from ..quota.windows import API_KEY_AXES, is_scoped
from ..state.account import Account
from ..state.decision import NEVER

__all__ = ["PoolLimits", "PoolWindow", "pool_limits"]

LEAST = 0.001  # of a window that nothing may be used of
WORTH_WAITING = 0.1  # of a window: less is no room that a person waits for


class PoolWindow(NamedTuple):
    """One window of the pool."""

    utilization: float  # 0 to 1
    resets_at: Optional[float] = None  # epoch seconds; None: no account is known to have used it


class PoolLimits(NamedTuple):
    """The windows that bind a model, by axis; empty while none is known."""

    windows: Mapping[str, PoolWindow]
    exhausted_axis: Optional[str] = None  # the window to wait for; None while an account can serve
    back_at: Optional[float] = None  # epoch seconds, when it is exhausted


def pool_limits(accounts: Iterable[Account], model: Optional[str], rules: Rules, now: float) -> PoolLimits:
    """Return the limits of the pool for work on `model` (None: work in general)."""
    pool = [account for account in accounts if account.spec.kind == "oauth" and not account.needs_owner]
    axes = dict.fromkeys(axis for account in pool for axis, _ in account.windows.live(now))
    binding = [axis for axis in axes if _binds(pool, axis, model)]
    windows = {axis: _pool_window(pool, axis, rules, now) for axis in binding}
    blocks = [(account, account.block(model, rules, now)) for account in pool]
    closed = [(block.until, account) for account, block in blocks if block is not None]
    if not pool or len(closed) < len(pool):
        return PoolLimits(windows)
    back_at, first = min(closed, key=lambda each: each[0])
    return PoolLimits(windows, _fullest(first, binding, rules, now), None if back_at == NEVER else back_at)


def _binds(pool: Sequence[Account], axis: str, model: Optional[str]) -> bool:
    if axis in API_KEY_AXES:
        return False
    return not is_scoped(axis) or any(account.windows.covers(axis, model) for account in pool)


def _pool_window(pool: Sequence[Account], axis: str, rules: Rules, now: float) -> PoolWindow:
    sizes = [_size(account, axis, now) for account in pool]
    known = [size for size in sizes if size]
    mean = sum(known) / len(known) if known else 1.0
    used = [_used(account, axis, rules, now) for account in pool]
    weights = [(size or mean) * max(LEAST, each.usable_part(axis, now)) for each, size in zip(pool, sizes)]
    utilization = sum(share * weight for share, weight in zip(used, weights)) / sum(weights)
    return PoolWindow(utilization, _next_room(zip(pool, used), axis, rules, now))


def _size(account: Account, axis: str, now: float) -> Optional[float]:
    """Return the tokens of the window as learned; a model's window is a part of the week."""
    return (account.cap_5h if axis == "5h" else account.cap_7d).estimate(now)


def _used(account: Account, axis: str, rules: Rules, now: float) -> float:
    window = account.windows.get(axis, now)
    if _is_used_up(account, axis, rules, now) or (axis == "5h" and _is_used_up(account, "7d", rules, now)):
        return 1.0
    return min(1.0, (window.utilization or 0.0) / max(LEAST, account.usable_part(axis, now)))


def _is_used_up(account: Account, axis: str, rules: Rules, now: float) -> bool:
    return account.is_used_up(axis, account.windows.get(axis, now), min(1.0, rules.full), now)


def _next_room(used: Iterable[tuple[Account, float]], axis: str, rules: Rules, now: float) -> Optional[float]:
    rooms = [(_back_at(account, axis, rules, now), share) for account, share in used if share > 0.0]
    worth = [at for at, share in rooms if share >= WORTH_WAITING and at is not None]
    return min(worth or [at for at, _ in rooms if at is not None], default=None)


def _back_at(account: Account, axis: str, rules: Rules, now: float) -> Optional[float]:
    """Return when what the account has used of the window can be used again."""
    at = account.windows.get(axis, now).resets_at
    if axis == "5h" and _is_used_up(account, "7d", rules, now):
        week = account.windows.get("7d", now).resets_at
        return max(at or 0.0, week) if week is not None else at
    return at


def _fullest(account: Account, axes: Sequence[str], rules: Rules, now: float) -> str:
    """Return the window that keeps the account from work longest; `5h` when none does."""

    def rank(axis: str) -> tuple[bool, bool, float, float]:
        window = account.windows.get(axis, now)
        is_full = _is_used_up(account, axis, rules, now)
        return window.rejected, is_full, window.utilization or 0.0, window.resets_at or 0.0

    return max(axes, key=rank, default="5h")
