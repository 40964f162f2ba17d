"""The usage by issue of the last days, in memory."""

from __future__ import annotations

import pytest

from teamclaude.history.issue_totals import IssueTotals
from teamclaude.routing.quota.usage import Usage

from .conftest import NOON, facts

HOUR, DAY = 3600.0, 86400.0


def test_it_sums_conversations_requests_tokens_and_cost() -> None:
    totals = IssueTotals(7 * DAY)
    totals.add_all([facts(at=NOON, tokens=1, issue="ENG-1")])
    totals.add_all([facts(at=NOON + 1, tokens=2, issue="ENG-1", conversation="s1/a", cost_estimated=True)])
    totals.add_all([facts(at=NOON + 2, tokens=4, issue="ENG-1", outcome="refused")])
    totals.add_all([facts(at=NOON + 3, usage=Usage(0, 16), cost=None)])
    first, second = totals.view()
    assert (first.issue, first.sessions, first.requests) == ("ENG-1", 2, 2)
    assert (first.usage.tokens, first.usage.cost_estimated, first.last_seen) == (7, True, NOON + 2)
    assert first.usage.cost == pytest.approx(7e-6)
    assert (second.issue, second.sessions, second.usage.cost) == (None, 1, None)
    assert (second.usage.output_tokens, second.usage.unpriced_tokens) == (16, 16)


def test_a_conversation_of_two_days_is_one() -> None:
    totals = IssueTotals(7 * DAY)
    for at in (NOON, NOON + DAY):
        totals.add_all([facts(at=at, issue="ENG-1")])
    (issue,) = totals.view()
    assert (issue.sessions, issue.requests) == (1, 2)


def test_what_is_older_than_the_retention_goes_when_a_day_begins() -> None:
    totals = IssueTotals(2 * HOUR)
    midnight = NOON + 12 * HOUR
    totals.add_all([facts(at=midnight - 7201, issue="OLD")])
    totals.add_all([facts(at=midnight - 7199, issue="KEPT")])
    totals.add_all([facts(at=midnight - 1, issue="KEPT")])
    assert {view.issue for view in totals.view()} == {"OLD", "KEPT"}
    totals.add_all([facts(at=midnight, issue="NEW")])
    assert {view.issue for view in totals.view()} == {"KEPT", "NEW"}


def test_a_reload_changes_the_retention() -> None:
    totals = IssueTotals(7 * DAY)
    totals.add_all([facts(at=NOON, issue="OLD")])
    totals.configure(HOUR)
    totals.add_all([facts(at=NOON + DAY, issue="NEW")])
    assert [view.issue for view in totals.view()] == ["NEW"]


def test_an_unchanged_sum_is_the_same_object() -> None:
    totals = IssueTotals(DAY)
    assert totals.view() == ()
    totals.add_all([facts()])
    assert totals.view() is totals.view()
