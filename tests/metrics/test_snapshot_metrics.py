"""The snapshot as samples: what is unknown is absent, and hostile numbers of names stay bounded."""

from __future__ import annotations

from typing import Union

from teamclaude.metrics import families as f
from teamclaude.metrics.exposition import CLASSIC, Collection, Family, render
from teamclaude.metrics.snapshot_metrics import MAX_ACCOUNTS, MAX_CLIENTS, MAX_WINDOWS, add_snapshot
from teamclaude.snapshot import (
    AccountView,
    CapacityView,
    ClientView,
    ForecastView,
    HistoryView,
    NeedsYouView,
    OutageView,
    QuotaView,
    SessionTotals,
    Snapshot,
    SystemView,
    TokenView,
    TunnelView,
    Window,
)
from teamclaude.values import replace

NOW = 1_800_000_000.0
ALICE = AccountView(
    name="alice",
    status="benched",
    usable=False,
    live=True,
    inflight=2,
    warm_sessions=3,
    streak=1,
    rate_limited_until=NOW + 60,
    burn_5h=1000,
    cap_est_5h=5000,
    quota=QuotaView(axes={"5h": Window(1.02, NOW + 600), "7d": Window(None, NOW + 9000)}),
    forecast={"5h": ForecastView(NOW + 100, NOW + 200, None, NOW + 600, 0.6)},
    token=TokenView("valid", NOW + 3600, NOW + 86400),
)
SNAPSHOT = Snapshot(
    policy="price",
    at=NOW,
    capacity=CapacityView(
        verdict="yellow",
        headroom=4,
        live_accounts=1,
        benched=1,
        total=2,
        soonest_reset_sec=60,
        held=1,
        held_sec=7,
    ),
    system=SystemView(version="1.2", waiting=3, connections=9, draining=True),
    session_aggregate=SessionTotals(sessions=5, conversations=6, warm=3, inflight=2),
    accounts=(ALICE,),
    tunnels=(TunnelView("a:443", open=1), TunnelView("b:443", open=2)),
    needs_you=(NeedsYouView("s1", since=NOW - 50), NeedsYouView("s2", since=NOW - 90), NeedsYouView("s3")),
    forecast=ForecastView(None, NOW + 7200, None, NOW + 9000, 0.25),
)


def test_an_account_whose_api_cannot_be_reached_is_told() -> None:
    bob = replace(ALICE, name="bob")
    snapshot = replace(SNAPSHOT, accounts=(ALICE, bob), outages=(OutageView("a:443", ("bob",)),))
    assert value(snapshot, f.ACCOUNT_REACHABLE, "alice") == 1
    assert value(snapshot, f.ACCOUNT_REACHABLE, "bob") == 0


def samples(snapshot: Snapshot) -> Collection:
    found = Collection()
    add_snapshot(found, snapshot)
    return found


def value(snapshot: Snapshot, family: Family, *labels: str) -> object:
    return samples(snapshot).families.get(family, {}).get(labels)


def test_the_pool() -> None:
    expected: list[tuple[Family, Union[float, None], tuple[str, ...]]] = [
        (f.BUILD, 1, ("1.2", "price")),
        (f.VERDICT, True, ("yellow",)),
        (f.VERDICT, False, ("green",)),
        (f.HEADROOM, 4, ()),
        (f.ACCOUNTS_LIVE, 1, ()),
        (f.NEXT_USABLE, NOW + 60, ()),
        (f.HELD, 1, ()),
        (f.HELD_LONGEST, 7, ()),
        (f.CONVERSATIONS, 6, ()),
        (f.WAITING, 3, ()),
        (f.DRAINING, True, ()),
        (f.TUNNELS, 3, ()),
        (f.NEEDS_YOU, 3, ()),
        (f.NEEDS_YOU_SINCE, NOW - 90, ()),
        (f.POOL_EXHAUSTION, NOW + 7200, ("50",)),
        (f.POOL_EXHAUSTION, None, ("10",)),
        (f.POOL_CHANCE, 0.25, ()),
    ]
    for family, wanted, labels in expected:
        assert value(SNAPSHOT, family, *labels) == wanted, family.name


