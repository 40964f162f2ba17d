"""The events of a demo: which get a line, and what is counted."""

from __future__ import annotations

from typing import Any

from teamclaude.demo.event_log import EventLog, WindowState
from teamclaude.snapshot import Activity

T0 = 1_795_000_000.0

SERVED = Activity(
    "tc-1", T0, "POST", "/v1/messages", session="3f2a91c0-1", status=200, outcome="served", cost=0.5
)


def record(*accounts: str, reason: str = "kept warm", **changes: Any) -> Activity:
    return SERVED._replace(accounts=accounts, reason=reason, **changes)


def lines_of(log: EventLog, *records: Activity) -> list[str]:
    for each in records:
        log.add_request(each)
    return [line.partition("· ")[2] for line in log.take_lines()]


def test_bindings_moves_and_failovers_have_a_line_and_the_rest_is_only_counted() -> None:
    log = EventLog(lambda activity: activity.id)
    assert lines_of(
        log,
        record("alice", reason="new session"),
        record("alice"),
        record("alice", agent="a1", reason="new session"),
        record("bob", agent="a2", reason="new session"),
        record("alice", "bob", reason="hard cap"),
        record("bob"),
        record("carol", reason="account benched"),
        record("carol", outcome="upstream error", status=500, reason="500"),
        record(outcome="held out", status=429, reason="no account usable", cost=None),
    ) == [
        "bound to alice: new session",
        "sub-agent bound to bob: new session",
        "failover alice → bob: hard cap",
        "moved bob → carol: account benched",
        "upstream error: 500",
        "refused: no account usable",
    ]
    totals = log.totals
    assert (totals.requests, totals.failovers, totals.cost) == (9, 1, 4.0)
    assert totals.reasons == {"new session": 3, "kept warm": 2, "hard cap": 1, "account benched": 1}
    assert totals.served_by == {"alice": 3, "bob": 3, "carol": 1}


def test_a_failover_without_another_reason_names_who_refused() -> None:
    log = EventLog(lambda activity: activity.id)
    assert lines_of(log, record("bob", "carol", "alice", reason="failover")) == [
        "failover bob → carol → alice: refused by bob, carol"
    ]


def test_a_retry_on_the_same_account_is_no_failover() -> None:
    log = EventLog(lambda activity: activity.id)
    lines_of(log, record("alice"), record("alice", "alice"))
    assert log.totals.failovers == 0


def test_tokens_of_unknown_price_are_counted_apart() -> None:
    log = EventLog(lambda activity: activity.id)
    log.add_request(record("alice", cost=None, input_tokens=10, output_tokens=5, cache_read_tokens=None))
    assert (log.totals.cost, log.totals.unpriced_tokens) == (0.0, 15)


def test_limits_and_resets_have_one_line_each() -> None:
    log = EventLog(lambda activity: activity.id)
    states = [
        WindowState("alice", "5h", 0.5, T0 + 600, False),
        WindowState("alice", "5h", 1.02, T0 + 600, True),
        WindowState("alice", "5h", 1.03, T0 + 600, True),
        WindowState("alice", "5h", 0.0, None, False),
        WindowState("alice", "5h", 0.01, T0 + 18_600, False),
    ]
    lines = []
    for number, state in enumerate(states):
        log.observe_windows([state], T0 + 60 * number)
        lines.append([line[9:] for line in log.take_lines()])
    assert lines[0] == lines[2] == lines[4] == []
    assert lines[1][0].startswith("LIMIT alice: the 5h window is full (102%), back at ")
    assert lines[1][0].endswith("(in 9 min)")
    assert lines[3] == ["RESET alice: a new 5h window"]
    assert (log.totals.limits, log.totals.resets) == (1, 1)
