"""Sums of requests: each number by hand, in whatever order the requests ended."""

from __future__ import annotations

from teamclaude.history.rows import RequestFacts, RunningTotals, UsageTotals
from teamclaude.routing.quota.usage import Usage

FACTS = (
    RequestFacts(200.0, usage=Usage(1, 2, 3), cost=0.5, ttfb_sec=1.0, duration_sec=4.0),
    # The tokens of an earlier attempt: no request of its own.
    RequestFacts(100.0, attempts=0, usage=Usage(10), duration_sec=9.0),
    RequestFacts(300.0, outcome="held out", attempts=0, waited_sec=30.0),
    RequestFacts(250.0, attempts=3, waited_sec=5.0, usage=Usage(5), cost=0.25, cost_estimated=True),
)


def summed(order: tuple[int, ...]) -> UsageTotals:
    running = RunningTotals()
    for place in order:
        running.add_all([FACTS[place]])
    return running.totals()


def test_a_sum_has_each_request_once() -> None:
    totals = summed((0, 1, 2, 3))
    assert (totals.requests, totals.served, totals.errors) == (3, 2, {"held out": 1})
    assert (totals.usage, totals.unpriced_tokens) == (Usage(16, 2, 3), 10)
    assert (totals.cost, totals.cost_estimated) == (0.75, True)
    assert (totals.failovers, totals.waits, totals.waited_sec) == (2, 2, 35.0)
    assert (totals.ttfb.count, totals.duration.count, totals.duration.sum) == (1, 1, 4.0)
    assert (totals.first_at, totals.last_at) == (100.0, 300.0)


def test_the_order_and_the_way_of_adding_up_change_nothing() -> None:
    expected = summed((0, 1, 2, 3))
    assert summed((2, 3, 1, 0)) == expected
    at_once = RunningTotals()
    at_once.add_all(FACTS)
    assert at_once.totals() == expected
    one_by_one = UsageTotals()
    for facts in FACTS:
        one_by_one = one_by_one.plus(UsageTotals.of(facts))
    assert one_by_one == expected
