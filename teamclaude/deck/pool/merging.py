"""The snapshots of several servers as one, for the Deck and `status`.  Pure.

1. The name of an account, a client or a tunnel gets the label of its server before it: `a/alice`.
2. Times are not changed: the clocks of the servers are taken to agree.
3. A conversation that several servers know is where it was used last.
4. The accounts of a server that does not answer stay as it told them last, with the status `unreachable`.
5. What only one server knows of itself (its forecast, its machine) is left out.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Optional, TypeVar

from ...request_views import AccountTrend, Activity, HeldView
from ...snapshot import (
    AccountView,
    BindingView,
    IssueView,
    SessionTotals,
    Snapshot,
    SystemView,
    UsageView,
)
from ...values import NamedTuple, replace
from ..sources.sources import MachineLoad, Sources
from .capacity import Part, labelled_capacity, union_of
from .sums import known_ones, known_sum

__all__ = ["UNREACHABLE", "ServerPart", "merged_snapshot", "merged_sources", "merged_trends"]

UNREACHABLE = "unreachable"  # the status of the accounts of a server that does not answer
MAX_REQUESTS = 200  # as many as one server tells
T = TypeVar("T")


class ServerPart(NamedTuple):
    """What is known of one server: its last snapshot, and why there is no newer one."""

    label: str
    snapshot: Snapshot
    error: str = ""  # of the last attempt; empty: it answered
    since: Optional[float] = None  # since when it does not answer, epoch seconds


def merged_snapshot(parts: Sequence[ServerPart]) -> Snapshot:
    """Return one snapshot of all servers."""
    named = [_labelled(part) for part in parts]
    answering = [each for each, part in zip(named, parts) if not part.error]
    bindings = _latest(row for each in named for row in each.session_bindings)
    activity = sorted((row for each in named for row in each.activity), key=lambda row: -row.at)
    inflight = sorted((row for each in answering for row in each.inflight), key=lambda row: -row.request.at)
    return Snapshot(
        current_account=next((each.current_account for each in answering if each.current_account), None),
        policy=_same(each.policy for each in named) or "",
        at=max((each.at for each in (answering or named)), default=0.0),
        capacity=union_of(
            [Part(part.label, None if part.error else each.capacity) for each, part in zip(named, parts)]
        ),
        system=_system([part.snapshot.system for part in parts if not part.error], len(parts)),
        outages=tuple(row for each in answering for row in each.outages),
        pins=tuple(pin for each in named for pin in each.pins),
        project_pins=tuple(pin for each in named for pin in each.project_pins),
        routes=tuple(route for each in named for route in each.routes),
        accounts=tuple(account for each in named for account in each.accounts),
        session_bindings=tuple(bindings),
        session_aggregate=_totals([each.session_aggregate for each in named]),
        usage_by_issue=tuple(_issues(row for each in named for row in each.usage_by_issue)),
        held=tuple(row for each in answering for row in each.held),
        clients=tuple(client for each in named for client in each.clients),
        tunnels=tuple(tunnel for each in named for tunnel in each.tunnels),
        needs_you=tuple(row for each in answering for row in each.needs_you),
        activity=tuple(activity[:MAX_REQUESTS]),
        inflight=tuple(inflight),
    )


def merged_sources(found: Sequence[Sources]) -> Sources:
    """Return what is on the servers' disks, of the first one that knows a session."""

    def joined(of: Callable[[Sources], Mapping[str, T]]) -> dict[str, T]:
        return {key: value for each in reversed(found) for key, value in of(each).items()}

    return Sources(
        joined(lambda each: each.registry),
        joined(lambda each: each.pins),
        joined(lambda each: each.tools),
        joined(lambda each: each.clients),
        joined(lambda each: each.transcripts),
        MachineLoad(),
    )


def merged_trends(found: Iterable[tuple[str, Mapping[str, AccountTrend]]]) -> dict[str, AccountTrend]:
    """Return the accounts' last minutes by their labelled names; of pairs (label, trends)."""
    return {f"{label}/{name}": trend for label, trends in found for name, trend in trends.items()}


# --- one server -------------------------------------------------------------------------------------------


