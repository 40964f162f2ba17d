"""The page's rows of the conversations: the Deck's names and states, and nothing that grows by itself."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.page_nodes import page_nodes
from teamclaude.deck.sources.sources import NO_SOURCES, ClientProcess, IssuePin, Sources, Transcript
from teamclaude.snapshot import Snapshot, WaitView
from teamclaude.values import replace
from teamclaude.web.page_rows import plain_nodes
from tests.deck.snapshot_json import NOW, binding, deck, request, sid

A = sid(1)


def row(snapshot: Snapshot, sources: Sources = NO_SOURCES, key: str = A) -> dict[str, Any]:
    return page_nodes(snapshot, sources)[key]


def waiting(**wait: Any) -> Snapshot:
    of = deck(binding(A), inflight=[request(A)])
    (running,) = of.inflight
    return replace(of, inflight=(replace(running, waiting=WaitView(**wait)),))


def test_a_session_has_its_names() -> None:
    sources = Sources(
        pins={A: IssuePin("SHOP-7", "Fix the cart", "blocked")},
        transcripts={A: Transcript(NOW - 10, NOW - 10, title="x", cwd="/w/shop", branch="fix")},
    )
    shown = row(deck(binding(A)), sources)
    assert (shown["label"], shown["title"], shown["issue"]) == ("SHOP-7", "Fix the cart", "SHOP-7")
    assert (shown["project"], shown["branch"], shown["chip"], shown["needsYou"]) == (
        "shop",
        "fix",
        "block",
        True,
    )
    assert (shown["session"], shown["agent"], shown["parent"]) == (A, "", "")


def test_a_sub_agent_names_its_parent() -> None:
    shown = row(deck(binding(A), binding(A, agent="abc")), key=f"{A}/abc")
    assert (shown["parent"], shown["agent"], shown["role"]) == (A, "abc", "worker")


def test_states() -> None:
    idle = deck(binding(A, lastUsed=(NOW - 300) * 1000, idleSec=300))
    assert row(idle)["state"] == "idle"
    assert row(deck(binding(A), inflight=[request(A)]))["state"] == "inference"
    assert row(idle, Sources(tools={A: NOW - 3}))["state"] == "tool"
    assert row(waiting(kind="pause", at=NOW - 2, sec=2.0))["state"] == "waiting"
    lately = Sources(transcripts={A: Transcript(NOW - 5, NOW - 5)})
    assert row(idle, lately)["state"] == "live"


def test_what_a_request_waits_for_is_said_without_for_how_long() -> None:
    shown = row(waiting(kind="slot", at=NOW - 9, sec=9.0, account="bob"))
    assert (shown["waitingFor"], shown["waitingSince"]) == ("a slot on bob", (NOW - 9) * 1000)
    shown = row(waiting(kind="held", at=NOW - 90, sec=90.0, account="bob", back_at=NOW + 60))
    assert shown["waitingFor"].startswith("bob back ")
    assert shown["backAt"] == (NOW + 60) * 1000


@pytest.mark.parametrize("seconds", [0.4, 1.0, 20.0])
def test_passing_time_changes_no_row(seconds: float) -> None:
    sources = Sources(
        clients={A: ClientProcess(name="x", status="waiting", started=NOW - 500)},
        transcripts={A: Transcript(NOW - 300, NOW - 300.4)},
    )
    wait = {"kind": "held", "at": NOW - 90, "account": "bob", "back_at": NOW + 60}
    for one, two in (
        (deck(binding(A)), deck(binding(A))),
        (waiting(sec=90.0, **wait), waiting(sec=90.0 + seconds, **wait)),
    ):
        assert page_nodes(one, sources) == page_nodes(replace(two, at=NOW + seconds), sources)


def test_a_hostile_title_is_one_clean_line() -> None:
    sources = Sources(transcripts={A: Transcript(NOW, NOW, title="<img src=x onerror=alert(1)>")})
    assert row(deck(binding(A)), sources)["label"] == "<img src=x onerror=alert(1)>"


def test_it_has_all_that_the_proxy_alone_tells() -> None:
    of = deck(binding(A))
    assert set(plain_nodes(of)[A]) <= set(page_nodes(of, NO_SOURCES)[A])
