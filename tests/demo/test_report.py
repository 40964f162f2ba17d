"""The table at the end of a demo."""

from __future__ import annotations

from collections import Counter
from typing import Any

from teamclaude.demo.event_log import DemoTotals
from teamclaude.demo.report import DemoResult, report_lines
from teamclaude.demo.sessions import SessionCounts, VisibleError
from teamclaude.snapshot import Snapshot

T0 = 1_795_000_000.0
OPUS = "claude-opus-4-8"


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
    table = "\n".join(report_lines(result()))
    for text in (
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
        assert text in table, text
    assert result().avoidable == 1


def test_an_empty_run_still_has_a_table() -> None:
    lines = report_lines(
        result(counts=SessionCounts(), totals=DemoTotals(), snapshot=Snapshot(), demo_sec=7300.0)
    )
    assert any("client-visible errors       0 (0 while an account was usable)" in line for line in lines)
    assert "2 h 1 min" in lines[1]