def _labelled(part: ServerPart) -> Snapshot:
    label, shown = part.label, part.snapshot

    def name(account: Optional[str]) -> Optional[str]:
        return f"{label}/{account}" if account else account

    def request(row: Activity) -> Activity:
        return row._replace(
            accounts=tuple(f"{label}/{account}" for account in row.accounts),
            client=name(row.client) or "",
        )

    def held(row: HeldView) -> HeldView:
        return row._replace(account=name(row.account))

    return replace(
        shown,
        current_account=name(shown.current_account),
        capacity=labelled_capacity(label, shown.capacity),
        outages=tuple(
            row._replace(accounts=tuple(f"{label}/{account}" for account in row.accounts))
            for row in shown.outages
        ),
        pins=tuple(replace(pin, account=f"{label}/{pin.account}") for pin in shown.pins),
        project_pins=tuple(replace(pin, account=f"{label}/{pin.account}") for pin in shown.project_pins),
        routes=tuple(
            replace(each, accounts=tuple(f"{label}/{account}" for account in each.accounts))
            for each in shown.routes
        ),
        accounts=_accounts(part),
        session_bindings=tuple(_binding(row, name(row.account), part) for row in shown.session_bindings),
        held=tuple(held(row) for row in shown.held),
        clients=tuple(replace(client, name=f"{label}/{client.name}") for client in shown.clients),
        tunnels=tuple(row._replace(host=f"{label}/{row.host}") for row in shown.tunnels),
        activity=tuple(request(row) for row in shown.activity),
        inflight=tuple(
            replace(
                row,
                request=request(row.request),
                waiting=row.waiting and replace(row.waiting, account=name(row.waiting.account)),
            )
            for row in shown.inflight
        ),
    )


def _accounts(part: ServerPart) -> tuple[AccountView, ...]:
    """Return the accounts; of a server that never answered one row that says so."""
    rows = tuple(replace(row, name=f"{part.label}/{row.name}") for row in part.snapshot.accounts)
    if not part.error:
        return rows
    since = "" if part.since is None else f"since {time.strftime('%H:%M', time.localtime(part.since))}"
    return tuple(
        replace(
            row,
            status=UNREACHABLE,
            status_reason=since,
            usable=False,
            usable_in_sec=None,
            live=False,
            inflight=0,
            bench_sec=0.0,
            forecast={},
        )
        for row in rows or (AccountView(name=f"{part.label}/?"),)
    )


def _binding(row: BindingView, account: Optional[str], part: ServerPart) -> BindingView:
    return row._replace(account=account, inflight=0 if part.error else row.inflight)


# --- all of them ------------------------------------------------------------------------------------------


def _system(answering: Sequence[SystemView], servers: int) -> SystemView:
    version = _same(system.version for system in answering) or "of several versions"
    count = f"{servers} servers" if len(answering) == servers else f"{len(answering)} of {servers} servers"
    uptimes = [each.proxy_uptime_sec for each in answering if each.proxy_uptime_sec is not None]
    return SystemView(
        version=f"{version} on {count}" if answering else f"on {servers} servers",
        proxy_rss_mb=known_sum(each.proxy_rss_mb for each in answering),
        proxy_uptime_sec=min(uptimes, default=None),
        threads=known_sum(each.threads for each in answering),
        connections=known_sum(each.connections for each in answering),
        waiting=sum(each.waiting for each in answering),
        draining=any(each.draining for each in answering),
        upstream=_same(each.upstream for each in answering) or "",
        held=sum(each.held for each in answering),
    )


def _latest(rows: Iterable[BindingView]) -> list[BindingView]:
    """Return each conversation once: as the server knows it that it used last."""
    found: dict[tuple[str, Optional[str]], BindingView] = {}
    for row in rows:
        key = row.sid, row.agent
        other = found.get(key)
        if other is None or (row.last_used or 0.0) > (other.last_used or 0.0):
            found[key] = row
    return list(found.values())


def _issues(rows: Iterable[IssueView]) -> list[IssueView]:
    found: dict[Optional[str], IssueView] = {}
    for row in rows:
        other = found.get(row.issue)
        found[row.issue] = row if other is None else _issue_sum(other, row)
    return list(found.values())


def _issue_sum(one: IssueView, other: IssueView) -> IssueView:
    return IssueView(
        one.issue,
        one.sessions + other.sessions,
        known_sum((one.requests, other.requests)),
        _usage_sum([one.usage, other.usage]),
        max(known_ones((one.last_seen, other.last_seen)), default=None),
    )


def _totals(found: Sequence[SessionTotals]) -> SessionTotals:
    return SessionTotals(
        sum(each.sessions for each in found),
        sum(each.conversations for each in found),
        sum(each.warm for each in found),
        sum(each.inflight for each in found),
        sum(each.requests for each in found),
        _usage_sum([each.usage for each in found]),
    )


def _usage_sum(found: Sequence[UsageView]) -> UsageView:
    return UsageView(
        known_sum(each.input_tokens for each in found),
        known_sum(each.output_tokens for each in found),
        known_sum(each.cache_read_tokens for each in found),
        known_sum(each.cache_write_tokens for each in found),
        known_sum(each.tokens for each in found),
        sum(each.unmeasured for each in found),
        known_sum(each.cost for each in found),
        any(each.cost_estimated for each in found),
        sum(each.unpriced_tokens for each in found),
    )


def _same(values: Iterable[str]) -> Optional[str]:
    """Return the value that all have; None if they differ or there is none."""
    found = set(values)
    return found.pop() if len(found) == 1 else None
