"""Requests that wait, in the Deck and in `status`: held ones by name, never as an answering model."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.holds import describe_wait, describe_waiting, holds_of, obstacle_of
from teamclaude.deck.model.model import HeldRow
from teamclaude.deck.text.cells import ascii_text
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.frame import render_frame, render_lines
from teamclaude.deck.view.pages import explanation_lines
from teamclaude.deck.view.ui_state import FrameOptions, UiState
from teamclaude.snapshot import AccountView, HeldView, OutageView, Snapshot, WaitView
from teamclaude.typed_json import from_json
from tests.deck.snapshot_json import NOW, binding, deck, request, sid

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local

A, B = sid(1), sid(2)
BACK = round((NOW + 1320) * 1000)  # 10:22 UTC


def waiting(kind: str = "held", sec: float = 300.0, **fields: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "sec": sec,
        "over": False,
        "reason": "no account usable",
        "detail": "",
        "account": "alice",
        "backAt": BACK if kind == "held" else None,
        **fields,
    }


def held(session: str, sec: float = 300.0, **fields: Any) -> dict[str, Any]:
    return {
        "request": f"tc-{session[:4]}",
        "session": session,
        "agent": "",
        "model": "claude-opus-4-8",
        "heldSec": sec,
        "reason": "no account usable",
        "detail": "",
        "account": "alice",
        "backAt": BACK,
        **fields,
    }


def snapshot(count: int = 1, **fields: Any) -> Snapshot:
    """`count` sessions, each with a request that is held."""
    sessions = [sid(n + 1) for n in range(count)]
    rows = [held(session, 300.0 - n) for n, session in enumerate(sessions)]
    running = [
        request(session, id=f"tc-{n}", model="claude-opus-4-8", waiting=waiting())
        for n, session in enumerate(sessions)
    ]
    system = {"version": "0.1.0", "port": 3456, "waiting": count, "held": count}
    bound = [binding(session) for session in sessions]
    return deck(*bound, **{"held": rows, "inflight": running, "system": system, **fields})


def page(of: Snapshot, width: int = 100, **options: Any) -> list[str]:
    return [
        plain_text(line).rstrip()
        for line in render_lines(deck_model(of), FrameOptions(width=width, **options))
    ]


def lines_of_holds(lines: list[str]) -> list[str]:
    """Return the section of what is held, without its heading."""
    begin = next(n for n, line in enumerate(lines) if line.startswith("── Held")) + 1
    end = next(n for n, line in enumerate(lines) if n >= begin and not line.startswith("  "))
    return lines[begin:end]


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (waiting(), "held 5m, alice back 10:22"),
        (waiting(sec=0.4), "waits 0s, alice back 10:22"),
        (waiting(account=None, backAt=None), "held 5m, no account usable"),
        (
            waiting(account=None, backAt=None, reason="waits for room", detail="2 ahead"),
            "held 5m, waits for room (2 ahead)",
        ),
        (waiting("slot", 3.9, account="bob"), "waits 3s for a slot on bob"),
        (waiting("pause", 2.0, account=None, reason="pause before the next attempt"),
         "waits 2s, pause before the next attempt"),
    ],
)  # fmt: skip
def test_what_a_request_waits_for(wait: dict[str, Any], words: str) -> None:
    assert describe_waiting(from_json(WaitView, wait), NOW) == words


def test_a_request_that_does_not_wait_has_no_words() -> None:
    assert describe_waiting(None, NOW) == ""


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (waiting(over=True), "held 5m: no account usable"),
        (waiting(sec=0.4, over=True), "waited 0.4s: no account usable"),
        (waiting("slot", 12.0, over=True, account="bob"), "waited 12s for a slot on bob"),
        (waiting("slot", 2.5, over=True, account=None), "waited 2.5s for a slot on —"),
    ],
)
def test_what_a_request_waited_for(wait: dict[str, Any], words: str) -> None:
    assert describe_wait(from_json(WaitView, wait), NOW) == words


def test_the_longest_hold_comes_first() -> None:
    found = holds_of(deck(held=[held(A, 5), held(B, 50), {}]).held, NOW)
    assert [hold.view.session for hold in found] == [B, A, ""]
    assert found[0] == HeldRow(from_json(HeldView, held(B, 50)), "alice back 10:22")


# --- the Deck -------------------------------------------------------------------------------------


def test_a_held_request_is_no_model_that_answers() -> None:
    model = deck_model(snapshot())
    node = model.nodes[A]
    assert (node.inference, node.held_sec, node.waiting_for) == (False, 300.0, "held 5m, alice back 10:22")
    assert model.totals.counts.inference == 0
    answering = deck_model(deck(binding(A), inflight=[request(A, waiting=None)])).nodes[A]
    assert (answering.inference, answering.held_sec, answering.waiting_for) == (True, None, "")


def test_a_conversation_that_also_has_an_answer_under_way_shows_both() -> None:
    both = [request(A, id="tc-0", waiting=waiting()), request(A, id="tc-1", waiting=None)]
    node = deck_model(snapshot(inflight=both)).nodes[A]
    assert node.inference
    assert node.held_sec == 300.0


def test_a_request_that_waits_for_a_slot_is_not_held() -> None:
    slot = deck(
        binding(A),
        inflight=[request(A, waiting=waiting("slot", 3.0, account="bob"))],
        system={"waiting": 1, "held": 0},
        held=[],
    )
    model = deck_model(slot)
    assert (model.proxy.system.waiting, model.proxy.system.held) == (1, 0)
    assert (model.nodes[A].held_sec, model.nodes[A].waiting_for) == (None, "waits 3s for a slot on bob")
    assert "waits 3s for a slot on bob" in "\n".join(page(slot)), "in the activity"


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_status_shows_how_long_and_until_when_at_every_width(width: int) -> None:
    lines = page(snapshot(), width, max_requests=0)
    assert any("  held 5m, alice back 10:22  opus" in line for line in lines), lines
    assert any(" · 1 held" in line or line.endswith("1 held") for line in lines[:3])
    assert (
        max(line_width(line) for line in render_lines(deck_model(snapshot()), FrameOptions(width=width)))
        <= width
    )


def test_nothing_is_shown_of_holds_while_there_are_none() -> None:
    assert "held" not in "\n".join(page(deck(binding(A)))).lower()


def test_many_held_requests_take_few_lines() -> None:
    lines = page(snapshot(30), max_requests=0)
    begin = next(n for n, line in enumerate(lines) if line.startswith("── Held"))
    assert "30 requests" in lines[begin]
    assert [", alice back 10:22  opus" in line for line in lines[begin + 1 : begin + 4]] == [True] * 3
    assert lines[begin + 4] == "  … 27 more"


def test_who_is_held_is_seen_on_a_narrow_screen_however_long_the_reason() -> None:
    detail = "bob carries one more for 9 min only, 3 ahead"
    why = held(A, account=None, backAt=None, reason="waits for room", detail=detail)
    lines = page(snapshot(held=[why]), 60, max_requests=0)
    (row,) = lines_of_holds(lines)
    assert 0 < row.index(A[:8]) < row.index("held 5m, waits for room")


def test_the_row_of_a_held_conversation_shows_held_in_place_of_live() -> None:
    (row,) = [line for line in page(snapshot(), 160, max_requests=0) if "held 5m" in line and "$" in line]
    assert " held 5m" in row
    assert " live" not in row
    assert row.endswith("held 5m, alice back 10:22")


def test_the_activity_row_says_what_it_waits_for() -> None:
    (row,) = [line for line in page(snapshot()) if line.startswith("‖")]
    assert "held 5m, alice back 10:22" in row
    assert "opus-4-8" in row
    assert "→ alice" in row, "the account that refused it"


def test_a_filter_finds_what_is_held() -> None:
    model = deck_model(snapshot(2, activity=[request(B, outcome="served", status=200)]))
    shown = [
        plain_text(line)
        for line in render_lines(model, FrameOptions(width=100, state=UiState(filter="held")))
    ]
    assert len(lines_of_holds(shown)) == 2
    nothing = render_lines(model, FrameOptions(width=100, state=UiState(filter="xyzzy")))
    assert not any("held 5m" in plain_text(line) for line in nothing)


def test_a_terminal_without_unicode_shows_it_too() -> None:
    lines = page(snapshot(), ascii=True)
    assert any(line.startswith(f"  {A[:2]} ") and "held 5m, alice back 10:22" in line for line in lines)
    assert all(line.isascii() for line in lines)
    assert ascii_text("held") == "held"


def test_a_small_screen_keeps_its_size() -> None:
    shown = render_frame(deck_model(snapshot(9)), FrameOptions(width=40, height=8))
    assert len(shown.lines) == 8
    assert all(line_width(line) <= 40 for line in shown.lines)


# --- explain --------------------------------------------------------------------------------------


def test_explain_lists_each_wait_between_its_attempts() -> None:
    decision = {"reason": "kept warm"}
    out = {"reason": "no account usable", "excluded": [{"account": "bob", "rule": "hard cap"}]}
    lines = explanation_lines(
        {
            "request": "tc-1",
            "attempts": [
                {"account": "bob", "status": 429, "decision": decision},
                {"account": "alice", "status": 200, "decision": decision},
            ],
            "waits": [
                {**waiting("slot", 2.5, over=True, account="bob"), "attempts": 0, "decision": decision},
                {**waiting(over=True), "attempts": 1, "decision": out},
            ],
        }
    )
    assert [line for line in lines if line] == [
        "tc-1",
        "  outcome  still running",
        "-  waited 2.5s for a slot on bob",
        "1. bob: answered 429",
        "   because   kept warm",
        "-  held 5m: no account usable",
        "   because   no account usable",
        "   not taken bob  hard cap",
        "2. alice: answered 200",
        "   because   kept warm",
    ]


def test_explain_of_a_request_that_waits_says_until_when_and_why() -> None:
    out = {"reason": "no account usable", "excluded": [{"account": "bob", "rule": "hard cap"}]}
    at = round((NOW - 300) * 1000)
    lines = explanation_lines({"waits": [{**waiting(), "at": at, "attempts": 0, "decision": out}]})
    assert lines[2:] == [
        "",
        "-  held 5m, alice back 10:22",
        "   because   no account usable",
        "   not taken bob  hard cap",
    ]


# --- the API can't be reached ---------------------------------------------------------------------

OUTAGE = OutageView("a:443", ("alice",), NOW - 240, NOW - 5, 12, "no connection to a:443: Connection refused")


def cut_off(*usable: str) -> tuple[str, ...]:
    accounts = tuple(AccountView(name, status="active", usable=name in usable) for name in ("alice", "bob"))
    return obstacle_of(Snapshot(at=NOW, accounts=accounts, outages=(OUTAGE,)))


def test_what_keeps_all_usable_accounts_from_the_api_is_the_reason() -> None:
    why = "API unreachable since 09:56: a:443: Connection refused"
    assert cut_off("alice") == (why, "12 failed, the last 5s ago")


def test_while_another_account_serves_nothing_stands_still() -> None:
    assert cut_off("alice", "bob") == ()
    assert cut_off() == (), "without a usable account it is the accounts"
