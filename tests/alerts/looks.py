"""Snapshots in which one thing is true, and a condition that is looked at again and again."""

from __future__ import annotations

from typing import Any, Optional

from teamclaude.accounts.config.alert_condition import parse_condition
from teamclaude.alerts.event import Event
from teamclaude.alerts.rules import ConditionState, advance
from teamclaude.outlook_views import ForecastView, NeedsYouView
from teamclaude.request_views import HeldView, OutageView
from teamclaude.snapshot import AccountView, QuotaView, Snapshot, TokenView, Window

NOW = 1_795_428_000.0  # 2026-11-23 10:00:00 UTC
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class Looks:
    """One condition, looked at; `fire` returns what a look has told."""

    def __init__(self, when: str) -> None:
        self.condition = parse_condition(when)
        self.state: Optional[ConditionState] = None
        self.now = NOW
        self.restarted = True
        self.last: list[Event] = []

    def look(self, snapshot: Snapshot, after: float = 4.0) -> int:
        """Look `after` seconds later; return how many events fired."""
        self.now += after
        self.state, self.last = advance(self.condition, self.state, snapshot, self.now, self.restarted)
        self.restarted = False
        return len(self.last)

    def restart(self) -> None:
        self.restarted = True


def pool(*accounts: AccountView, **values: Any) -> Snapshot:
    return Snapshot(at=NOW, accounts=accounts, **values)


def account(name: str = "alice", **values: Any) -> AccountView:
    return AccountView(**{"name": name, "status": "active", "proven": True, **values})


def used(share: Optional[float], resets_in: Optional[float] = 2 * DAY, axis: str = "7d") -> Snapshot:
    """alice has used that share of a window that is reset so many seconds after NOW."""
    resets_at = None if resets_in is None else NOW + resets_in
    return pool(account(quota=QuotaView(axes={axis: Window(share, resets_at)})))


def benched(reason: str = "429", until: float = NOW + 60) -> Snapshot:
    return pool(account(status="benched", status_reason=reason, rate_limited_until=until))


def token(
    state: str = "valid", expires_at: float = NOW + HOUR, ends_in: Optional[float] = None, **values: Any
) -> Snapshot:
    ends = None if ends_in is None else NOW + ends_in
    return pool(account(token=TokenView(state, expires_at, ends, values.pop("reason", None)), **values))


def needs(since: Optional[float], label: str = "fix-login", session: str = "s1") -> Snapshot:
    row = NeedsYouView(session, "", label, "web", "permission prompt", since)
    return pool(account(), needs_you=(row,))


def held(seconds: float, count: int = 1) -> Snapshot:
    row = HeldView("tc-1", "s1", "", "opus", seconds, "no account usable", "", "alice", NOW + HOUR)
    return pool(account(), held=(row,) * count)


def unreachable(seconds: float, failed: int = 3) -> Snapshot:
    reason = "no connection to api.example:443: Connection refused"
    outage = OutageView("api.example", ("alice", "bob"), NOW - seconds, NOW, failed, reason)
    return Snapshot(at=NOW, outages=(outage,))


def dry(p50_in: Optional[float]) -> Snapshot:
    at = None if p50_in is None else NOW + p50_in
    early, late = (None, None) if at is None else (at - 600, at + 600)
    return pool(account(), forecast=ForecastView(early, at, late, NOW + DAY, 0.8))


NOTHING = pool(account())
