"""Accounts with their nodes, and issues: order, roll-ups, totals."""

from __future__ import annotations

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.model import IssueRow, UsageSum
from teamclaude.deck.sources.sources import IssuePin, Sources
from tests.deck.snapshot_json import NOW, account, binding, deck, sid

A, B, C, D = (sid(number) for number in (1, 2, 3, 4))
TWO = [account("alice"), account("bob")]


# --- accounts -------------------------------------------------------------------------------------


def test_the_account_that_burns_most_comes_first_with_its_rows_by_tokens() -> None:
    snapshot = deck(
        binding(A, tokens=10),
        binding(B, account="bob", tokens=50, idle=600),
        binding(C, account="bob", tokens=70, inflight=1),
        accounts=[account("alice"), account("bob"), account("carol")],
    )
    bob, alice, carol = deck_model(snapshot).accounts
    assert (bob.name, bob.nodes, bob.live) == ("bob", (C, B), 1)
    assert bob.usage == UsageSum(tokens=120, cost=1.0, requests=20)
    assert (alice.name, alice.nodes) == ("alice", (A,))
    assert (carol.name, carol.nodes, carol.usage) == ("carol", (), UsageSum())


def test_accounts_that_burn_alike_stay_in_the_order_of_the_config() -> None:
    names = ["carol", "alice", "bob"]
    model = deck_model(deck(accounts=[account(name) for name in names]))
    assert [one.name for one in model.accounts] == names


def test_an_account_says_how_it_is() -> None:
    row = account(
        "bob",
        type="apikey",
        status="benched",
        statusReason="429",
        benchSec=42,
        inflight=3,
        streak=2,
        lastResort=True,
    )
    snapshot = deck(accounts=[row, account("alice")], pins=[{"session": None, "account": "alice"}])
    bob, alice = deck_model(snapshot).accounts
    assert (bob.kind, bob.status, bob.reason, bob.bench_sec) == ("apikey", "benched", "429", 42)
    assert (bob.inflight, bob.streak, bob.last_resort, bob.current, bob.pinned) == (3, 2, True, False, False)
    assert (alice.bench_sec, alice.current, alice.pinned) == (None, True, True)
    assert alice.lifetime_usage == UsageSum(tokens=50_000, cost=3.0, requests=100)


def test_a_pin_of_one_session_pins_no_account() -> None:
    model = deck_model(deck(pins=[{"session": A, "account": "alice"}]))
    assert not model.accounts[0].pinned


def test_nodes_of_a_removed_account_or_none_have_no_account_yet() -> None:
    snapshot = deck(
        binding(A, account=None, tokens=1), binding(B, account="gone", tokens=5), binding(C, account="alice")
    )
    assert deck_model(snapshot).unassigned == (B, A)


def test_a_sub_agent_stands_with_the_account_that_serves_it() -> None:
    model = deck_model(deck(binding(A), binding(A, "one", account="bob"), accounts=TWO))
    assert {one.name: one.nodes for one in model.accounts} == {"alice": (A,), "bob": (f"{A}/one",)}


def test_rows_of_equal_or_unknown_use_have_a_steady_order() -> None:
    rows = [binding(key, tokens=5) for key in (C, A, B)]
    first, second = deck_model(deck(*rows)), deck_model(deck(*reversed(rows)))
    assert first.accounts[0].nodes == second.accounts[0].nodes == tuple(sorted((A, B, C)))
    mixed = deck_model(deck(binding(A, tokens=None), binding(B, tokens=0)))
    assert mixed.accounts[0].nodes == (B, A)


# --- issues ---------------------------------------------------------------------------------------

PINS = {
    A: IssuePin("ENG-1", "Carts"),
    B: IssuePin("eng-1"),
    C: IssuePin("ENG-2", "Search"),
    D: IssuePin("ENG-3"),
}


def test_issues_sum_their_sessions_and_sub_agents_most_tokens_first() -> None:
    snapshot = deck(
        binding(A, tokens=10),
        binding(A, "one", tokens=30),
        binding(B, tokens=20),
        binding(C, tokens=500, cost=None, unpricedTokens=500),
        binding(D, tokens=9000, idle=4000),
        binding(sid(9), tokens=77),
    )
    model = deck_model(snapshot, Sources(pins=PINS))
    search, carts = model.issues
    assert (search.name, search.title, search.sessions) == ("ENG-2", "Search", 1)
    assert search.usage == UsageSum(tokens=500, cost=None, unpriced=500, requests=10)
    assert (carts.name.casefold(), carts.title, carts.sessions) == ("eng-1", "Carts", 2)
    assert carts.usage == UsageSum(tokens=60, cost=1.5, requests=30)
    assert carts.emojis == (model.nodes[A].emoji, model.nodes[B].emoji)
    assert model.issues_total == IssueRow(
        "", sessions=3, usage=UsageSum(tokens=560, cost=1.5, unpriced=500, requests=40)
    )


def test_the_average_per_message() -> None:
    assert IssueRow("x", usage=UsageSum(tokens=60, requests=30)).tokens_per_message == 2.0
    assert IssueRow("x", usage=UsageSum(tokens=60, requests=0)).tokens_per_message is None
    assert IssueRow("x", usage=UsageSum(requests=3)).tokens_per_message is None


@pytest.mark.parametrize(("recorded", "tokens"), [(900, 900), (5, 10)])
def test_the_proxys_records_count_when_they_know_more(recorded: int, tokens: int) -> None:
    rows = [
        {"issue": "eng-1", "requests": 40, "tokens": recorded, "cost": 9.0},
        {"issue": "ENG-8", "requests": 1, "tokens": 1},
        {"issue": None, "requests": 5, "tokens": 5},
    ]
    model = deck_model(deck(binding(A, tokens=10), usageByIssue=rows), Sources(pins=PINS))
    assert [(one.name, one.usage.tokens) for one in model.issues] == [("ENG-1", tokens)]


def test_without_issues_there_are_none() -> None:
    model = deck_model(deck(binding(A)))
    assert (model.issues, model.issues_total) == ((), IssueRow("", usage=UsageSum()))


def test_the_snapshots_time_is_everybodys_now() -> None:
    snapshot = deck(binding(A), at=None, now=None, capacity={"at": "2026-11-23T10:00:00.000Z"})
    assert deck_model(snapshot).now == NOW
