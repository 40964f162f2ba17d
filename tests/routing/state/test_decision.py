from __future__ import annotations

import pytest

from teamclaude.routing.state.decision import (
    NO_CONSTRAINTS,
    Decision,
    Exclusion,
    LazyExclusions,
    Reason,
    RoutingRequest,
    Wait,
)


@pytest.mark.parametrize(
    ("ask", "conversation", "parent"),
    [
        (RoutingRequest(), None, None),
        (RoutingRequest(""), None, None),
        (RoutingRequest("s"), "s", None),
        (RoutingRequest("s", agent="x"), "s/x", "s"),
        (RoutingRequest("s", agent="y", parent_agent="x"), "s/y", "s/x"),
        (RoutingRequest(agent="x"), None, None),
    ],
)
def test_a_sub_agent_is_a_conversation_of_its_own_with_a_parent(ask, conversation, parent):
    assert (ask.conversation, ask.parent) == (conversation, parent)


def test_the_reasons_are_the_texts_that_are_shown():
    assert {
        "new session",
        "kept warm",
        "window lapsed",
        "account benched",
        "hard cap",
        "model cap",
        "5h rail",
        "over pace",
        "no slot",
        "account removed",
        "pinned",
        "API key yields",
    } <= {value for name, value in vars(Reason).items() if name.isupper()}


def test_a_record_names_accounts_and_falls_back_to_keys():
    excluded = (Exclusion("k2", "tie", "1 in flight"), Exclusion("k3", "priority"))
    decision = Decision("k1", Reason.OVER_PACE, "score +0.2", excluded, previous="k2", at=5.0)
    assert decision.as_json({"k1": "alice", "k2": "bob"}) == {
        "account": "alice",
        "reason": "over pace",
        "detail": "score +0.2",
        "previous": "bob",
        "excluded": [
            {"account": "bob", "rule": "tie", "detail": "1 in flight"},
            {"account": "k3", "rule": "priority", "detail": ""},
        ],
        "retryAt": None,
        "at": 5.0,
    }
    assert Decision(None, Reason.NOTHING_USABLE).as_json({})["account"] is None


def test_a_wait_is_for_a_slot_or_for_any_account():
    decision = Decision("a", Reason.KEPT)
    assert Wait(decision, 5.0, "a").is_for_slot
    assert not Wait(decision).is_for_slot
    assert Wait(decision).until == float("inf")


def test_exclusions_are_put_into_words_when_they_are_read():
    asked = []

    def tell():
        asked.append(1)
        return [Exclusion("b", "tie", "1 in flight")]

    decision = Decision("a", Reason.NEW, excluded=LazyExclusions(tell))
    assert asked == []
    assert decision.as_json({"b": "bob"})["excluded"] == [
        {"account": "bob", "rule": "tie", "detail": "1 in flight"}
    ]
    plain = Decision("a", Reason.NEW, excluded=(Exclusion("b", "tie", "1 in flight"),))
    assert decision == plain == decision
    assert hash(decision) == hash(plain)
    assert repr(decision) == repr(plain)
    assert decision != Decision("a", Reason.NEW)


def test_a_field_counts_as_a_constraint_unless_it_is_named_as_none() -> None:
    asked = RoutingRequest("s", model="opus", tried=("a",), owner="b")
    assert asked.constraints == RoutingRequest("t", "x", model="opus", tried=("a",), owner="b").constraints
    assert asked.constraints != asked._replace(owner="c").constraints
    assert frozenset(RoutingRequest._fields) > NO_CONSTRAINTS
