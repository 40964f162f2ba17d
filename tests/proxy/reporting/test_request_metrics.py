"""What is counted of a finished request, by which names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Optional

import pytest

from teamclaude.metrics.request_counts import MAX_ACCOUNTS
from teamclaude.proxy.http.path_kinds import PathKind
from teamclaude.proxy.messages.access import Caller
from teamclaude.proxy.records.exchange import Outcome
from teamclaude.proxy.records.notices import BENCH, Notice
from teamclaude.proxy.reporting.request_metrics import RequestMetrics, model_label
from teamclaude.routing.quota.usage import NO_USAGE, UNMEASURED, Usage


def exchange(*attempts: tuple[str, Optional[int]], **changes: Any) -> Any:
    values = {
        "attempts": [SimpleNamespace(account=account, status=status) for account, status in attempts],
        "status": 200,
        "route": SimpleNamespace(kind=PathKind.INFERENCE),
        "facts": SimpleNamespace(model="claude-opus-4-8"),
        "outcome": Outcome.SERVED,
        "waits": (),
        "caller": Caller(None, True),
        "client_limit": "",
        "usage": NO_USAGE,
        "cost": None,
        "ttfb": 0.5,
        "duration": 3.0,
    }
    return SimpleNamespace(**{**values, **changes})


def counted(*exchanges: Any) -> Any:
    metrics = RequestMetrics()
    metrics.record_all(exchanges)
    return metrics.counts()


def test_each_change_of_the_account_is_a_failover_of_the_one_left() -> None:
    counts = counted(exchange(("a", 429), ("", None), ("b", None), ("b", 529), ("c", 200)))
    assert counts.failovers == {"a": 1, "b": 1}
    assert counts.responses == {("a", 429): 1, ("b", None): 1, ("b", 529): 1, ("c", 200): 1}
    assert list(counts.requests) == [("messages", "c", "opus-4", "served", "2xx")]


def test_a_request_without_account_status_or_model_is_counted() -> None:
    refused = exchange(status=None, outcome=Outcome.CLIENT_GONE, facts=SimpleNamespace(model=None), ttfb=None)
    counts = counted(refused)
    assert list(counts.requests) == [("messages", "", "", "client gone", "none")]
    assert (dict(counts.ttfb), counts.duration[""].count) == ({}, 1)


def test_only_messages_have_durations() -> None:
    counts = counted(exchange(route=SimpleNamespace(kind=PathKind.COUNT_TOKENS)))
    assert (dict(counts.ttfb), dict(counts.duration)) == ({}, {})
    assert next(iter(counts.requests))[0] == "count_tokens"


def test_usage_is_counted_by_account_and_model_and_by_client() -> None:
    ours = exchange(("a", 200), usage=Usage(1, 2, 3, 4, 5), cost=0.5, caller=Caller("ci", True))
    counts = counted(ours, ours, exchange(("a", 200), usage=UNMEASURED))
    assert counts.usage["a", "opus-4"].usage == Usage(2, 4, 6, 8, 10, 1)
    assert counts.usage["a", "opus-4"].cost == 1.0
    assert (counts.client_requests, counts.clients["ci"].cost) == ({"ci": 2}, 1.0)


def test_refusals_are_counted_by_client_and_limit() -> None:
    refused = exchange(status=429, outcome=Outcome.REFUSED, caller=Caller("ci", True), client_limit="share")
    counts = counted(refused, refused, exchange(caller=Caller("ci", True)))
    assert counts.client_refused == {("ci", "share"): 2}
    assert counts.copy().client_refused == counts.client_refused


def test_each_wait_is_counted_by_its_kind() -> None:
    waits = tuple(SimpleNamespace(kind=kind, seconds=2.0) for kind in ("held", "slot", "held"))
    counts = counted(exchange(waits=waits))
    assert {kind: each.count for kind, each in counts.waits.items()} == {"held": 2, "slot": 1}


def test_any_number_of_accounts_is_bounded() -> None:
    counts = counted(*(exchange((f"a{n}", 200), usage=Usage(1)) for n in range(MAX_ACCOUNTS + 20)))
    assert len(counts.requests) == len(counts.usage) == len(counts.responses) == MAX_ACCOUNTS + 1


def test_lines_of_the_log_are_counted_and_known_kinds_begin_at_0() -> None:
    metrics = RequestMetrics()
    metrics.notice(Notice(BENCH, "a", "429"), 5.0)
    others = dict.fromkeys(("held", "limit", "reset", "tunnel", "client", "api"), 0)
    assert metrics.counts().events == {"bench": 1, **others}


@pytest.mark.parametrize(
    ("model", "label"),
    [
        ("claude-opus-4-8", "opus-4"),
        ("claude-opus-4-8-20260101", "opus-4"),
        ("claude-opus-5-5", "opus-5-5"),
        ("claude-opus-7", "opus"),
        ("opus", "opus"),
        ("claude-mythos-9", "mythos"),
        ("claude-3-5-haiku-20241022", "haiku"),
        ("gpt", "other"),
        ("x" * 10_000, "other"),
        ("", ""),
        (None, ""),
    ],
)
def test_a_model_is_one_of_few_names(model: Optional[str], label: str) -> None:
    assert model_label(model) == label
