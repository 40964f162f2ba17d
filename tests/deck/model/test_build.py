"""The model of one frame from the proxy's JSON and the sources: totals, who is shown, sums, activity."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.conversations import usage_of
from teamclaude.deck.model.model import IssueRow, NodeCounts, ProxyInfo, TreeLevel
from teamclaude.deck.model.usage_sum import UsageSum, sum_usage
from teamclaude.deck.sources.sources import (
    AgentTranscript,
    ClientProcess,
    IssuePin,
    MachineLoad,
    RegistryRow,
    Sources,
    Transcript,
)
from teamclaude.deck.view.wording import usage_burn, usage_dollars, usage_summary
from teamclaude.snapshot import CapacityView, Snapshot, SystemView, UsageView
from tests.deck.snapshot_json import NOW, account, binding, deck, request, sid

A, B, C, D = (sid(number) for number in (1, 2, 3, 4))


def pinned(**pins: tuple[str, str]) -> dict[str, IssuePin]:
    """`A=("ENG-1", "ENG-0")`: A is pinned to ENG-1, which belongs to ENG-0."""
    return {
        globals()[name]: IssuePin(
            identifier=own, issue_id=f"uuid-{own}", parent_id=parent and f"uuid-{parent}"
        )
        for name, (own, parent) in pins.items()
    }


# --- proxy and totals -----------------------------------------------------------------------------


def test_header_and_top_are_the_proxys_own_figures() -> None:
    snapshot = deck(
        system={"version": "0.1.0", "port": 3456, "proxyRssMB": 41.2, "proxyUptimeSec": 90, "waiting": 2},
        accounts=[account("a", status="benched"), account("b", status="auth_failed"), account("c")],
        capacity={
            "verdict": "yellow",
            "headroom": 9,
            "liveAccounts": 3,
            "total": 4,
            "benched": 1,
            "soonestResetSec": 42,
        },
    )
    model = deck_model(snapshot, Sources(machine=MachineLoad(ram=0.5, cpu=0.25)))
    assert model.now == NOW
    assert model.proxy == ProxyInfo(
        SystemView("0.1.0", port=3456, proxy_rss_mb=41.2, proxy_uptime_sec=90, waiting=2),
        CapacityView("yellow", 9, 3, 1, 4, soonest_reset_sec=42),
        reachable=True,
    )
    top = model.totals
    assert (top.throttled, top.need_login, top.ram_share, top.cpu_share) == (1, 1, 0.5, 0.25)


def test_a_lost_proxy_and_one_that_drains() -> None:
    assert not deck_model(deck(), reachable=False).proxy.reachable
    assert deck_model(deck(system={"draining": True})).proxy.system.draining


def test_nothing_known_is_none_and_never_zero() -> None:
    model = deck_model(Snapshot())
    assert (model.proxy.system.waiting, model.proxy.system.port) == (0, None)
    assert (
        model.proxy.system.proxy_rss_mb,
        model.totals.ram_share,
        model.totals.cpu_share,
        model.proxy.capacity.headroom,
    ) == (None,) * 4
    assert model.proxy.capacity.soonest_reset_sec is None
    assert model.totals.counts.usage == UsageSum(None, None, 0, None)
    assert model.nodes == {}
    assert model.accounts == ()


@pytest.mark.parametrize(
    "fields", [{}, {"sessionBindings": [{"sid": ""}, {"sid": None}, {}]}, {"inflight": [{}]}, {"held": [{}]}]
)
def test_rows_without_a_session_are_no_nodes(fields: dict[str, Any]) -> None:
    assert deck_model(deck(**fields)).nodes == {}


def test_the_counts_hold_every_shown_conversation_once() -> None:
    sources = Sources(
        pins=pinned(A=("ENG-1", ""), B=("ENG-2", "ENG-1"), C=("ENG-3", "")),
        tools={C: NOW - 5},
        transcripts={C: Transcript(NOW - 5, NOW - 5)},
    )
    snapshot = deck(
        binding(A, tokens=100, cost=1.0, inflight=1),
        binding(B, tokens=20, cost=None, unpricedTokens=20, warm=False, idle=300),
        binding(C, tokens=3, cost=0.5),
        binding(D, tokens=7000, idle=2000),
    )
    assert deck_model(snapshot, sources).totals.counts == NodeCounts(
        agents=3,
        solo=1,
        leads=1,
        workers=1,
        warm=2,
        live=2,
        needs_you=0,
        inference=1,
        tools=1,
        usage=UsageSum(tokens=123, cost=1.5, unpriced=20, requests=30),
    )


# --- who is shown ---------------------------------------------------------------------------------


def test_a_binding_without_a_transcript_is_shown_for_30_minutes() -> None:
    model = deck_model(deck(binding(A, idle=1800), binding(B, idle=1801)))
    assert list(model.nodes) == [A]


def test_the_transcripts_last_turn_decides_not_the_binding_nor_the_mtime() -> None:
    old, young = NOW - 1801, NOW - 60
    transcripts = {A: Transcript(young, old), B: Transcript(old, young), C: Transcript(young)}
    model = deck_model(
        deck(binding(A, idle=1900), binding(B, idle=1900), binding(C)), Sources(transcripts=transcripts)
    )
    assert set(model.nodes) == {B, C}


def test_sessions_the_proxy_has_not_seen_have_no_account_yet() -> None:
    sources = Sources(
        registry={A: RegistryRow(intent="begin", started=NOW - 20), B: RegistryRow(started=NOW - 200)},
        clients={C: ClientProcess(name="shop", status="idle", cwd="/w/shop", started=NOW - 10)},
        transcripts={D: Transcript(NOW - 60, NOW - 60, title="Fix the cart")},
    )
    model = deck_model(deck(), sources)
    assert set(model.unassigned) == {A, C, D}
    assert model.nodes[A].usage == UsageSum()
    assert model.accounts[0].nodes == ()


def test_a_request_that_waits_for_its_account_shows_its_session() -> None:
    model = deck_model(deck(inflight=[request(A)]))
    assert model.unassigned == (A,)
    assert model.nodes[A].inference
    assert model.nodes[A].live
    assert model.nodes[A].idle == 0.0


def test_counting_tokens_is_a_request_but_no_answer() -> None:
    old = {A: Transcript(NOW - 4000, NOW - 4000)}
    model = deck_model(
        deck(inflight=[request(A, path="/v1/messages/count_tokens")]), Sources(transcripts=old)
    )
    assert not model.nodes[A].inference
    assert model.nodes[A].live


# --- sub-agents -----------------------------------------------------------------------------------


def test_sub_agents_of_an_ordinary_session_are_a_tree_by_any_depth() -> None:
    snapshot = deck(
        binding(A, tokens=10),
        binding(A, "one", tokens=5),
        binding(A, "two", tokens=7),
        binding(A, "deep", parent=f"{A}/one", tokens=100),
    )
    (tree,) = deck_model(snapshot).trees
    assert [(line.depth, line.key) for line in tree.lines] == [
        (0, A),
        (1, f"{A}/one"),
        (2, f"{A}/deep"),
        (1, f"{A}/two"),
    ]
    assert tree.levels[1] == TreeLevel(1, 2, UsageSum(tokens=12, cost=1.0, unpriced=0, requests=20))


def test_a_session_that_waits_for_its_sub_agent_is_shown_with_it() -> None:
    transcripts = {
        A: Transcript(NOW - 4000, NOW - 4000, agents={"one": AgentTranscript(changed=NOW, last_turn=NOW)})
    }
    model = deck_model(deck(binding(A, idle=4000)), Sources(transcripts=transcripts))
    assert set(model.nodes) == {A, f"{A}/one"}
    assert model.nodes[A].role == "lead"


def test_a_sub_agent_known_from_disk_alone_says_what_it_does() -> None:
    file = AgentTranscript("Explore", "find the cart", parent="one", changed=NOW - 5, last_turn=NOW - 5)
    agents = {"two": file, "one": AgentTranscript("Plan", changed=NOW - 9, last_turn=NOW - 9)}
    model = deck_model(
        deck(binding(A)), Sources(transcripts={A: Transcript(NOW - 9, NOW - 9, agents=agents)})
    )
    two = model.nodes[f"{A}/two"]
    assert (two.label, two.about, two.account, two.parent) == (
        "find the cart",
        "Explore",
        "alice",
        f"{A}/one",
    )
    assert two.usage == UsageSum()
    assert model.nodes[f"{A}/one"].label == "Plan"


def test_what_a_hidden_sub_agent_used_counts_for_its_ancestor() -> None:
    snapshot = deck(
        binding(A, tokens=10, cost=1.0),
        binding(A, "one", tokens=5, cost=0.5),
        binding(A, "two", parent=f"{A}/one", tokens=3, cost=None, unpricedTokens=3, idle=4000),
        binding(A, "three", tokens=100, cost=2.0, idle=4000),
    )
    model = deck_model(snapshot)
    assert set(model.nodes) == {A, f"{A}/one"}
    assert model.nodes[A].usage == UsageSum(tokens=110, cost=3.0, requests=20)
    assert model.nodes[f"{A}/one"].usage == UsageSum(tokens=8, cost=0.5, unpriced=3, requests=20)
    assert model.trees[0].usage.tokens == 118


def test_sub_agents_that_claim_each_other_belong_to_their_session() -> None:
    snapshot = deck(binding(A), binding(A, "one", parent=f"{A}/two"), binding(A, "two", parent=f"{A}/one"))
    (tree,) = deck_model(snapshot).trees
    assert tree.root == A
    assert tree.size == 3
    alien = deck_model(deck(binding(A), binding(B), binding(A, "one", parent=B)))
    assert alien.nodes[f"{A}/one"].parent == A


# --- pins -----------------------------------------------------------------------------------------


def test_pins_make_trees_over_sessions_and_their_sub_agents() -> None:
    sources = Sources(
        pins=pinned(A=("ENG-1", ""), B=("ENG-2", "ENG-1"), C=("ENG-3", "ENG-2"), D=("ENG-9", "ENG-8"))
    )
    snapshot = deck(
        binding(A, tokens=10),
        binding(B, tokens=20),
        binding(C, tokens=30),
        binding(C, "x", tokens=1),
        binding(D),
    )
    model = deck_model(snapshot, sources)
    (tree,) = model.trees
    assert [(line.depth, line.key) for line in tree.lines] == [(0, A), (1, B), (2, C), (3, f"{C}/x")]
    roles = {key: node.role for key, node in model.nodes.items()}
    assert roles == {A: "lead", B: "lead", C: "lead", f"{C}/x": "worker", D: "worker"}
    assert {key for key, node in model.nodes.items() if not node.in_tree} == {D}
    assert (model.tree_nodes, model.tree_usage.tokens) == (4, 61)


def test_a_lead_that_is_not_shown_roots_nothing() -> None:
    sources = Sources(pins=pinned(A=("ENG-1", ""), B=("ENG-2", "ENG-1")))
    model = deck_model(deck(binding(A, idle=4000), binding(B)), sources)
    assert model.trees == ()
    assert model.accounts[0].nodes == (B,)


def test_pins_in_a_circle_and_on_themselves_end() -> None:
    sources = Sources(pins=pinned(A=("ENG-1", "ENG-2"), B=("ENG-2", "ENG-1"), C=("ENG-3", "ENG-3")))
    model = deck_model(deck(binding(A), binding(B), binding(C)), sources)
    assert [line.key for tree in model.trees for line in tree.lines] == [A, B]
    assert not model.nodes[C].in_tree
    assert model.nodes[C].role == "solo"


def test_of_two_sessions_on_the_parent_issue_the_first_one_leads() -> None:
    sources = Sources(pins=pinned(A=("ENG-1", ""), B=("ENG-1", ""), C=("ENG-2", "ENG-1")))
    later, sooner = round((NOW - 100) * 1000), round((NOW - 200) * 1000)
    model = deck_model(deck(binding(A, firstSeen=later), binding(B, firstSeen=sooner), binding(C)), sources)
    assert model.nodes[C].parent == B
    assert model.nodes[A].collision
    assert model.nodes[B].collision


# --- what the views may read ----------------------------------------------------------------------


def test_views_reach_every_value_of_the_snapshot_without_a_change_of_the_model() -> None:
    snapshot = deck(
        binding(A, moves=3), accounts=[account("alice", priority=7)], activity=[request(A, effort="high")]
    )
    model = deck_model(snapshot)
    assert model.nodes[A].binding.moves == 3
    assert model.accounts[0].view.priority == 7
    assert model.activity[0].request.effort == "high"
    assert model.proxy.system.port == 3456


# --- activity -------------------------------------------------------------------------------------


def test_activity_is_what_runs_then_what_ended_as_the_proxy_orders_it() -> None:
    snapshot = deck(
        inflight=[request(A, id="run", durationSec=3.5)],
        activity=[
            request(A, id="good", status=200, outcome="served"),
            request(A, id="bad", status=502, outcome="upstream error"),
            request(A, id="worse", status=500, outcome="upstream error"),
            request(A, id="wrong", status=400, outcome="served"),
            request(A, id="gone", status=200, outcome="client gone"),
            request(A, id="late", status=429, outcome="held out"),
            request(A, id="none", status=None, outcome="client gone"),
        ],
    )
    rows = deck_model(snapshot).activity
    assert [(row.request.id, row.running, row.style) for row in rows] == [
        ("run", True, ""),
        ("good", False, "good"),
        ("bad", False, "bad"),
        ("worse", False, "bad"),
        ("wrong", False, "warn"),
        ("gone", False, "warn"),
        ("late", False, "warn"),
        ("none", False, "bad"),
    ]
    assert rows[0].elapsed_sec == 3.5


# --- sums, text, size -----------------------------------------------------------------------------


def test_sums_skip_unknown_values_and_are_unknown_if_all_are() -> None:
    assert sum_usage([]) == UsageSum()
    assert sum_usage(
        [UsageSum(tokens=1, cost=None, unpriced=1), UsageSum(), UsageSum(tokens=2, cost=0.0)]
    ) == UsageSum(3, 0.0, 1)


def test_hostile_text_from_the_proxy_is_clean_in_the_model() -> None:
    evil = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\u202e\r\n"
    snapshot = deck(
        binding(f"{evil}{A}", account=f"{evil}alice", model=evil),
        accounts=[account(f"{evil}alice", statusReason=evil)],
        system={"version": evil},
    )
    shown = repr(deck_model(snapshot))
    assert not any(char in shown for char in ("\\x1b", "\\x07", "\\u202e", "\\r", "owned"))


def test_three_hundred_sessions_make_one_frame() -> None:
    ids = [sid(number) for number in range(300)]
    sources = Sources(
        pins={
            key: IssuePin(f"ENG-{n}", issue_id=f"i{n}", parent_id=f"i{n // 3}") for n, key in enumerate(ids)
        },
        transcripts={key: Transcript(NOW - n, NOW - n, title=f"Title {n}") for n, key in enumerate(ids)},
    )
    model = deck_model(deck(*(binding(key, tokens=n) for n, key in enumerate(ids))), sources)
    assert len(model.nodes) == model.tree_nodes == 300
    assert model.trees[0].usage.tokens == sum(range(300))
    assert len(model.issues) == 300


def test_tokens_that_are_unknown_in_part_are_a_lower_bound_and_all_unknown_are_a_dash() -> None:
    some = usage_of(UsageView(200, 300, 50_000, 700, tokens=51_200, cost=1.5, unmeasured=1), 3)
    none = usage_of(UsageView(unmeasured=2), 2)
    assert (usage_burn(some), usage_dollars(some), usage_summary(some)) == (
        "1.2k+",
        "$1.50+",
        "1.2k+ burn · $1.50+",
    )
    assert (usage_burn(none), usage_dollars(none), none.requests) == ("—", "—", 2)
    assert usage_burn(sum_usage([some, none])) == "1.2k+"
    assert IssueRow("x", usage=some).burn_per_message == 600.0
    assert IssueRow("x", usage=none).burn_per_message is None
