"""Snapshots of several servers as one: every row says its server, and what is lost is marked."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.pool.merging import (
    UNREACHABLE,
    ServerPart,
    merged_snapshot,
    merged_sources,
    merged_trends,
)
from teamclaude.deck.sources.sources import MachineLoad, RegistryRow, Sources
from teamclaude.request_views import AccountTrend, Activity, HeldView, InflightView, WaitView
from teamclaude.snapshot import (
    AccountView,
    BindingView,
    CapacityView,
    ClientView,
    IssueView,
    OutageView,
    PinView,
    SessionTotals,
    Snapshot,
    SystemView,
    TunnelView,
    UsageView,
)

pytestmark = pytest.mark.usefixtures("utc")


def server(name: str, at: float = 1000.0, **more: Any) -> Snapshot:
    """A server with one account, one session of its own, and one it shares with others."""
    rows = {
        "at": at,
        "current_account": name,
        "capacity": CapacityView("green", 3, 1, 0, 1, 0, 0.0),
        "system": SystemView("1.0", proxy_rss_mb=30.0, proxy_uptime_sec=at, held=1, waiting=1),
        "pins": (PinView("s1", name),),
        "accounts": (AccountView(name, status="active", usable=True, inflight=2),),
        "session_bindings": (
            BindingView(f"own-{name}", account=name, last_used=at, inflight=1),
            BindingView("shared", account=name, last_used=at, requests=int(at)),
        ),
        "session_aggregate": SessionTotals(2, 2, 1, 1, 10, UsageView(tokens=5, cost=1.0)),
        "usage_by_issue": (IssueView("X-1", 1, 2, UsageView(tokens=7), at),),
        "held": (HeldView("r1", account=name),),
        "outages": (OutageView("api.example", (name,), at),),
        "clients": (ClientView("bob"),),
        "tunnels": (TunnelView("github.com:443"),),
        "activity": (Activity(f"r-{name}", at, accounts=(name,), client="bob"),),
        "inflight": (
            InflightView(Activity(f"i-{name}", at, accounts=(name,)), WaitView("held", account=name)),
        ),
    }
    return Snapshot(**{**rows, **more})


def merged(*parts: ServerPart) -> Snapshot:
    return merged_snapshot(parts)


BOTH = ServerPart("a", server("alice")), ServerPart("b", server("bob", 2000.0))


def test_every_row_says_its_server() -> None:
    found = merged(*BOTH)
    assert [account.name for account in found.accounts] == ["a/alice", "b/bob"]
    assert [pin.account for pin in found.pins] == ["a/alice", "b/bob"]
    assert [row.account for row in found.held] == ["a/alice", "b/bob"]
    assert [row.accounts for row in found.activity] == [("b/bob",), ("a/alice",)]
    assert [row.request.accounts for row in found.inflight] == [("b/bob",), ("a/alice",)]
    assert [row.waiting and row.waiting.account for row in found.inflight] == ["b/bob", "a/alice"]
    assert [row.name for row in found.clients] == ["a/bob", "b/bob"]
    assert [row.accounts for row in found.outages] == [("a/alice",), ("b/bob",)]
    assert [row.host for row in found.tunnels] == ["a/github.com:443", "b/github.com:443"]
    assert found.current_account == "a/alice"


def test_a_session_is_where_it_was_used_last() -> None:
    rows = {row.sid: row for row in merged(*BOTH).session_bindings}
    assert {sid: row.account for sid, row in rows.items()} == {
        "own-alice": "a/alice",
        "own-bob": "b/bob",
        "shared": "b/bob",
    }
    assert merged(*reversed(BOTH)).session_bindings != ()
    assert {row.sid: row.account for row in merged(*reversed(BOTH)).session_bindings}["shared"] == "b/bob"


def test_sums_and_what_only_one_knows() -> None:
    found = merged(*BOTH)
    assert found.session_aggregate == SessionTotals(4, 4, 2, 2, 20, UsageView(tokens=10, cost=2.0))
    assert found.usage_by_issue == (IssueView("X-1", 2, 4, UsageView(tokens=14), 2000.0),)
    system = found.system
    assert (system.version, system.proxy_rss_mb, system.proxy_uptime_sec) == (
        "1.0 on 2 servers",
        60.0,
        1000.0,
    )
    assert (system.held, system.waiting, system.port, found.forecast) == (2, 2, None, None)
    assert (found.at, found.capacity.headroom, found.capacity.live_accounts) == (2000.0, 6, 2)
    assert found.capacity.verdict == "red", "its rows of accounts say so: there are none"


def test_versions_that_differ() -> None:
    other = server("bob", system=SystemView("2.0"))
    assert merged(BOTH[0], ServerPart("b", other)).system.version == "of several versions on 2 servers"


def test_a_server_that_does_not_answer_keeps_its_rows_marked() -> None:
    gone = ServerPart("b", server("bob", 2000.0), "it is down", since=50_000.0)
    found = merged(BOTH[0], gone)
    alice, bob = found.accounts
    assert (alice.status, alice.inflight) == ("active", 2)
    assert (bob.name, bob.status, bob.status_reason) == ("b/bob", UNREACHABLE, "since 13:53")
    assert (bob.usable, bob.live, bob.inflight) == (False, False, 0)
    assert [row.inflight for row in found.session_bindings if row.sid == "own-bob"] == [0]
    assert [row.account for row in found.held] == ["a/alice"], "nothing is in progress there for all we know"
    assert len(found.inflight) == 1
    assert found.system.version == "1.0 on 1 of 2 servers"
    assert (found.at, found.current_account) == (1000.0, "a/alice")
    assert (found.capacity.headroom, found.capacity.total) == (3, 1)


def test_a_server_that_never_answered_has_a_row() -> None:
    found = merged(BOTH[0], ServerPart("b", Snapshot(), "it is down"))
    assert [(account.name, account.status) for account in found.accounts][1] == ("b/?", UNREACHABLE)


def test_all_are_gone() -> None:
    found = merged(*(part._replace(error="down") for part in BOTH))
    assert (found.at, found.system.version, found.capacity.verdict) == (2000.0, "on 2 servers", "red")
    assert {account.status for account in found.accounts} == {UNREACHABLE}
    assert deck_model(found, reachable=False).proxy.reachable is False


def test_what_is_on_the_disks_and_the_last_minutes() -> None:
    one = Sources({"s": RegistryRow("x"), "t": RegistryRow("y")}, machine=MachineLoad(0.5, 0.5))
    two = Sources({"s": RegistryRow("z"), "u": RegistryRow("w")})
    found = merged_sources([one, two])
    assert {key: row.emoji for key, row in found.registry.items()} == {"s": "x", "t": "y", "u": "w"}
    assert found.machine == MachineLoad()
    assert merged_sources([]) == Sources()
    trend = AccountTrend(1.0)
    assert merged_trends([("a", {"x": trend}), ("b", {"x": trend})]) == {"a/x": trend, "b/x": trend}
