"""Counts of requests: buckets, bounds on names, copies that do not change."""

from __future__ import annotations

import pytest

from teamclaude.metrics import families as f
from teamclaude.metrics.exposition import Collection, HistogramValue
from teamclaude.metrics.request_counts import (
    MAX_ACCOUNTS,
    MAX_CLIENTS,
    MAX_KINDS,
    RequestCounts,
    UsageCounts,
)
from teamclaude.metrics.request_samples import BOUNDS, add_requests
from teamclaude.routing.quota.usage import Usage

KEY = ("messages", "alice", "opus-4", "served", "2xx")


def test_a_bucket_takes_what_is_at_most_its_bound() -> None:
    counts, to = RequestCounts(), Collection()
    values = (0.0, BOUNDS[0], BOUNDS[0] * 1.01, BOUNDS[0] * 1.9, BOUNDS[-1], BOUNDS[-1] * 1.1, 1e9)
    for value in values:
        counts.ttfb["opus-4"].add(value)
    add_requests(to, counts)
    shown = to.families[f.TTFB]["opus-4",]
    assert isinstance(shown, HistogramValue)
    assert list(shown.counts) == [2, 2, *([0] * (len(BOUNDS) - 3)), 1, 2]
    assert sum(shown.counts) == len(values)
    assert shown.sum == pytest.approx(sum(values))


def test_bounds_are_the_powers_of_two_that_native_histograms_have() -> None:
    assert [2.0**power for power in range(-6, 11)] == list(BOUNDS)


def test_tokens_without_a_price_are_counted_apart() -> None:
    used = UsageCounts()
    used.add_all([(Usage(1, 2, 3, 4, 5), 0.5)])
    used.add_all([(Usage(10, 0, 0, 0, 1, 1), None)])
    assert (used.usage, used.cost, used.unpriced) == (Usage(11, 2, 3, 4, 6, 1), 0.5, 11)


def test_names_beyond_a_number_are_other() -> None:
    counts = RequestCounts()
    accounts = {counts.account(f"a{n}") for n in range(MAX_ACCOUNTS + 50)}
    assert len(accounts) == MAX_ACCOUNTS + 1
    assert (counts.account("a0"), counts.account("z"), counts.account("")) == ("a0", "other", "")
    for number in range(MAX_CLIENTS + 50):
        counts.clients[counts.client(f"c{number}")].add_all([(Usage(1), None)])
        counts.event(f"e{number}")
    assert len(counts.clients) == MAX_CLIENTS + 1
    assert counts.clients["other"].usage == Usage(50)
    assert len(counts.events) == MAX_KINDS + 1


def test_a_copy_does_not_change_with_the_counts() -> None:
    counts = RequestCounts()
    counts.requests[KEY] += 1
    counts.ttfb["opus-4"].add(1.0)
    counts.usage["alice", "opus-4"].add_all([(Usage(1, 1, 1, 1, 1), 1.0)])
    copy = counts.copy()
    counts.requests[KEY] += 1
    counts.ttfb["opus-4"].add(1.0)
    counts.usage["alice", "opus-4"].add_all([(Usage(1, 1, 1, 1, 1), 1.0)])
    assert copy.requests[KEY] == 1
    assert (copy.ttfb["opus-4"].count, copy.ttfb["opus-4"].sum) == (1, 1.0)
    assert (copy.usage["alice", "opus-4"].usage, copy.usage["alice", "opus-4"].cost) == (
        Usage(1, 1, 1, 1, 1),
        1.0,
    )


def test_the_samples_of_all_counts() -> None:
    counts = RequestCounts()
    counts.requests[KEY] = 2
    counts.responses["alice", 200] = 2
    counts.responses["alice", 418] = 1
    counts.responses["alice", 422] = 1
    counts.responses["alice", 429] = 1
    counts.responses["alice", None] = 1
    counts.failovers["alice"] = 1
    counts.usage["alice", "opus-4"].add_all([(Usage(1, 2, 3, 4, 5, 1), None)])
    counts.client_requests["ci"] = 1
    counts.clients["ci"].add_all([(Usage(1, 2, 3, 4, 5), 0.25)])
    counts.waits["held"].add(3.0)
    counts.event("bench")
    to = Collection()
    add_requests(to, counts)
    found = to.families
    assert found[f.REQUESTS] == {KEY: 2}
    assert found[f.RESPONSES] == {
        ("alice", "200"): 2,
        ("alice", "4xx"): 2,
        ("alice", "429"): 1,
        ("alice", "none"): 1,
    }
    assert found[f.FAILOVERS] == {("alice",): 1}
    assert found[f.TOKENS]["alice", "opus-4", "cache_write_1h"] == 5
    assert (found[f.UNPRICED], found[f.UNMEASURED]) == ({("alice", "opus-4"): 15}, {("alice", "opus-4"): 1})
    assert (found[f.CLIENT_TOKENS]["ci", "output"], found[f.CLIENT_COST]["ci",]) == (2, 0.25)
    held = found[f.WAIT]["held",]
    assert isinstance(held, HistogramValue)
    assert (sum(held.counts), held.sum) == (1, 3.0)
    assert found[f.EVENTS] == {("bench",): 1}
