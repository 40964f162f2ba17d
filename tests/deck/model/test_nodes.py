"""The name, chip and marks of a session, and the text about it."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.model.labels import chip_of
from teamclaude.deck.model.model import Node
from teamclaude.deck.sources.sources import ClientProcess, IssuePin, RegistryRow, Sources, Transcript
from teamclaude.deck.text.format import session_emoji
from tests.deck.snapshot_json import NOW, binding, deck, request, sid

A, B, C = (sid(number) for number in (1, 2, 3))


def node(
    row: RegistryRow | None = None,
    pin: IssuePin | None = None,
    client: ClientProcess | None = None,
    tool: float | None = None,
    inflight: bool = False,
    **transcript: Any,
) -> Node:
    """Return the node of session A with these sources."""
    sources = Sources(
        registry={A: row} if row else {},
        pins={A: pin} if pin else {},
        clients={A: client} if client else {},
        tools={A: tool} if tool else {},
        transcripts={A: Transcript(NOW - 10, NOW - 10, **transcript)} if transcript else {},
    )
    return deck_model(deck(binding(A), inflight=[request(A)] if inflight else []), sources).nodes[A]


# --- names ----------------------------------------------------------------------------------------


def test_an_unknown_session_is_called_by_its_id() -> None:
    bare = node()
    assert (bare.label, bare.title, bare.about, bare.project, bare.issue) == (A[:8], "", "", "", "")
    assert (bare.account, bare.binding.model, bare.chip) == ("alice", "claude-opus-4-8", "")
    assert bare.emoji == session_emoji(A)


def test_an_ordinary_session_is_called_by_its_title_and_about_its_last_prompt() -> None:
    one = node(title="Fix the cart", prompt="now the tests", cwd="/home/ann/work/shop/", branch="fix/cart")
    assert (one.label, one.about) == ("Fix the cart", "now the tests")
    assert (one.project, one.branch) == ("shop", "fix/cart")


def test_without_a_title_the_last_prompt_is_the_name_and_not_repeated() -> None:
    one = node(prompt="now the tests")
    assert (one.label, one.title, one.about) == ("now the tests", "now the tests", "")


def test_a_running_client_gives_name_and_folder() -> None:
    one = node(client=ClientProcess(name="shop-cart", cwd=r"C:\work\shop"), prompt="now the tests")
    assert (one.label, one.about, one.project) == ("shop-cart", "now the tests", "shop")


def test_the_issue_goes_before_the_title_and_the_intent_before_all_lines() -> None:
    pin = IssuePin("ENG-1", "Carts lose items")
    one = node(pin=pin, title="Fix the cart", prompt="go on")
    assert (one.label, one.title, one.about) == ("ENG-1", "Carts lose items", "Carts lose items")
    assert (
        node(row=RegistryRow(intent="lead the rewrite"), pin=pin, prompt="go on").about == "lead the rewrite"
    )
    assert node(row=RegistryRow(pinned_issue="ENG-7")).label == "ENG-7"


def test_no_branch_is_no_branch() -> None:
    assert node(branch="HEAD", title="x").branch == ""


def test_the_registrys_emoji_goes_before_the_one_from_the_id() -> None:
    assert node(row=RegistryRow(emoji="🛠")).emoji == "🛠"


# --- roles ----------------------------------------------------------------------------------------


def test_a_pinned_child_whose_lead_is_not_shown_is_a_worker_unless_it_says_solo() -> None:
    pin = IssuePin("ENG-2", issue_id="i2", parent_id="i1")
    assert (node(pin=pin).role, node(pin=pin).in_tree, node(pin=pin).parent) == ("worker", False, "")
    assert node(row=RegistryRow(solo=True), pin=pin).role == "solo"
    assert node(pin=IssuePin("ENG-2", issue_id="i2", parent_id="i2")).role == "solo"
    assert node().role == "solo"


# --- chips and marks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "chip"),
    [
        ("In Progress", "work"),
        ("in_progress", "work"),
        ("started", "work"),
        ("Todo", "todo"),
        ("To-Do", "todo"),
        ("unstarted", "todo"),
        ("Not started", "todo"),
        ("Backlog", "queued"),
        ("Triage", "queued"),
        ("Queued", "queued"),
        ("Blocked", "block"),
        ("On hold", "block"),
        ("Unblocked, in progress", "work"),
        ("In Review", "review"),
        ("Ready for review", "review"),
        ("Done", "done"),
        ("Canceled", "done"),
        ("Abandoned", ""),
        ("Incomplete", ""),
        ("work", "work"),
        ("", ""),
        ("ähm", ""),
    ],
)
def test_a_trackers_status_as_a_chip(status: str, chip: str) -> None:
    assert chip_of(status) == chip


@pytest.mark.parametrize(
    ("status", "needs_you"),
    [("Blocked", True), ("In Review", True), ("In Progress", False), ("Done", False), ("", False)],
)
def test_blocked_and_in_review_need_the_operator(status: str, needs_you: bool) -> None:
    assert node(pin=IssuePin("ENG-1", status=status)).needs_you is needs_you


def test_a_client_that_asks_something_needs_the_operator() -> None:
    asking = ClientProcess(status="waiting")
    assert (node(client=asking).chip, node(client=asking).needs_you) == ("wait", True)
    assert node(client=asking, pin=IssuePin("ENG-1", status="Todo")).chip == "wait"
    assert node(client=asking, pin=IssuePin("ENG-1", status="Blocked")).chip == "block"
    # With a request in flight it continues by itself.
    assert node(client=asking, inflight=True).needs_you is False


def test_two_sessions_on_one_issue_collide_whatever_its_spelling() -> None:
    sources = Sources(
        registry={B: RegistryRow(pinned_issue="eng-1")}, pins={A: IssuePin("ENG-1"), C: IssuePin("ENG-2")}
    )
    nodes = deck_model(deck(binding(A), binding(B), binding(C), binding(A, "one")), sources).nodes
    assert {key for key, one in nodes.items() if one.collision} == {A, B}
    # A session that is no longer shown collides with none.
    nodes = deck_model(deck(binding(A), binding(B, idle=4000)), sources).nodes
    assert not nodes[A].collision


def test_a_sub_agent_has_its_sessions_issue_but_not_its_chip() -> None:
    sources = Sources(pins={A: IssuePin("ENG-1", status="Blocked")}, registry={A: RegistryRow(emoji="🛠")})
    agent = deck_model(deck(binding(A), binding(A, "a1d8b83e4d9184d38")), sources).nodes[
        f"{A}/a1d8b83e4d9184d38"
    ]
    assert (agent.issue, agent.emoji, agent.chip, agent.needs_you) == ("ENG-1", "🛠", "", False)
    assert agent.label == "a1d8b83e"


# --- what it does ---------------------------------------------------------------------------------


def test_tool_and_answer_are_distinguished() -> None:
    assert (node(tool=NOW - 5).tool_running, node(tool=NOW - 5).inference) == (True, False)
    assert (node(inflight=True).tool_running, node(inflight=True).inference) == (False, True)
    assert node(tool=NOW - 200).tool_running is False
    assert node(calling=True).tool_running is True
    assert node(calling=True, inflight=True).tool_running is False


def test_warmth_idleness_and_pins_are_the_bindings() -> None:
    nodes = deck_model(deck(binding(A, idle=300, warm=False, pinned=True))).nodes
    assert (nodes[A].live, nodes[A].idle) == (False, 300.0)
    assert (nodes[A].binding.warm, nodes[A].binding.pinned) == (False, True)
