from __future__ import annotations

import pytest

from teamclaude.lab.api_model import ApiAccount, ApiWindow, TokenWeights
from teamclaude.lab.traffic import RequestTrace

HOUR, WEEK = 3600.0, 7 * 86400.0


def request(new=1000, cached=0, family="opus"):
    return RequestTrace(0.0, family, new + cached, 0, cached, 5.0)


def quota(five=10_000.0, week=50_000.0, burst=8, *more):
    gauges = [ApiWindow("5h", five, 5 * HOUR), ApiWindow("7d", week, WEEK, 2 * HOUR, fixed=True), *more]
    return ApiAccount(gauges, burst, TokenWeights())


def test_a_five_hour_window_opens_at_its_first_use():
    account = quota()
    assert account.send("s", request(), HOUR, 100.0).status == 200
    assert account.windows[0].resets_at == 100.0 + 5 * HOUR
    account.advance(100.0 + 5 * HOUR)
    assert account.windows[0].used == 0.0


def test_a_request_may_go_beyond_several_windows_by_different_shares():
    account = quota(five=400.0, week=800.0)
    assert account.send("s", request(), HOUR, 0.0).beyond == (
        ("5h", pytest.approx(0.6)),
        ("7d", pytest.approx(0.2)),
    )


def test_weekly_windows_are_fixed_and_tell_what_was_left():
    account = quota()
    account.send("s", request(5000), HOUR, 0.0)
    account.advance(2 * HOUR)
    assert (account.weekly_window.used, account.weekly_window.resets_at) == (0.0, 2 * HOUR + WEEK)
    assert account.weekly_window.unused_shares == [pytest.approx(0.9)]


def test_a_full_window_refuses_and_says_which():
    account = quota(five=1500.0)
    first, second = (account.send("s", request(), HOUR, 0.0) for _ in range(2))
    assert (first.beyond, second.beyond) == ((), (("5h", 0.5),))  # half of the second is overshoot
    refused = account.send("s", request(), HOUR, 1.0)
    assert refused.status == 429
    assert refused.reading.rejected_axes() == ["5h"]
    assert account.closed_until(1.0) == 5 * HOUR


def test_headers_are_rounded():
    account = quota(five=10_000.0)
    account.send("s", request(1234), HOUR, 0.0)
    assert account.send("s", request(), HOUR, 1.0).reading.axes["5h"].utilization == 0.12


def test_a_burst_is_refused_without_a_word():
    account = quota(burst=1)
    account.send("s", request(), HOUR, 0.0)
    refused = account.send("t", request(), HOUR, 0.0)
    assert (refused.status, refused.reading.axes) == (429, {})
    account.request_ended()
    assert account.send("t", request(), HOUR, 0.0).status == 200


def test_the_cache_lives_from_the_end_of_an_answer_and_belongs_to_one_conversation():
    account = quota(five=1e9, week=1e9)
    account.send("s", request(5000), HOUR, 0.0)
    warm = request(100, 5000)
    assert account.cached("s", warm, HOUR + 4.0) == 5000
    assert account.cached("s", warm, HOUR + 5.0) == 0
    assert account.cached("t", warm, 10.0) == 0
    answer = account.send("s", warm, HOUR, 10.0)
    assert answer.charge == pytest.approx(100 + 0.02 * 5000)


def test_a_window_of_one_model_refuses_that_model_alone():
    scoped = ApiWindow("7d_opus", 500.0, WEEK, 2 * HOUR, fixed=True, family="opus")
    account = quota(10_000.0, 50_000.0, 8, scoped)
    account.send("s", request(), HOUR, 0.0)
    assert account.send("s", request(), HOUR, 1.0).reading.rejected_axes() == ["7d_opus"]
    assert account.send("t", request(family="sonnet"), HOUR, 1.0).status == 200
