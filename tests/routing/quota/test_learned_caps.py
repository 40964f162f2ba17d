from __future__ import annotations

import pytest

from teamclaude.routing.quota.learned_caps import LearnedCap
from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.quota.windows import Window

HOUR, DAY = 3600.0, 86400.0
ALPHA = 0.3


def observe(estimate, *seen, resets_at=18_000.0):
    for utilization, burned in seen:
        estimate.record_success(Window(utilization, resets_at), burned, 0.0)
    return estimate


# --- slope ------------------------------------------------------------------------------------


def test_nothing_is_known_at_first():
    assert LearnedCap().estimate(0.0) is None


def test_three_points_of_movement_teach_the_slope():
    estimate = observe(LearnedCap(), (0.10, 1000), (0.12, 1200))
    assert estimate.estimate(0.0) is None
    observe(estimate, (0.13, 1300))
    assert estimate.estimate(0.0) == pytest.approx(10_000)


def test_the_median_shrugs_off_a_lying_sample():
    seen = [(n / 10, n * 1000) for n in range(6)]
    estimate = observe(LearnedCap(), *seen, (0.9, 5100))  # others used the account meanwhile
    assert estimate.estimate(0.0) == pytest.approx(10_000)


def test_only_answers_of_one_window_are_compared():
    estimate = observe(LearnedCap(), (0.5, 5000))
    observe(estimate, (0.9, 6000), resets_at=36_000.0)
    assert estimate.estimate(0.0) is None
    observe(estimate, (0.95, 6500), resets_at=36_000.4)  # jitter: the same window
    assert estimate.estimate(0.0) == pytest.approx(10_000)


def test_falling_numbers_begin_anew():
    estimate = observe(LearnedCap(), (0.5, 5000), (0.4, 5100), (0.45, 5600))
    assert estimate.estimate(0.0) == pytest.approx(10_000)
    assert observe(LearnedCap(), (0.1, 5000), (0.2, 100), (0.3, 100)).estimate(0.0) is None


def test_a_window_without_utilization_or_reset_teaches_no_slope():
    estimate = LearnedCap()
    for window in (Window(None, 5.0), Window(0.5, None)):
        estimate.record_success(window, 10_000, 0.0)
    assert (estimate.anchor, estimate.samples) == (None, [])


def test_the_latest_nine_samples_count():
    old = [(n / 20, n * 50) for n in range(8)]
    new = [(0.4 + n / 20, 400 + n * 500) for n in range(10)]
    assert observe(LearnedCap(), *old, *new).estimate(0.0) == pytest.approx(10_000)


# --- ceiling ----------------------------------------------------------------------------------


def test_the_burn_at_a_refusal_is_the_first_ceiling_and_later_ones_are_smoothed():
    estimate = LearnedCap()
    estimate.record_429(1000, ALPHA, 0.0)
    assert estimate.estimate(0.0) == 1000
    estimate.record_429(2000, ALPHA, 0.0)
    assert estimate.estimate(0.0) == pytest.approx(0.3 * 2000 + 0.7 * 1000)


def test_a_refusal_before_anything_was_burned_teaches_nothing():
    estimate = LearnedCap()
    estimate.record_429(0, ALPHA, 0.0)
    assert estimate.estimate(0.0) is None


def test_a_success_above_the_ceiling_raises_it():
    estimate = LearnedCap()
    estimate.record_429(1000, ALPHA, 0.0)
    estimate.record_success(Window(), 1500, 0.0)
    assert estimate.estimate(0.0) == 1500
    estimate.record_success(Window(), 900, 0.0)
    assert estimate.estimate(0.0) == 1500


def test_the_ceiling_fades_towards_the_largest_success_with_a_half_life_of_a_day():
    estimate = LearnedCap()
    estimate.record_success(Window(), 600, 0.0)
    estimate.record_429(1000, ALPHA, 5 * DAY)
    assert [estimate.estimate(days * DAY) for days in (5, 6, 7)] == [1000, 800, 700]
    assert estimate.estimate(0.0) == 1000  # a clock set back makes nothing grow


def test_from_below_it_fades_upwards():
    estimate = LearnedCap()
    estimate.record_success(Window(), 1000, 0.0)
    estimate.record_429(600, ALPHA, 0.0)
    assert estimate.estimate(DAY) == 800


def test_the_slope_is_better_known_than_the_ceiling():
    estimate = observe(LearnedCap(), (0.1, 1000), (0.2, 2000))
    estimate.record_429(5000, ALPHA, 0.0)
    assert estimate.estimate(0.0) == pytest.approx(10_000)


def test_what_is_stored_comes_back():
    estimate = observe(LearnedCap(), (0.1, 1000), (0.2, 2000))
    estimate.record_429(5000, ALPHA, 7.0)
    assert LearnedCap.from_json(LenientObject(estimate.to_json(), "x", [])) == estimate
