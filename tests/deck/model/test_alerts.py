"""What needs the operator, and that the bell rings once for it."""

from __future__ import annotations

from teamclaude.deck.model.build import deck_model, new_alerts
from teamclaude.deck.model.model import (
    Alert,
    DeckModel,
)
from teamclaude.deck.sources.sources import (
    ClientProcess,
    IssuePin,
    Sources,
)
from tests.deck.snapshot_json import account, binding, deck, sid

A, B = sid(1), sid(2)


def frame(status: str = "", **fields: object) -> DeckModel:
    return deck_model(deck(binding(A), **fields), Sources(pins={A: IssuePin("ENG-1", status=status)}))


def test_each_reason() -> None:
    assert frame().alerts == frozenset()
    assert frame("Blocked").alerts == {Alert("blocked", "ENG-1")}
    assert frame("In Review").alerts == {Alert("review", "ENG-1")}
    assert frame(accounts=[account("bob", status="auth_failed")]).alerts == {Alert("login", "bob")}
    assert frame(accounts=[account("bob", status="benched")]).alerts == frozenset()
    assert frame(capacity={"verdict": "red"}).alerts == {Alert("pool red")}
    assert frame(capacity={"verdict": "yellow"}).alerts == frozenset()


def test_one_issue_pinned_twice_is_one_reason() -> None:
    pins = {A: IssuePin("ENG-1"), B: IssuePin("eng-1")}
    assert deck_model(deck(binding(A), binding(B)), Sources(pins=pins)).alerts == {
        Alert("collision", "eng-1")
    }


def test_a_question_in_a_terminal_is_marked_but_does_not_ring() -> None:
    model = deck_model(deck(binding(A)), Sources(clients={A: ClientProcess(status="waiting")}))
    assert model.nodes[A].needs_you
    assert model.totals.counts.needs_you == 1
    assert model.alerts == frozenset()


def test_new_alerts_ring_the_bell() -> None:
    calm, blocked, review = frame().alerts, frame("Blocked").alerts, frame("In Review").alerts
    assert new_alerts(calm, blocked) == blocked
    assert new_alerts(blocked, blocked) == frozenset()
    assert new_alerts(blocked, calm) == frozenset()
    assert new_alerts(blocked, review) == review
    both = blocked | frame(capacity={"verdict": "red"}).alerts
    assert new_alerts(blocked, both) == {Alert("pool red")}


def test_it_rings_again_when_the_reason_comes_back() -> None:
    calm, blocked = frame().alerts, frame("Blocked").alerts
    assert [
        len(new_alerts(before, after))
        for before, after in ((calm, blocked), (blocked, calm), (calm, blocked))
    ] == [
        1,
        0,
        1,
    ]


def test_the_first_frame_does_not_ring() -> None:
    assert new_alerts(None, frame("Blocked").alerts) == frozenset()
