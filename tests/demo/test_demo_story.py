"""What the demo says and counts: scenario, chronicle and table, without running anything."""

from __future__ import annotations

from collections import Counter
from typing import Any

from teamclaude.demo.event_log import DemoTotals, EventLog, WindowState, plain_line
from teamclaude.demo.report import DemoResult, report_lines
from teamclaude.demo.scenario import make_accounts, reset_at, usage_events
from teamclaude.demo.sessions import SessionCounts, VisibleError
from teamclaude.snapshot import Activity, Snapshot

T0 = 1_795_000_000.0
OPUS = "claude-opus-4-8"


SERVED = Activity(
    "tc-1", T0, "POST", "/v1/messages", session="3f2a91c0-1", status=200, outcome="served", cost=0.5
)


def record(*accounts: str, reason: str = "kept warm", **changes: Any) -> Activity:
    return SERVED._replace(accounts=accounts, reason=reason, **changes)


def told(chronicle: EventLog, *records: Activity) -> list[str]:
    for each in records:
        chronicle.add_request(each)
    return [line.partition("· ")[2] for line in chronicle.take_lines()]


def test_bindings_moves_and_failovers_are_told_and_the_rest_is_only_counted() -> None:
    chronicle = EventLog(plain_line)
    assert told(
        chronicle,
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
    totals = chronicle.totals
    assert (totals.requests, totals.failovers, totals.cost) == (9, 1, 4.0)
    assert totals.reasons == {"new session": 3, "kept warm": 2, "hard cap": 1, "account benched": 1}
    assert totals.served_by == {"alice": 3, "bob": 3, "carol": 1}


def test_a_retry_on_the_same_account_is_no_failover() -> None:
    chronicle = EventLog(plain_line)
    told(chronicle, record("alice"), record("alice", "alice"))
    assert chronicle.totals.failovers == 0


def test_tokens_of_unknown_price_are_counted_apart() -> None:
    chronicle = EventLog(plain_line)
    chronicle.add_request(
        record("alice", cost=None, input_tokens=10, output_tokens=5, cache_read_tokens=None)
    )
    assert (chronicle.totals.cost, chronicle.totals.unpriced_tokens) == (0.0, 15)


def test_limits_and_resets_are_told_once() -> None:
    chronicle = EventLog(plain_line)
    states = [
        WindowState("alice", "5h", 0.5, T0 + 600, False),
        WindowState("alice", "5h", 1.02, T0 + 600, True),
        WindowState("alice", "5h", 1.03, T0 + 600, True),
        WindowState("alice", "5h", 0.0, None, False),
        WindowState("alice", "5h", 0.01, T0 + 18_600, False),
    ]
    lines = []
    for number, state in enumerate(states):
        chronicle.observe_windows([state], T0 + 60 * number)
        lines.append([line[9:] for line in chronicle.take_lines()])
    assert lines[0] == lines[2] == lines[4] == []
    assert lines[1][0].startswith("LIMIT alice: the 5h window is full (102%), back at ")
    assert lines[1][0].endswith("(in 9 min)")
    assert lines[3] == ["RESET alice: a new 5h window"]
    assert (chronicle.totals.limits, chronicle.totals.resets) == (1, 1)


def test_the_cast_begins_usable_alike_and_one_is_to_run_into_its_limit() -> None:
    length = 1200.0
    accounts = make_accounts(10, 6, T0, length)
    assert len({account.name for account in accounts}) == 10
    assert all(account.usable(OPUS, T0) for account in accounts)
    first, *rest = accounts
    assert first.windows["5h"].reset_at == int(T0 + reset_at(length))
    assert all((account.windows["5h"].reset_at or 0) > T0 + length for account in rest)
    by_name = {account.name: account for account in accounts}
    for cue in usage_events(length, 10):
        assert 0 < cue.at < reset_at(length) < length
        by_name[cue.account].fill(cue.axis, cue.utilization, T0 + cue.at)
    near, full = usage_events(length, 10)
    assert full.account == first.name
    assert near.account == accounts[-1].name
    assert not first.usable(OPUS, T0 + full.at)
    assert first.usable(OPUS, T0 + reset_at(length))
    assert accounts[-1].usable(OPUS, T0 + near.at), "near its limit is not at it"
    assert [cue.axis for cue in usage_events(length, 2)] == ["5h"], "of two accounts one must have room"


def test_usable_may_mean_below_a_ceiling_as_headers_show_it() -> None:
    account = make_accounts(1, 1, T0, 1200.0)[0]
    account.fill("5h", 0.976, T0)
    assert account.usable(OPUS, T0)
    assert not account.usable(OPUS, T0, 0.98)
    account.fill("5h", 0.974, T0)
    assert account.usable(OPUS, T0, 0.98)


def result(**changes: Any) -> DemoResult:
    counts = SessionCounts(requests=1234, attempts=1300, served=1232)
    counts.tokens = Counter(input_tokens=5, cache_read_input_tokens=2_000_000, output_tokens=30)
    counts.visible_errors = [
        VisibleError("429", OPUS, T0, T0, False),
        VisibleError("529", OPUS, T0, T0, True),
    ]
    totals = DemoTotals(requests=1300, failovers=3, limits=1, resets=2, cost=12.5)
    totals.reasons = Counter({"kept warm": 1200, "new session": 32})
    totals.served_by = Counter(alice=1000)
    snapshot = {
        "accounts": [
            {
                "name": "alice",
                "status": "benched",
                "statusReason": "5h full",
                "quota": {"unified5h": 1.0, "unified7d": None},
            }
        ]
    }
    values = {
        "sessions": 6,
        "seed": 1,
        "real_sec": 20.0,
        "demo_sec": 1201.0,
        "counts": counts,
        "totals": totals,
        "snapshot": Snapshot.from_json(snapshot),
    }
    return DemoResult(**{**values, **changes})


def test_the_table_has_every_figure() -> None:
    text = "\n".join(report_lines(result()))
    for words in (
        "6 sessions, 20 s = 20 min 1 s on the demo's clock, seed 1",
        "requests                    1,234",
        "served                      1,232",
        "failovers                   3",
        "client-visible errors       2 (1 × 429, 1 × 529; 1 while an account was usable)",
        "limits hit / window resets  1 / 2",
        "cache reads                 2,000,000",
        "cost at API prices          $12.50",
        "kept warm       1,200",
        "alice    1,000   100%  —   benched 5h full",
    ):
        assert words in text, words
    assert result().avoidable == 1


def test_an_empty_run_still_has_a_table() -> None:
    lines = report_lines(
        result(counts=SessionCounts(), totals=DemoTotals(), snapshot=Snapshot(), demo_sec=7300.0)
    )
    assert any("client-visible errors       0 (0 while an account was usable)" in line for line in lines)
    assert "2 h 1 min" in lines[1]
