"""`keepWarm`: open an account's 5h window at a time of day, with the smallest request.

Rules that hold in this file:

1. Each time of day counts once, also where the clock is set back.
2. A window that is open stays as it is: nothing is sent.
3. Who is late (the machine slept, or the server has just started) does it within LATE_SEC, else not at all.
4. A failure is tried again once, after RETRY_SEC, and then left to the next time of day.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import tzinfo
from typing import Optional

from ...accounts.config.rules.keep_warm import latest_of, parse_time_of_day
from ...routing.fleet import Fleet
from ...routing.quota.windows import SAME_WINDOW_SEC
from ...routing.state.account import FIVE_HOURS_SEC
from ...values import dataclass
from ..forwarding.context import RequestContext
from .warm_up import OnEnd, send_warm_up

__all__ = ["KeepWarm"]

DAY_SEC = 86400.0
LATE_SEC = 3600.0
RETRY_SEC = 300.0
POLL_SEC = 20.0  # the clock may be set, and the machine may sleep
TOLD_LATE_SEC = 120.0


@dataclass
class _Kept:
    """One account: the latest time of day that is dealt with, and a failure that is tried again."""

    done: float = 0.0  # epoch seconds
    retry_at: Optional[float] = None


class KeepWarm:
    """Of one server; used by one thread.

    `is_over` says that the server ends.  `zone` is the local one; None: the machine's.
    """

    def __init__(
        self,
        warn: Callable[[str], None],
        is_over: Callable[[], bool],
        on_end: OnEnd,
        zone: Optional[tzinfo] = None,
        send: Callable[[RequestContext, str, OnEnd], str] = send_warm_up,
    ) -> None:
        self._warn = warn
        self._is_over = is_over
        self._on_end = on_end
        self._zone = zone
        self._send = send
        self._kept: dict[str, _Kept] = {}  # by account key

    def run_due(self, context: RequestContext) -> Optional[float]:
        """Do what is due; return the seconds until the next look, None: there is nothing to do ever."""
        wanted = context.config.keep_warm
        if not wanted:
            return None
        for account in context.config.accounts:
            if account.name in wanted and account.type == "oauth" and not account.disabled:
                self._run_account(account.key, account.name, wanted[account.name], context)
        return POLL_SEC

    def _run_account(self, key: str, name: str, texts: tuple[str, ...], context: RequestContext) -> None:
        kept, now = self._kept.setdefault(key, _Kept()), context.clock()
        times = [time for time in map(parse_time_of_day, texts) if time is not None]
        moment = latest_of(times, now, self._zone)
        if kept.done > now + DAY_SEC:  # the clock was wrong
            kept.done, kept.retry_at = 0.0, None
        is_retry = kept.retry_at is not None
        if is_retry and now < (kept.retry_at or 0.0) <= now + RETRY_SEC:
            return
        if moment is None or (not is_retry and moment <= kept.done):
            return
        kept.done, kept.retry_at = max(kept.done, moment), None
        late = now - moment
        if late > LATE_SEC or self._is_over() or context.router.read(lambda f, at: _is_open(f, key, at)):
            return
        problem = self._send(context, key, self._on_end)
        if not problem:
            after = f", {late / 60:.0f} min late" if late > TOLD_LATE_SEC else ""
            self._warn(f"{name}: keepWarm has opened its 5h window{after}")
            return
        again = "not tried again before its next time"
        if not is_retry:
            kept.retry_at, again = context.clock() + RETRY_SEC, f"tried once more in {RETRY_SEC / 60:.0f} min"
        self._warn(f"{name}: keepWarm could not open its 5h window ({problem}); {again}")


def _is_open(fleet: Fleet, key: str, now: float) -> bool:
    account = fleet.accounts.get(key)
    resets_at = None if account is None else account.windows.get("5h", now).resets_at
    # A later reset is of a time when the clock was wrong.
    return resets_at is not None and resets_at <= now + FIVE_HOURS_SEC + SAME_WINDOW_SEC
