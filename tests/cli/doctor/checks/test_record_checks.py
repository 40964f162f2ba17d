"""Findings about what a server writes."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.cli.doctor.checks.record_checks import check_records
from teamclaude.cli.doctor.facts.record_facts import HistoryFacts, RecordFacts, StateFacts
from teamclaude.cli.doctor.finding import Action
from tests.cli.doctor.support import by_id, ids

STATE = StateFacts("/c/t.state.json", True, "", 2000, 5000.0)
HISTORY = HistoryFacts("/c/t.history.db", True, size=1_500_000)
GOOD = RecordFacts(STATE, HISTORY)


def test_good_ones() -> None:
    assert check_records(GOOD, 100.0) == ("records", "history 1.5 MB, state 2 kB", [])
    assert check_records(RecordFacts(StateFacts("s"), HistoryFacts("h")), 100.0).summary == "none yet"
    slow = GOOD._replace(history=HISTORY._replace(was_checked=False))
    assert check_records(slow, 100.0).summary == "history 1.5 MB, not checked, state 2 kB"


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        (GOOD._replace(state=STATE._replace(problem="is no JSON object")), "records.state"),
        (GOOD._replace(history=HISTORY._replace(problem="can't be read")), "records.history"),
        (GOOD._replace(history=HISTORY._replace(damage="malformed")), "records.history-damaged"),
        (GOOD._replace(history=HISTORY._replace(is_newer=True)), "records.history-newer"),
        (GOOD._replace(history=HISTORY._replace(size=130_000_000)), "records.history-size"),
        (GOOD._replace(corrupt=("/c/t.state.json.corrupt-1",)), "records.corrupt"),
        (GOOD._replace(replaced=("/c/t.replaced-1.json",)), "records.replaced"),
        (GOOD._replace(held_lock="/c/t.json.lock"), "records.lock"),
        (GOOD._replace(log_dangers=("others can replace; run: chmod go-w /l",)), "records.logs"),
        (GOOD._replace(alert_problems=("x is not on the PATH",)), "alerts.program"),
    ],
)
def test_what_is_wrong(facts: RecordFacts, wanted: str) -> None:
    assert ids(check_records(facts, 100.0)) == [wanted]


def test_all_may_be_kept() -> None:
    assert ids(check_records(GOOD._replace(history=HISTORY._replace(size=10**9)), 0.0)) == []


@pytest.mark.parametrize("saved_at", [5000.0, None])  # None: a new server has no file before the first save
@pytest.mark.parametrize(
    ("last_used", "now", "wanted"),
    [
        (9000.0, 9005.0, []),  # it saves within 10 s, however long it had nothing to save
        (9000.0, 9200.0, ["records.not-saved"]),
        (0.0, 9200.0, []),
    ],
)
def test_a_server_that_does_not_save(
    saved_at: Optional[float], last_used: float, now: float, wanted: list[str]
) -> None:
    facts = GOOD._replace(state=GOOD.state._replace(saved_at=saved_at))
    assert ids(check_records(facts, 100.0, last_used, now)) == wanted


def test_a_state_saved_since_the_last_request_is_none_that_is_late() -> None:
    facts = GOOD._replace(state=GOOD.state._replace(saved_at=5000.0))
    assert ids(check_records(facts, 100.0, 4990.0, 9000.0)) == []


def test_modes_and_left_over_files_can_be_mended() -> None:
    facts = GOOD._replace(
        readable=(("/c/t.tls", 0o755), ("/c/t.state.json", 0o644)), temporary=("/c/.t.x.tmp",)
    )
    actions = [each.fix.action for each in check_records(facts, 100.0).findings if each.fix]
    assert actions == [
        Action("chmod", "/c/t.tls", 0o700),
        Action("chmod", "/c/t.state.json", 0o600),
        Action("remove", "/c/.t.x.tmp"),
    ]


def test_several_left_files_are_one_line() -> None:
    facts = GOOD._replace(corrupt=tuple(f"/c/{n}.corrupt" for n in range(5)))
    finding = by_id(check_records(facts, 100.0))["records.corrupt"]
    assert finding.text == "/c/0.corrupt and 4 more files can be removed"


def test_what_to_do_about_logs() -> None:
    first, second = check_records(GOOD._replace(log_dangers=("a; run: chmod go-w /l", "b")), 100.0).findings
    assert (first.text, first.mend) == ("a", "chmod go-w /l")
    assert (second.text, second.mend) == ("b", "mend logDir in the config file")


def test_one_left_file_and_one_kind_of_record() -> None:
    finding = by_id(check_records(GOOD._replace(corrupt=("/c/0.corrupt",)), 100.0))["records.corrupt"]
    assert finding.text == "/c/0.corrupt can be removed"
    assert (
        check_records(GOOD._replace(history=HistoryFacts("h")), 100.0).summary == "history 0.0 MB, state 2 kB"
    )
