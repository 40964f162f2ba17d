"""Named client keys: what each has used since it was first counted, and what may run now.

Rules that hold in this file:

1. These counts, saved in the state file, are the only ones: status, /teamclaude/caller and the limits read
   them.  The history has the same requests by day, for reports.
2. A client at a limit of its own is refused before its body is read (limits.py), by what has ended so far:
   the tokens of a request count when it ends.
3. Shares are judged for requests to a model alone.  Who has no name (the proxy's own key, our own user) and
   operators are never refused for others, but what they use counts.
4. A client that is no longer configured keeps its row for KEPT_SEC after its last request.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Callable, Optional

from ...accounts.config.config import ClientKey
from ...history.steps import begin_of, next_after
from ...routing.pool.fair_share import (
    ClientUse,
    PoolWindow,
    ShareUsedUp,
    refusal_by_share,
    share_used,
    shares_of_all,
)
from ...routing.quota.lenient_json import LenientObject
from ...routing.quota.usage import NO_USAGE
from ...routing.quota.windows import latest_time
from ...routing.view import usage_view
from ...snapshot import ClientView
from ...values import NamedTuple
from ..http.path_kinds import PathKind, works_uncounted
from ..messages.proxy_keys import OPERATOR
from ..records.exchange import Exchange
from ..records.notice import CLIENT, Notice
from .limits import ClientState, Limits, Reached, reached, reason, refusal, uncounted
from .totals import ClientTotals
from .window_use import WindowUse

__all__ = ["ClientUsage"]

NAMELESS = ""
KEPT_SEC = 35 * 86400.0
MAX_NOTICES = 32
QUIET_SEC = 600.0  # without a refusal by the same limit: then the next one has a line in the log
POOL_SEC = 1.0  # for which a look at the accounts' windows is good
PoolWindows = Mapping[str, Sequence[PoolWindow]]
_NO_LIMITS = Limits()


class _Look(NamedTuple):
    """What is left of the accounts' windows and what each client has used of them, for POOL_SEC."""

    at: float  # epoch seconds
    pool: PoolWindows
    uses: Mapping[str, Mapping[str, ClientUse]]  # by axis and client


_NO_LOOK = _Look(0.0, {}, {})


