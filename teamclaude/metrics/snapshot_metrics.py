"""What the snapshot says, as samples: the pool and each account at the time of the scrape."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Optional

from ..snapshot import AccountView, CapacityView, ForecastView, HistoryView, Snapshot, Window
from . import families as f
from .exposition import Collection, Family

__all__ = ["add_snapshot"]

VERDICTS = ("green", "yellow", "red")
STATES = ("active", "benched", "auth_failed", "disabled")
MAX_ACCOUNTS = 100
MAX_CLIENTS = 50
MAX_WINDOWS = 12  # of an account: their names come from the API


def add_snapshot(to: Collection, snapshot: Snapshot) -> None:
    """Add the samples of a snapshot."""
    to.add(f.BUILD, 1, snapshot.system.version, snapshot.policy)
    _add_capacity(to, snapshot.capacity, snapshot.at)
    totals, system = snapshot.session_aggregate, snapshot.system
    to.add(f.CONVERSATIONS, totals.conversations)
    to.add(f.CONVERSATIONS_WARM, totals.warm)
    to.add(f.SESSIONS, totals.sessions)
    to.add(f.INFLIGHT, totals.inflight)
    to.add(f.WAITING, system.waiting)
    to.add(f.NEEDS_YOU, len(snapshot.needs_you))
    to.add(
        f.NEEDS_YOU_SINCE,
        min((one.since for one in snapshot.needs_you if one.since is not None), default=None),
    )
    to.add(f.UP_SINCE, system.proxy_uptime_sec)
    to.add(f.DRAINING, system.draining)
    to.add(f.CONNECTIONS, system.connections)
    to.add(f.TUNNELS, sum(tunnel.open for tunnel in snapshot.tunnels))
    _add_history(to, snapshot.history)
    _add_forecast(to, snapshot.forecast, f.POOL_EXHAUSTION, f.POOL_CHANCE)
    unreachable = {name for outage in snapshot.outages for name in outage.accounts}
    for account in snapshot.accounts[:MAX_ACCOUNTS]:
        _add_account(to, account)
        to.add(f.ACCOUNT_REACHABLE, account.name not in unreachable, account.name)
    for client in [each for each in snapshot.clients if each.configured][:MAX_CLIENTS]:
        to.add(f.CLIENT_INFLIGHT, client.inflight, client.name)
        to.add(f.CLIENT_TODAY, client.tokens_today, client.name)
        to.add(f.CLIENT_SHARE, client.share_used_5h, client.name, "5h")
        to.add(f.CLIENT_SHARE, client.share_used_7d, client.name, "7d")


def _add_capacity(to: Collection, capacity: CapacityView, at: float) -> None:
    if capacity.verdict:
        for verdict in VERDICTS:
            to.add(f.VERDICT, capacity.verdict == verdict, verdict)
    to.add(f.HEADROOM, capacity.headroom)
    to.add(f.ACCOUNTS, capacity.total)
    to.add(f.ACCOUNTS_LIVE, capacity.live_accounts)
    to.add(f.ACCOUNTS_BENCHED, capacity.benched)
    if capacity.soonest_reset_sec:  # 0: nothing is waited for
        to.add(f.NEXT_USABLE, at + capacity.soonest_reset_sec)
    to.add(f.HELD, capacity.held)
    to.add(f.HELD_LONGEST, capacity.held_sec)


def _add_history(to: Collection, history: HistoryView) -> None:
    to.add(f.HISTORY_ON, history.on)
    if history.on:
        to.add(f.HISTORY_HEALTHY, not history.problem)
        to.add(f.HISTORY_BYTES, history.bytes)
        to.add(f.HISTORY_ROWS, history.rows)
        to.add(f.HISTORY_SINCE, history.since)


def _add_account(to: Collection, account: AccountView) -> None:
    name = account.name
    to.add(f.ACCOUNT, 1, name, account.type, "true" if account.last_resort else "false")
    for state in STATES:
        to.add(f.ACCOUNT_STATE, account.status == state, name, state)
    to.add(f.ACCOUNT_USABLE, account.usable, name)
    to.add(f.ACCOUNT_LIVE, account.live, name)
    to.add(f.ACCOUNT_INFLIGHT, account.inflight, name)
    to.add(f.ACCOUNT_WARM, account.warm_sessions, name)
    to.add(f.ACCOUNT_STREAK, account.streak, name)
    to.add(f.ACCOUNT_BENCH_END, account.rate_limited_until, name)
    to.add(f.USED_ELSEWHERE, account.used_elsewhere_per_hour, name)
    to.add(f.WEEK_GAP, account.pace.gap, name)
    _add_windows(to, name, {**account.quota.axes, **account.quota.api_key_limits})
    to.add(f.WINDOW_BURN, account.burn_5h, name, "5h")
    to.add(f.WINDOW_CAP, account.cap_est_5h, name, "5h")
    to.add(f.WINDOW_CAP, account.cap_est_7d, name, "7d")
    for window, forecast in islice(account.forecast.items(), MAX_WINDOWS):
        _add_forecast(to, forecast, f.EXHAUSTION, f.EXHAUSTION_CHANCE, name, window)
    if account.token is not None:
        to.add(f.TOKEN_EXPIRY, account.token.expires_at, name)
        to.add(f.LOGIN_END, account.token.login_ends_at, name)


def _add_windows(to: Collection, name: str, windows: Mapping[str, Window]) -> None:
    for axis, window in islice(windows.items(), MAX_WINDOWS):
        to.add(f.WINDOW_USED, window.utilization, name, axis)
        to.add(f.WINDOW_RESET, window.resets_at, name, axis)


def _add_forecast(
    to: Collection, forecast: Optional[ForecastView], times: Family, chance: Family, *labels: str
) -> None:
    if forecast is None:
        return
    for percentile, moment in (("10", forecast.p10), ("50", forecast.p50), ("90", forecast.p90)):
        to.add(times, moment, *labels, percentile)
    to.add(chance, forecast.chance, *labels)
