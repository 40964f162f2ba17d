"""Rows are sorted by what costs quota; idle sub-agents fold; what waits for long is only counted."""

from __future__ import annotations

from typing import Any

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.sources.sources import ClientProcess, IssuePin, Sources, Transcript
from teamclaude.deck.text.spans import plain_text
from teamclaude.deck.view.frame import render_lines
from teamclaude.deck.view.ui_state import FrameOptions
from teamclaude.request_views import AccountTrend
from teamclaude.snapshot import Snapshot
from tests.deck.snapshot_json import NOW, account, binding, deck, request, sid

A, B, C = (sid(number) for number in (1, 2, 3))


def used(new: int, written: int, output: int, read: int) -> dict[str, Any]:
    kinds = {"inputTokens": new, "cacheWriteTokens": written, "outputTokens": output, "cacheReadTokens": read}
    return {**kinds, "tokens": sum(kinds.values())}


def page(snapshot: Snapshot, sources: Sources = Sources()) -> list[str]:  # noqa: B008
    lines = render_lines(deck_model(snapshot, sources), FrameOptions(width=120))
    return [plain_text(of) for of in lines]


def test_what_was_read_from_a_cache_does_not_count() -> None:
    reader, writer = used(10, 20, 30, 9_000_000), used(100, 5000, 900, 0)
    model = deck_model(deck(binding(A, **reader), binding(B, **writer)))
    assert model.accounts[0].nodes == (B, A)
    assert (model.nodes[A].usage.burn, model.nodes[B].usage.burn) == (60, 6000)
    assert (model.nodes[B].usage.written, model.totals.counts.usage.burn) == (5000, 6060)
    accounts = [account("alice"), account("bob")]
    model = deck_model(deck(binding(A, **reader), binding(B, account="bob", **writer), accounts=accounts))
    assert [row.name for row in model.accounts] == ["bob", "alice"]


def test_of_an_older_proxy_all_tokens_are_known() -> None:
    model = deck_model(deck(binding(A, tokens=5), binding(B, tokens=900)))
    assert model.accounts[0].nodes == (B, A)
    assert model.nodes[A].usage.burn is None
    assert any(" 905 tok " in of for of in page(deck(binding(A, tokens=5), binding(B, tokens=900))))


def test_idle_sub_agents_fold_into_a_count_with_their_burn() -> None:
    rows = [binding(A, **used(1, 1, 1, 0))]
    rows += [binding(A, agent, idle=300, **used(0, 10, 0, 0)) for agent in ("one", "two", "three")]
    rows.append(binding(A, "live", idle=5, **used(0, 5, 0, 0)))
    snapshot = deck(*rows)
    (tree,) = deck_model(snapshot).trees
    assert [line.key for line in tree.lines] == [A, f"{A}/live"]
    assert (tree.lines[0].folded, tree.size, tree.lines[0].size) == (3, 5, 5)
    assert tree.usage.burn == 38
    assert tree.levels[1].nodes == 4, "they count for their level"
    assert tree.lines[1].more_below == (False,), "no connector leads to a folded row"
    (lead,) = [of for of in page(snapshot) if "☂ " in of and "Σ" in of and "──" not in of]
    assert "+3 done" in lead


def test_an_idle_sub_agent_above_one_at_work_stays() -> None:
    rows = [
        binding(A),
        binding(A, "outer", idle=300),
        binding(A, "inner", idle=5, parent=f"{A}/outer"),
        binding(A, "done", idle=300, parent=f"{A}/inner"),
    ]
    (tree,) = deck_model(deck(*rows)).trees
    assert [(line.key, line.folded) for line in tree.lines] == [
        (A, 0),
        (f"{A}/outer", 0),
        (f"{A}/inner", 1),
    ]


def test_a_sub_agent_whose_request_is_held_stays() -> None:
    rows = [binding(A), binding(A, "held", idle=300)]
    held = [{"request": "tc-1", "session": A, "agent": "held", "heldSec": 300}]
    (tree,) = deck_model(deck(*rows, held=held)).trees
    assert len(tree.lines) == 2


def test_what_is_blocked_for_long_is_counted_and_a_client_that_asks_never_is() -> None:
    sources = Sources(
        pins={A: IssuePin("ENG-1", status="Blocked"), B: IssuePin("ENG-2", status="In Review")},
        clients={C: ClientProcess(status="waiting", waiting_for="input needed", waiting_since=NOW - 60)},
        transcripts={A: Transcript(NOW - 900, NOW - 900), B: Transcript(NOW - 5000, NOW - 5000)},
    )
    model = deck_model(deck(), sources)
    assert [row.view.session for row in model.needs_you] == [C, A], "the most urgent reason first"
    assert model.overdue == 1
    lines = page(deck(), sources)
    assert any(of.startswith("── Needs you  2") for of in lines)
    assert "  + 1 blocked or in review, quiet for more than 30 minutes" in lines
    sources = Sources(pins={B: sources.pins[B]})
    assert any("Needs you  1 blocked or in review for long" in of for of in page(deck(), sources))


def test_who_needs_you_stands_above_what_is_held() -> None:
    sources = Sources(clients={C: ClientProcess(status="waiting")})
    held = [{"request": "tc-1", "session": A, "heldSec": 300}]
    titles = [of.split()[1] for of in page(deck(held=held), sources) if of.startswith("── ")]
    assert titles[:2] == ["Needs", "Held"]


def test_the_rows_of_the_snapshot_count_before_those_made_here() -> None:
    rows = [{"session": A, "label": "from the \x1b[31mproxy", "reason": "blocked", "since": (NOW - 5) * 1000}]
    (row,) = deck_model(deck(needsYou=rows)).needs_you
    assert (row.view.label, row.age_sec) == ("from the proxy", 5.0)


def test_an_account_has_its_trend() -> None:
    trend = AccountTrend(NOW, (1, 2), (0.5,))
    model = deck_model(deck(), trends={"alice": trend, "gone": trend})
    assert model.accounts[0].trend == trend


def test_nothing_goes_on_while_the_pool_is_red() -> None:
    red = {"verdict": "red", "headroom": 0, "liveAccounts": 0, "total": 2}
    waits = [account("alice", usableInSec=900), account("bob", usableInSec=300)]
    assert (
        deck_model(deck(capacity=red, accounts=waits))
        .obstacle[0]
        .startswith("no account can serve: bob is back first, in 5m (")
    )
    paid = account("key", type="apikey", lastResort=True, usable=True)
    assert (
        deck_model(deck(capacity=red, accounts=[*waits, paid]))
        .obstacle[0]
        .startswith("only key, a paid key, serves: bob is back first, in 5m (")
    )
    lost = [account("alice", status="auth_failed")]
    assert deck_model(deck(capacity=red, accounts=lost)).obstacle == (
        "no account can serve: alice needs a login",
    )
    assert deck_model(deck(capacity=red, accounts=[])).obstacle == (
        "no account can serve: none is configured",
    )
    assert deck_model(deck(inflight=[request(A)])).obstacle == ()
    assert deck_model(deck(capacity=red), reachable=False).obstacle == (), "then that is the reason"


def test_a_client_that_asks_is_listed_after_days() -> None:
    client = ClientProcess(status="waiting", waiting_since=NOW - 90_000)
    model = deck_model(deck(), Sources(clients={C: client}))
    assert ([row.age_sec for row in model.needs_you], model.overdue) == ([90_000.0], 0)
