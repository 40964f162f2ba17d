"""What each client has used of the accounts' quota windows, and how fast: for fair shares.

Rules that hold in this file:

1. Tokens count for the window that the answer itself named; a later reset of the account's begins at 0.
2. Where an answer names no window, they count for the one that is known, else for one that begins now.
3. Not locked: its owner is (usage.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Optional

from ...routing.pool.fair_share import AXES, MEMORY, NO_USE, REST, ClientUse, Demand, PoolWindow
from ...routing.quota.lenient_json import LenientObject, as_amount
from ...routing.quota.windows import SAME_WINDOW_SEC, QuotaReading
from ...values import NamedTuple

__all__ = ["WindowUse"]


class _Used(NamedTuple):
    resets_at: float  # epoch seconds
    tokens: float


class WindowUse:
    """Tokens by client, account (name) and axis; the client "" stands for who has no name."""

    def __init__(self) -> None:
        self._used: dict[str, dict[tuple[str, str], _Used]] = {}
        self._demand: dict[str, dict[str, Demand]] = {}

    def add(
        self, client: str, account: str, reading: Optional[QuotaReading], tokens: float, now: float
    ) -> None:
        """Count tokens that a request of `client` burned on an account; `reading`: the answer's windows."""
        if tokens <= 0:
            return
        used = self._used.get(client, {})
        for axis, length in AXES.items():
            named = reading.axes.get(axis) if reading is not None else None
            resets_at = named.resets_at if named is not None else None
            if resets_at is None:
                known = used.get((account, axis))
                running = known is not None and known.resets_at > now
                resets_at = known.resets_at if known is not None and running else now + length
            self._count(client, account, axis, resets_at, tokens, now)

    def _count(
        self, client: str, account: str, axis: str, resets_at: float, tokens: float, now: float
    ) -> None:
        used, demand = self._used.setdefault(client, {}), self._demand.setdefault(client, {})
        known = used.get((account, axis))
        same = known is not None and known.resets_at > now and _same(known.resets_at, resets_at)
        used[account, axis] = _Used(resets_at, tokens + (known.tokens if known is not None and same else 0.0))
        memory = MEMORY * AXES[axis]
        demand[axis] = demand.get(axis, Demand(since=now)).plus(tokens, memory, now)

    def uses(
        self, axis: str, shares: Mapping[str, float], windows: Sequence[PoolWindow], now: float
    ) -> dict[str, ClientUse]:
        """Return the use of each client with a share, and of all others together (REST)."""
        resets = {window.account: window.resets_at for window in windows}
        found: dict[str, ClientUse] = {}
        for client in self._used:
            name = client if client in shares else REST
            sum_so_far = found.get(name, NO_USE)
            used = sum(self._running(client, axis, resets, now))
            demand = self._demand.get(client, {}).get(axis)
            rate = 0.0 if demand is None else demand.per_sec(MEMORY * AXES[axis], now)
            found[name] = ClientUse(sum_so_far.used + used, sum_so_far.per_sec + rate)
        return found

    def _running(
        self, client: str, axis: str, resets: Mapping[str, Optional[float]], now: float
    ) -> Iterator[float]:
        for (account, of), used in self._used[client].items():
            if of != axis or account not in resets or used.resets_at <= now:
                continue
            at = resets[account]
            if at is None or _same(at, used.resets_at) or used.resets_at > at:
                yield used.tokens

    # --- a restart ------------------------------------------------------------------------------

    def to_json(self, client: str, now: float) -> dict[str, Any]:
        """Return what a restart must not lose of one client; what has been reset is left out."""
        used = self._used.get(client, {})
        return {
            "windows": [[*place, *one] for place, one in used.items() if one.resets_at > now],
            "demand": {axis: list(one) for axis, one in self._demand.get(client, {}).items()},
        }

    def restore(self, client: str, saved: LenientObject, now: float) -> None:
        """Put one client's saved use back."""
        windows = saved.each("windows", lambda value: _as_window(value, saved))
        self._used[client] = dict(windows)
        demand = saved.inner("demand")
        found = {axis: demand.find(axis, lambda value: _as_demand(value, saved)) for axis in AXES}
        self._demand[client] = {axis: one for axis, one in found.items() if one is not None}

    def add_late(self, client: str, base: WindowUse, late: WindowUse, now: float) -> None:
        """Add what `late` counted since `base`: of a server that has ended after this one began."""
        before = base._used.get(client, {})
        for (account, axis), used in late._used.get(client, {}).items():
            was = before.get((account, axis))
            known = was is not None and _same(was.resets_at, used.resets_at)
            tokens = used.tokens - (was.tokens if known and was is not None else 0.0)
            if tokens > 0 and used.resets_at > now:
                self._count(client, account, axis, used.resets_at, tokens, now)


def _same(a: float, b: float) -> bool:
    return abs(a - b) <= SAME_WINDOW_SEC


def _as_window(value: Any, saved: LenientObject) -> tuple[tuple[str, str], _Used]:
    try:
        account, axis, resets_at, tokens = value
    except (TypeError, ValueError):
        raise ValueError("not a window") from None
    if not isinstance(account, str) or axis not in AXES:
        raise ValueError("not a window")
    return (account, axis), _Used(saved.as_time(resets_at), as_amount(tokens))


def _as_demand(value: Any, saved: LenientObject) -> Demand:
    if not isinstance(value, list) or len(value) != len(Demand._fields):
        raise ValueError("not a rate")
    tokens, at, since = value
    return Demand(as_amount(tokens), saved.as_time(at), saved.as_time(since))
