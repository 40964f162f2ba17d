from __future__ import annotations

import pytest

from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.quota.usage import Usage
from teamclaude.routing.state.ledger import Ledger, LedgerKey, LedgerRow

DAY, HOUR = 86400, 3600
WEEK = 168 * HOUR


def add(ledger, now, conversation="s", dollars=0.5, model="claude-opus-4-8", served=True, estimated=False):
    key = LedgerKey(conversation, "", "a", int(now // DAY))
    ledger.add(key, Usage(1, 2), dollars, model, served, now, WEEK, estimated)


def test_rows_add_up_per_conversation_issue_account_and_day():
    ledger = Ledger()
    add(ledger, 10 * DAY)
    add(ledger, 10 * DAY + 5, model="claude-haiku-4-5")
    add(ledger, 10 * DAY + 9, conversation="t")
    add(ledger, 11 * DAY)
    assert sorted((k.conversation, k.day, row.requests) for k, row in ledger.rows.items()) == [
        ("s", 10, 2),
        ("s", 11, 1),
        ("t", 10, 1),
    ]
    row = ledger.rows[LedgerKey("s", "", "a", 10)]
    assert (row.usage, row.cost, row.first_seen, row.last_seen) == (Usage(2, 4), 1.0, 10 * DAY, 10 * DAY + 5)
    assert row.models == {"claude-opus-4-8": 3, "claude-haiku-4-5": 3}


def test_an_attempt_that_was_not_served_adds_its_tokens_but_no_request():
    ledger = Ledger()
    add(ledger, 10 * DAY, served=False)
    add(ledger, 10 * DAY)
    ((row,), requests) = (ledger.rows.values(), [r.requests for r in ledger.rows.values()])
    assert (requests, row.usage) == ([1], Usage(2, 4))


def test_an_unknown_price_counts_tokens_instead_of_dollars():
    ledger = Ledger()
    add(ledger, 10 * DAY, dollars=None, model=None)
    (row,) = ledger.rows.values()
    assert (row.cost, row.unpriced_tokens, row.models) == (0.0, 3, {})


def test_an_estimate_marks_the_row_for_good():
    ledger = Ledger()
    add(ledger, 10 * DAY)
    (row,) = ledger.rows.values()
    assert not row.cost_estimated
    add(ledger, 10 * DAY, estimated=True)
    add(ledger, 10 * DAY)
    assert row.cost_estimated


@pytest.mark.parametrize(("age", "kept"), [(WEEK, True), (WEEK + 1, False)])
def test_rows_are_kept_for_the_retention_and_dropped_when_a_day_begins(age, kept):
    ledger = Ledger()
    add(ledger, 30 * DAY - age, conversation="old")
    assert ("old" in {key.conversation for key in ledger.rows}) is True
    add(ledger, 30 * DAY)
    assert ("old" in {key.conversation for key in ledger.rows}) is kept


def test_stored_rows_share_nothing_with_the_ledger_and_come_back():
    ledger = Ledger()
    add(ledger, 10 * DAY)
    (stored,) = [LedgerRow.to_json(*row) for row in ledger.copy_rows()]
    add(ledger, 10 * DAY, model="claude-haiku-4-5")
    assert stored["models"] == {"claude-opus-4-8": 3}
    saved = LenientObject(stored, "x", [])
    again = Ledger()
    again.restore_row(LedgerKey.from_json(saved), LedgerRow.from_json(saved))
    assert [LedgerRow.to_json(*row) for row in again.copy_rows()] == [stored]


def test_a_restored_ledger_goes_on_forgetting():
    again = Ledger()
    for day in (1, 30):
        again.restore_row(LedgerKey("s", "", "a", day), LedgerRow(last_seen=day * DAY))
    add(again, 30 * DAY + 5)
    assert len(again.rows) == 2  # the same day: nothing is looked at
    add(again, 31 * DAY)
    assert sorted(key.day for key in again.rows) == [30, 31]
