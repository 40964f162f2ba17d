"""Waiting times, kept and lost cache tokens: what people feel of a run."""

from __future__ import annotations

import pytest

from teamclaude.lab.api_model import ApiAccount, ApiResponse, ApiWindow, TokenWeights
from teamclaude.lab.clients import ActiveSession
from teamclaude.lab.run import PolicyRun
from teamclaude.lab.score import ScoreCounter, WaitingTimes
from teamclaude.lab.traffic import RequestTrace, SessionTrace
from teamclaude.lab.upper_bound import Demand
from teamclaude.lab.workload import WEEK_SEC, User
from teamclaude.routing.quota.windows import QuotaReading
from teamclaude.routing.state.decision import Decision, Lease, Reason, RoutingRequest

USER = User(0, ((0.0, 1e9),))
LIFE = 3600.0


@pytest.mark.parametrize(
    ("seconds", "half", "most", "over"),
    [
        ([], 0.0, 0.0, 0.0),
        ([5.0], 5.0, 5.0, 0.0),
        ([40.0, 0.0, 10.0, 20.0], 10.0, 40.0, 0.5),
        ([float(n) for n in range(101)], 50.0, 99.0, 90 / 101),
    ],
)
def test_quantiles_are_exact_and_10_s_is_not_over_10_s(seconds, half, most, over):
    waits = WaitingTimes(seconds)
    assert (waits.quantile(0.5), waits.quantile(0.99), waits.share_over(10.0)) == (half, most, over)


def served(*, wanted_at: float, last_end: float, cached: int) -> ScoreCounter:
    """Return the count of a second request with a prefix of 1000 tokens, sent at 10,000 s."""
    first = RequestTrace(0.0, "opus", 1000, 10, 0, 1.0)
    session = ActiveSession(1, USER, SessionTrace("s", (first, first._replace(cached_prefix=1000))), "s")
    session.index, session.last_end, session.wanted_at = 1, last_end, wanted_at
    account = ApiAccount([ApiWindow("7d", 1e9, WEEK_SEC, WEEK_SEC, fixed=True)], 8, TokenWeights())
    counter = ScoreCounter(Demand([], {}), {"a": account}, LIFE, WEEK_SEC)
    lease = Lease(1, "a", 1, RoutingRequest(session="s"), Decision("a", Reason.KEPT), 0.0, True)
    counter.record_served(session, lease, ApiResponse(200, QuotaReading({}), cached=cached), 10_000.0, 0.0)
    return counter


def test_a_cache_read_is_kept():
    counter = served(wanted_at=9990.0, last_end=9980.0, cached=1000)
    assert (counter.kept, counter.lost, counter.waits) == (1000, 0, [10.0])


def test_a_cache_that_ended_while_its_request_waited_is_lost():
    counter = served(wanted_at=5000.0, last_end=4990.0, cached=0)
    assert (counter.kept, counter.lost, counter.waits) == (0, 1000, [5000.0])


def test_a_cache_that_ended_before_its_request_was_wanted_is_not_lost():
    assert served(wanted_at=9990.0, last_end=9990.0 - LIFE, cached=0).lost == 0


def test_a_request_that_is_not_served_by_the_end_has_waited_until_then(scenario):
    run = PolicyRun(scenario(2.5), "sticky")
    run.advance(run.scenario.end)
    waiting = [s for s in run._clients.sessions if s.is_waiting]
    assert waiting
    longest = max(run.scenario.end - s.wanted_at for s in waiting)
    assert run.score().waiting_longest >= longest > 600.0


def test_waiting_goes_on_while_the_client_is_away(played):
    hold, between = 18000.0, 600.0
    score = played("sticky", 2.5, hold_sec=hold)
    assert score.visible_429s
    assert score.waiting_longest > hold + between  # one hold, and the person's pause after it
    assert 0.0 < score.waited_10min <= score.waited_10s < 1.0
    assert score.waiting_p50 <= score.waiting_p95 <= score.waiting_p99 <= score.waiting_longest


def test_the_worst_users_share_is_no_more_than_everybodys(played):
    assert 0.0 <= played("sticky", 2.5).worst_user < 1.0
    assert played("sticky", 0.2).worst_user == pytest.approx(1.0, abs=2e-3)


@pytest.mark.parametrize(("of_opus", "counted"), [(900.0, 900.0), (600.0, 600.0), (1000.0, 1000.0)])
def test_what_a_window_for_some_models_lent_from_the_time_after_the_end_is_not_counted(of_opus, counted):
    week = ApiWindow("7d", 10_000.0, WEEK_SEC, 2 * WEEK_SEC, fixed=True)
    opus = ApiWindow("7d_opus", 5_000.0, WEEK_SEC, 2 * WEEK_SEC, fixed=True, family="opus")
    week.used = opus.used = 1000.0
    counter = ScoreCounter(
        Demand([], {}), {"a": ApiAccount([week, opus], 8, TokenWeights())}, LIFE, 1.5 * WEEK_SEC
    )
    counter.counted = 1000.0
    assert counter.score(1000.0, {"a": 1000.0}, [], (), {"a": of_opus}).completed == counted / 1000.0
