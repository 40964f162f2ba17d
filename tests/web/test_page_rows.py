"""The rows that a snapshot fills: they change only when something has happened."""

from __future__ import annotations

from typing import Any

from teamclaude.snapshot import (
    AccountView,
    Activity,
    BindingView,
    CapacityView,
    InflightView,
    NeedsYouView,
    Snapshot,
    SystemView,
    UsageView,
    WaitView,
)
from teamclaude.values import replace
from teamclaude.web.changes import changes
from teamclaude.web.page_rows import PageRows, plain_nodes

NOW = 1_800_000_000.0
WAIT = WaitView("held", NOW - 30, 30.0, False, "5h full", "", "alice", NOW + 600)
SNAPSHOT = Snapshot(
    current_account="alice",
    policy="price",
    at=NOW,
    capacity=CapacityView("red", 0, 0, 1, 2, 1, 600.2, held=1, held_sec=30.0),
    system=SystemView(version="1", port=3456, proxy_uptime_sec=100.0, waiting=1),
    accounts=(
        AccountView("alice", status="benched", bench_sec=600.2, usable_in_sec=600.2),
        AccountView("bob", status="active", usable=True),
    ),
    session_bindings=(
        BindingView("s1-long-id", "s1", account="alice", last_used=NOW - 5, idle_sec=5.0, warm=True),
        BindingView("s1-long-id", "s1", agent="agent-1", parent="s1-long-id", idle_sec=9.0),
        BindingView("gone", "gone", idle_sec=4000.0),
    ),
    needs_you=(
        NeedsYouView("s1-long-id", "", "fix", "shop", "permission prompt", NOW - 60),
        NeedsYouView(label="bob"),
    ),
    activity=(Activity("tc-2", NOW - 1), Activity("tc-1", NOW - 2)),
    inflight=(InflightView(Activity("tc-3", NOW - 30, session="s1-long-id", duration_sec=30.0), WAIT),),
)


def later(seconds: float) -> Snapshot:
    """The same some time later, when nothing else has happened."""
    of = SNAPSHOT
    request = of.inflight[0].request._replace(duration_sec=30 + seconds)
    running = InflightView(request, replace(WAIT, sec=30 + seconds))
    alice = replace(of.accounts[0], bench_sec=600.2 - seconds, usable_in_sec=600.2 - seconds)
    return replace(
        of,
        at=NOW + seconds,
        capacity=replace(of.capacity, soonest_reset_sec=600.2 - seconds, held_sec=30.0 + seconds),
        system=replace(of.system, proxy_uptime_sec=100.0 + seconds),
        accounts=(alice, of.accounts[1]),
        session_bindings=tuple(row._replace(idle_sec=row.idle_sec + seconds) for row in of.session_bindings),
        inflight=(running,),
    )


def state(snapshot: Snapshot = SNAPSHOT) -> Any:
    return PageRows(plain_nodes).state(snapshot)


def test_passing_time_changes_nothing() -> None:
    for seconds in (0.3, 1.0, 7.7, 60.0):
        assert changes(state(), state(later(seconds))) == {}


def test_what_is_in_the_rows() -> None:
    shown = state()
    about = shown["about"][""]
    assert (about["at"], about["version"], about["verdict"], about["held"]) == (NOW * 1000, "1", "red", 1)
    assert about["soonestResetAt"] == (NOW + 600) * 1000
    assert about["heldSince"] == (NOW - 30) * 1000
    assert about["startedAt"] == (NOW - 100) * 1000
    assert {name: (row["order"], row["usableAt"]) for name, row in shown["accounts"].items()} == {
        "alice": (0, (NOW + 600) * 1000),
        "bob": (1, None),
    }
    assert list(shown["activity"]) == ["tc-2", "tc-1"]
    assert set(shown["needsYou"]) == {"s1-long-id", "/bob"}
    assert shown["inflight"]["tc-3"]["waiting"]["backAt"] == (NOW + 600) * 1000


def test_the_same_request_has_the_same_row_object() -> None:
    rows = PageRows(plain_nodes)
    first, second = rows.state(SNAPSHOT), rows.state(later(1))
    assert first["activity"]["tc-1"] is second["activity"]["tc-1"]
    assert rows.state(replace(SNAPSHOT, activity=()))["activity"] == {}
    assert rows._activity == {}


def test_nodes_without_what_is_on_disk() -> None:
    nodes = plain_nodes(SNAPSHOT)
    assert set(nodes) == {"s1-long-id", "s1-long-id/agent-1"}
    main, agent = nodes["s1-long-id"], nodes["s1-long-id/agent-1"]
    assert (main["label"], main["state"], main["waitingFor"]) == ("s1-long-", "held", "5h full")
    assert (main["account"], main["lastUsedAt"], main["warm"]) == ("alice", (NOW - 5) * 1000, True)
    assert (agent["parent"], agent["role"], agent["state"]) == ("s1-long-id", "worker", "idle")


def test_a_node_with_a_request_that_does_not_wait_is_at_inference() -> None:
    running = replace(SNAPSHOT, inflight=(InflightView(SNAPSHOT.inflight[0].request),))
    assert plain_nodes(running)["s1-long-id"]["state"] == "inference"


def test_burn_is_all_but_cache_reads_and_unknown_is_none() -> None:
    usage = UsageView(input_tokens=5, output_tokens=10, cache_read_tokens=1000, cache_write_tokens=20)
    first = SNAPSHOT.session_bindings[0]._replace(usage=usage)
    rows = plain_nodes(replace(SNAPSHOT, session_bindings=(first, SNAPSHOT.session_bindings[1])))
    assert [row["burn"] for row in rows.values()] == [35, None]
