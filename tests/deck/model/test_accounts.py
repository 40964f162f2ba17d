"""Accounts with their nodes, and issues: order, sums, totals."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.accounts import bars_of, pace_of
from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.model import IssueRow, QuotaBar
from teamclaude.deck.model.usage_sum import UsageSum
from teamclaude.deck.sources.sources import IssuePin, Sources
from teamclaude.snapshot import AccountView
from teamclaude.typed_json import from_json
from tests.deck.snapshot_json import NOW, account, binding, deck, sid

A, B, C, D = (sid(number) for number in (1, 2, 3, 4))
TWO = [account("alice"), account("bob")]


# --- accounts -------------------------------------------------------------------------------------


def test_the_account_with_most_tokens_comes_first_with_its_rows_by_tokens() -> None:
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


def test_accounts_of_equal_use_stay_in_the_order_of_the_config() -> None:
    names = ["carol", "alice", "bob"]
    model = deck_model(deck(accounts=[account(name) for name in names]))
    assert [one.name for one in model.accounts] == names


def test_an_account_page_shows_its_status() -> None:
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
    assert (bob.view.type, bob.status, bob.view.status_reason) == ("apikey", "benched", "429")
    assert (bob.view.bench_sec, bob.view.inflight, bob.view.streak, bob.view.last_resort) == (42, 3, 2, True)
    assert (bob.current, bob.pinned) == (False, False)
    assert (alice.view.bench_sec, alice.current, alice.pinned) == (0.0, True, True)
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
    assert IssueRow("x", usage=UsageSum(burn=60, requests=30)).burn_per_message == 2.0
    assert IssueRow("x", usage=UsageSum(burn=60, requests=0)).burn_per_message is None
    assert IssueRow("x", usage=UsageSum(requests=3)).burn_per_message is None


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


def test_the_snapshots_time_is_the_models_now() -> None:
    snapshot = deck(binding(A))
    assert deck_model(snapshot).now == NOW


# --- bars -----------------------------------------------------------------------------------------


HOUR = 3600.0
FIVE = 5 * HOUR


def in_ms(seconds: float) -> float:
    return (NOW + seconds) * 1000


def view(row: dict[str, Any]) -> AccountView:
    return from_json(AccountView, row)


def quota(**fields: Any) -> AccountView:
    return view(account("a", quota=fields))


@pytest.mark.parametrize(
    ("used", "left", "pace"),
    [
        # Half of the five hours are over: the line is at 50 %.
        (0.44, 2.5 * HOUR, ("behind", None)),
        (0.45, 2.5 * HOUR, ("on", None)),
        (0.55, 2.5 * HOUR, ("on", None)),
        (0.75, 2.5 * HOUR, ("ahead", 2.5 * HOUR / 3)),
        (1.0, 2.5 * HOUR, ("ahead", 0.0)),
        (1.13, 2.5 * HOUR, ("ahead", 0.0)),
        # The window has just begun: the use so far predicts nothing.
        (0.0, FIVE, ("on", None)),
        (0.5, FIVE, ("ahead", None)),
        (0.5, FIVE - 0.24 * HOUR, ("ahead", None)),
        (0.5, FIVE - 0.26 * HOUR, ("ahead", 0.26 * HOUR)),
        # A value is unknown.
        (None, 2.5 * HOUR, ("", None)),
        (0.5, None, ("", None)),
        (0.5, FIVE + 60, ("", None)),
    ],
)
def test_pace(used: float | None, left: float | None, pace: tuple[str, float | None]) -> None:
    assert pace_of(used, left, FIVE) == pytest.approx(pace)


def test_a_window_of_unknown_length_has_no_line() -> None:
    assert pace_of(0.5, 60.0, None) == ("", None)


def test_session_and_week_come_first_then_the_models_fullest_first() -> None:
    row = quota(
        axes={
            "5h": {"utilization": 0.52, "resetsAt": in_ms(2.5 * HOUR)},
            "7d": {"utilization": 0.1, "resetsAt": in_ms(84 * HOUR)},
            "7d_opus": {"utilization": 0.3, "resetsAt": in_ms(84 * HOUR)},
            "7d_sonnet": {"utilization": 0.9, "resetsAt": in_ms(-5)},
        },
    )
    assert bars_of(row, NOW) == (
        QuotaBar("5h", "Ses", 0.52, 2.5 * HOUR, "on"),
        QuotaBar("7d", "Wk", 0.1, 84 * HOUR, "behind"),
        # Its reset has passed; the next one is unknown.
        QuotaBar("7d_sonnet", "sonnet", 0.9),
        QuotaBar("7d_opus", "opus", 0.3, 84 * HOUR, "behind"),
    )


def test_unknown_windows_are_bars_without_figures() -> None:
    assert bars_of(view(account("a")), NOW) == (QuotaBar("5h", "Ses"), QuotaBar("7d", "Wk"))
    assert bars_of(quota(axes={"7d_opus": {}}), NOW)[2] == QuotaBar("7d_opus", "opus")


def test_an_api_key_has_its_limits_fullest_first_and_no_windows() -> None:
    limits = {
        "requests": {"utilization": 0.1},
        "tokens": {"utilization": 0.4, "resetsAt": in_ms(60)},
        "x": {},
    }
    row = view(account("paid", type="apikey", quota={"apiKeyLimits": limits}))
    assert bars_of(row, NOW) == (
        QuotaBar("tokens", "tokens", 0.4, 60.0),
        QuotaBar("requests", "requests", 0.1),
        QuotaBar("x", "x"),
    )
    assert bars_of(view(account("paid", type="apikey")), NOW) == ()