class ClientUsage:
    """Requests, tokens and cost by the name of the key.  Any thread.

    `clock` returns epoch seconds.  `pool` returns the accounts' windows by axis; it is called with no lock
    held, and only when a client has a share.
    """

    def __init__(
        self, clock: Callable[[], float] = time.time, pool: Callable[[], PoolWindows] = lambda: {}
    ) -> None:
        self._clock = clock
        self._read_pool = pool
        self._keys: Mapping[str, ClientKey] = {}
        self._shares: Mapping[str, float] = {}  # as of `shares_of_all`; empty: nobody has one
        self.counts_nameless = False  # requests of callers without a name are counted, too: beside shares
        self._totals: dict[str, ClientTotals] = {}
        self._windows = WindowUse()
        self._look = _NO_LOOK  # the last one, replaced as a whole
        self._day = (0.0, 0.0)  # begin and end of the day looked up last
        self._notices: deque[Notice] = deque(maxlen=MAX_NOTICES)
        self._lock = threading.Lock()  # guards _totals, what is in them, _windows and _notices

    def configure(self, keys: Sequence[ClientKey]) -> None:
        """Adopt the keys of a configuration."""
        shares = {key.name: key.share for key in keys if key.share is not None}
        self._keys = {key.name: key for key in keys}
        self._shares = shares_of_all(shares) if shares else {}
        self.counts_nameless = bool(self._shares)
        self._look = _NO_LOOK

    @contextmanager
    def count_request(self, name: Optional[str], exchange: Exchange) -> Iterator[None]:
        """Count a request of the client `name` while the context lasts.

        Raises ClientLimitError on entry for a client at its limit, ForbiddenError for what no limit of
        tokens could hold.
        """
        limits = _NO_LIMITS if name is None else self._limits_of(name)
        exchange.tokens_limited = limits.daily_tokens is not None or limits.share is not None
        is_message = exchange.route.kind is PathKind.INFERENCE
        if (
            exchange.tokens_limited
            and not is_message
            and works_uncounted(exchange.route, exchange.head.method)
        ):
            raise uncounted(str(name), limits)
        client = NAMELESS if name is None else name
        self._start(client, is_message)
        try:
            yield
        finally:
            self._finish(client, exchange)

    def _start(self, name: str, is_message: bool) -> None:
        now = self._clock()
        limits, look = self._limits_of(name), self._look_at(now) if is_message else _NO_LOOK
        with self._lock:
            totals = self._totals.get(name)
            if totals is None:
                totals = self._totals[name] = ClientTotals(now)
            if name != NAMELESS:
                state = self._state(name, totals, look, now)
                found = reached(limits, state, is_message)
                if found is not None:
                    self._count_refusal(name, totals, found, reason(limits, state, found, now), now)
                    raise refusal(name, limits, state, found, now)
            totals.inflight += 1

    def _count_refusal(self, name: str, totals: ClientTotals, found: Reached, words: str, now: float) -> None:
        if not 0 <= now - totals.refused_at.get(found.limit, 0.0) < QUIET_SEC:
            self._notices.append(Notice(CLIENT, name, f"refused by its limit: {words}"))
        totals.refused[found.limit] = totals.refused.get(found.limit, 0) + 1
        totals.refused_at[found.limit] = totals.last_at = now

    def take_notices(self) -> list[Notice]:
        """Return the lines since the last call: one when a limit begins to refuse a client's requests."""
        with self._lock:
            found = list(self._notices)
            self._notices.clear()
        return found

    def _finish(self, name: str, exchange: Exchange) -> None:
        now, usage, cost = self._clock(), exchange.usage, exchange.cost
        with self._lock:
            unseen = sum(attempt.unseen_tokens for attempt in exchange.attempts)
            self._totals[name].add(usage, cost, exchange.cost_estimated, self._today(now), now, unseen)
            if self._shares:
                for attempt in exchange.attempts:
                    if attempt.account and attempt.usage is not NO_USAGE:
                        burned = attempt.usage.burn + attempt.unseen_tokens
                        self._windows.add(name, attempt.account, attempt.reading, burned, now)

    # --- limits ---------------------------------------------------------------------------------

    def _limits_of(self, name: str) -> Limits:
        key = self._keys.get(name)
        return _NO_LIMITS if key is None else Limits(key.max_inflight, key.daily_tokens, key.share)

    def _look_at(self, now: float) -> _Look:
        """Return the use of shares, not older than POOL_SEC: with many clients it takes a millisecond."""
        look, shares = self._look, self._shares
        if shares and not 0 <= now - look.at < POOL_SEC:
            pool = self._read_pool()
            with self._lock:
                uses = {axis: self._windows.uses(axis, shares, each, now) for axis, each in pool.items()}
            self._look = look = _Look(now, pool, uses)
        return look

    def _state(self, name: str, totals: ClientTotals, look: _Look, now: float) -> ClientState:
        """Return what a client uses now; the lock is held."""
        today = totals.tokens_today if totals.day == self._today(now) else 0
        return ClientState(totals.inflight, today, self._day[1], self._share_used_up(name, look, now))

    def _share_used_up(self, name: str, look: _Look, now: float) -> Optional[ShareUsedUp]:
        key, shares = self._keys.get(name), self._shares
        if not shares or key is None or (key.share is None and key.role == OPERATOR):
            return None
        for axis, windows in look.pool.items():
            found = refusal_by_share(name, axis, shares, look.uses[axis], windows, now)
            if found is not None:
                return found
        return None

    def _today(self, now: float) -> float:
        begin, end = self._day
        if not begin <= now < end:
            begin = begin_of("day", now)
            self._day = begin, next_after("day", begin)
        return begin

    # --- readers --------------------------------------------------------------------------------

    def view(self) -> tuple[ClientView, ...]:
        """Return a row per client that has been seen."""
        now = self._clock()
        look = self._look_at(now)
        with self._lock:
            return tuple(
                self._row(name, totals, self._state(name, totals, look, now), look)
                for name, totals in self._totals.items()
                if name != NAMELESS
            )

    def _row(self, name: str, totals: ClientTotals, state: ClientState, look: _Look) -> ClientView:
        limits = self._limits_of(name)
        found = reached(limits, state) or Reached("")
        used = usage_view(totals.usage, totals.cost, totals.unpriced_tokens, totals.cost_estimated)
        shown = {
            axis: share_used(name, look.uses[axis], windows)
            for axis, windows in look.pool.items()
            if limits.share is not None
        }
        return ClientView(
            name=name,
            inflight=totals.inflight,
            requests=totals.requests,
            tokens=used.tokens,
            unmeasured=used.unmeasured,
            cost=used.cost,
            cost_estimated=used.cost_estimated,
            unpriced_tokens=used.unpriced_tokens,
            since=totals.since,
            configured=name in self._keys,
            tokens_today=state.tokens_today,
            max_inflight=limits.max_inflight,
            daily_tokens=limits.daily_tokens,
            share=limits.share,
            share_used_5h=shown.get("5h"),
            share_used_7d=shown.get("7d"),
            refused=sum(totals.refused.values()),
            limit=found.limit,
            limit_until=found.until,
        )

    # --- a restart ------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Return what the state file keeps, by name."""
        now = self._clock()
        with self._lock:
            return {
                name: {**totals.to_json(), **self._windows.to_json(name, now)}
                for name, totals in self._totals.items()
                if name in self._keys or name == NAMELESS or now - totals.last_at < KEPT_SEC
            }

    def add_late(self, base: Any, late: Any) -> None:
        """Add what another server counted from the state `base` to `late`, both of `dump`.

        It ended after this one had begun with `base`, as in a restart.
        """
        lost: list[str] = []
        now = self._clock()
        latest = latest_time(now)
        before, after = (LenientObject(each, "", lost, latest) for each in (base, late))
        for name in after.names():
            rows = before.inner(name), after.inner(name)
            was, ended = (ClientTotals.restored(row, now) for row in rows)
            windows = WindowUse(), WindowUse()
            for each, row in zip(windows, rows):
                each.restore(name, row, now)
            with self._lock:
                totals = self._totals.setdefault(name, ClientTotals(was.since))
                totals.add_late(was, ended, self._today(now))
                self._windows.add_late(name, *windows, now)

    def restore(self, data: Any) -> list[str]:
        """Adopt what `dump` returned, before the first request; return what could not be read."""
        lost: list[str] = []
        now = self._clock()
        saved = LenientObject(data, "clients", lost, latest_time(now))
        with self._lock:
            for name in saved.names():
                row = saved.inner(name)
                self._totals[name] = ClientTotals.restored(row, now)
                self._windows.restore(name, row, now)
        return lost