def test_an_account() -> None:
    expected: list[tuple[Family, Union[float, None], tuple[str, ...]]] = [
        (f.ACCOUNT, 1, ("alice", "oauth", "false")),
        (f.ACCOUNT_STATE, True, ("alice", "benched")),
        (f.ACCOUNT_STATE, False, ("alice", "active")),
        (f.ACCOUNT_BENCH_END, NOW + 60, ("alice",)),
        (f.WINDOW_USED, 1.02, ("alice", "5h")),
        (f.WINDOW_USED, None, ("alice", "7d")),
        (f.WINDOW_RESET, NOW + 9000, ("alice", "7d")),
        (f.WINDOW_CAP, 5000, ("alice", "5h")),
        (f.WINDOW_CAP, None, ("alice", "7d")),
        (f.EXHAUSTION, NOW + 100, ("alice", "5h", "10")),
        (f.EXHAUSTION, None, ("alice", "5h", "90")),
        (f.EXHAUSTION_CHANCE, 0.6, ("alice", "5h")),
        (f.LOGIN_END, NOW + 86400, ("alice",)),
    ]
    for family, wanted, labels in expected:
        assert value(SNAPSHOT, family, *labels) == wanted, family.name


def test_client_keys_that_are_configured_and_no_more_than_some() -> None:
    one = ClientView("ci", inflight=2, tokens_today=1500, share=0.5, share_used_5h=0.25)
    many = [ClientView(f"c{number}") for number in range(MAX_CLIENTS + 5)]
    found = samples(Snapshot(clients=(one, ClientView("gone", configured=False), *many))).families
    assert found[f.CLIENT_INFLIGHT][("ci",)] == 2
    assert found[f.CLIENT_TODAY][("ci",)] == 1500
    assert found[f.CLIENT_SHARE] == {("ci", "5h"): 0.25}
    assert len(found[f.CLIENT_INFLIGHT]) == MAX_CLIENTS
    assert ("gone",) not in found[f.CLIENT_INFLIGHT]


def test_what_is_not_known_is_absent_and_nothing_waited_for_is_no_time() -> None:
    found = samples(Snapshot(capacity=CapacityView(soonest_reset_sec=0))).families
    assert not {f.VERDICT, f.HEADROOM, f.NEXT_USABLE, f.POOL_CHANCE, f.NEEDS_YOU_SINCE, f.UP_SINCE} & set(
        found
    )


def test_the_history_and_that_it_is_off() -> None:
    kept = replace(SNAPSHOT, history=HistoryView(True, 5000, 12, NOW - 900, "no space left"))
    wanted = {f.HISTORY_ON: True, f.HISTORY_HEALTHY: False, f.HISTORY_BYTES: 5000, f.HISTORY_SINCE: NOW - 900}
    assert {family: value(kept, family) for family in wanted} == wanted
    found = samples(replace(SNAPSHOT, history=HistoryView())).families
    assert found[f.HISTORY_ON] == {(): False}
    assert f.HISTORY_HEALTHY not in found


def test_accounts_and_windows_are_bounded() -> None:
    many = {f"w{n}": Window(0.1, NOW) for n in range(50)}
    account = replace(ALICE, quota=QuotaView(axes=many), forecast=dict.fromkeys(many, ForecastView(NOW)))
    crowd = tuple(replace(account, name=f"a{n}") for n in range(MAX_ACCOUNTS + 5))
    found = samples(replace(SNAPSHOT, accounts=crowd)).families
    assert len(found[f.WINDOW_USED]) == MAX_ACCOUNTS * MAX_WINDOWS
    assert len(found[f.EXHAUSTION]) == MAX_ACCOUNTS * MAX_WINDOWS


def test_a_hostile_account_name_is_text() -> None:
    hostile = replace(ALICE, name='x"} 1\nteamclaude_draining 1 #')
    text = render(samples(replace(SNAPSHOT, accounts=(hostile,))), CLASSIC).decode()
    lines = [line for line in text.splitlines() if line.startswith("teamclaude_account_usable")]
    assert lines == ['teamclaude_account_usable{account="x\\"} 1\\\\nteamclaude_draining 1 #"} 0']
