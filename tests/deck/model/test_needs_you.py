"""Who waits for a person: why, since when, and that nobody drops out who still waits."""

from __future__ import annotations

from typing import Any

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.needs_you import needs_you
from teamclaude.deck.sources.sources import ClientProcess, IssuePin, RegistryRow, Sources, Transcript
from teamclaude.snapshot import NeedsYouView
from tests.deck.snapshot_json import NOW, account, binding, deck, request, sid

A, B, C = (sid(number) for number in (1, 2, 3))
ASKS = ClientProcess(status="waiting", waiting_for="permission prompt", waiting_since=NOW - 720)
DAY = 86_400.0


def found(sources: Sources = Sources(), *bindings: dict[str, Any], **fields: Any) -> list[NeedsYouView]:  # noqa: B008
    return list(needs_you(sources, deck(*bindings, **fields), NOW))


def quiet(seconds: float, **fields: Any) -> Transcript:
    return Transcript(NOW - seconds, NOW - seconds, **fields)


def test_nobody_waits() -> None:
    assert found() == []
    assert (
        found(Sources(clients={A: ClientProcess(status="busy")}, pins={B: IssuePin("ENG-1", status="Todo")}))
        == []
    )


def test_a_client_that_waits_says_for_what_and_since_when() -> None:
    sources = Sources(
        clients={A: ASKS}, transcripts={A: quiet(900, title="Fix the cart", cwd="/home/ann/shop")}
    )
    assert found(sources) == [NeedsYouView(A, "", "Fix the cart", "shop", "permission prompt", NOW - 720)]
    (older,) = found(Sources(clients={A: ClientProcess(status="waiting")}, transcripts={A: quiet(900)}))
    assert (older.label, older.reason, older.since) == (A[:8], "waits for an answer", NOW - 900)


def test_a_client_waits_however_long_and_its_row_stays() -> None:
    sources = Sources(clients={A: ASKS}, transcripts={A: quiet(3 * DAY, title="Fix the cart")})
    snapshot = deck()
    assert [row.session for row in needs_you(sources, snapshot, NOW)] == [A]
    assert deck_model(snapshot, sources).nodes[A].needs_you


def test_a_client_whose_request_runs_does_not_wait() -> None:
    assert found(Sources(clients={A: ASKS}), inflight=[request(A)]) == []
    assert found(Sources(clients={A: ASKS}), binding(A, inflight=1)) == []
    assert len(found(Sources(clients={A: ASKS}), inflight=[request(A, agent="x")])) == 1, "its sub-agent's"


def test_blocked_and_in_review_also_after_a_long_pause() -> None:
    sources = Sources(
        pins={
            A: IssuePin("ENG-1", status="Blocked"),
            B: IssuePin("ENG-2", status="In Review", commented=NOW - 2 * DAY),
        },
        transcripts={A: quiet(300)},
    )
    assert [(row.label, row.reason, row.since) for row in found(sources)] == [
        ("ENG-2", "in review", NOW - 2 * DAY),
        ("ENG-1", "blocked", NOW - 300),
    ], "the longest first"


def test_a_session_is_listed_once_with_the_most_urgent_reason() -> None:
    sources = Sources(clients={A: ASKS}, pins={A: IssuePin("ENG-1", status="blocked")})
    assert [row.reason for row in found(sources)] == ["permission prompt"]


def test_an_issue_that_is_pinned_twice_is_one_row_with_the_last_session() -> None:
    pins = {one: IssuePin("ENG-1", status="Todo") for one in (A, B, C)}
    rows = {
        A: RegistryRow(started=NOW - 60),
        B: RegistryRow(started=NOW - 900),
        C: RegistryRow(started=NOW - 9000),
    }
    sources = Sources(registry=rows, pins=pins, transcripts={A: quiet(30), B: quiet(30), C: quiet(9000)})
    assert found(sources) == [NeedsYouView(A, "", "ENG-1", "", "issue pinned twice", NOW - 60)]
    alone = Sources(registry=rows, pins=pins, transcripts={A: quiet(30), B: quiet(9000), C: quiet(9000)})
    assert found(alone) == [], "the others are not at work"


def test_a_login_is_needed() -> None:
    (row,) = found(accounts=[account("al\x1bice", status="auth_failed"), account("bob")])
    assert row == NeedsYouView("", "", "alice", "", "login needed", None)


def test_the_number_of_the_fleet_is_that_of_the_list() -> None:
    pins = {A: IssuePin("ENG-1", status="Todo"), B: IssuePin("ENG-1", status="Todo")}
    sources = Sources(pins=pins, transcripts={A: quiet(30), B: quiet(30), C: quiet(30)}, clients={C: ASKS})
    model = deck_model(deck(accounts=[account("bob", status="auth_failed")]), sources)
    assert len(model.needs_you) == model.totals.counts.needs_you == 3, (
        "also an account, and an issue pinned twice"
    )
