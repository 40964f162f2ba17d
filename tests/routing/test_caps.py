from __future__ import annotations

import pytest

from teamclaude.routing.caps import CapEstimate
from teamclaude.routing.saved import LenientObject
from teamclaude.routing.windows import Window

HOUR, DAY = 3600.0, 86400.0
ALPHA = 0.3


def observe(estimate, *seen, resets_at=18_000.0):
    for utilization, burned in seen:
        estimate.observe(Window(utilization, resets_at), burned, 0.0)
    return estimate


# --- slope ------------------------------------------------------------------------------------


def test_nothing_is_known_at_first():
    assert CapEstimate().value(0.0) is None


def test_three_points_of_movement_teach_the_slope():
    estimate = observe(CapEstimate(), (0.10, 1000), (0.12, 1200))
    assert estimate.value(0.0) is None
    observe(estimate, (0.13, 1300))
    assert estimate.value(0.0) == pytest.approx(10_000)


def test_the_median_shrugs_off_a_lying_sample():
    seen = [(n / 10, n * 1000) for n in range(6)]
    estimate = observe(CapEstimate(), *seen, (0.9, 5100))  # others used the account meanwhile
    assert estimate.value(0.0) == pytest.approx(10_000)


def test_only_answers_of_one_window_are_compared():
    estimate = observe(CapEstimate(), (0.5, 5000))
    observe(estimate, (0.9, 6000), resets_at=36_000.0)
    assert estimate.value(0.0) is None
    observe(estimate, (0.95, 6500), resets_at=36_000.4)  # jitter: the same window
    assert estimate.value(0.0) == pytest.approx(10_000)


def test_falling_numbers_begin_anew():
    estimate = observe(CapEstimate(), (0.5, 5000), (0.4, 5100), (0.45, 5600))
    assert estimate.value(0.0) == pytest.approx(10_000)
    assert observe(CapEstimate(), (0.1, 5000), (0.2, 100), (0.3, 100)).value(0.0) is None


def test_a_window_without_utilization_or_reset_teaches_no_slope():
    estimate = CapEstimate()
    for window in (Window(None, 5.0), Window(0.5, None)):
        estimate.observe(window, 10_000, 0.0)
    assert (estimate.anchor, estimate.samples) == (None, [])


def test_the_latest_nine_samples_count():
    old = [(n / 20, n * 50) for n in range(8)]
    new = [(0.4 + n / 20, 400 + n * 500) for n in range(10)]
    assert observe(CapEstimate(), *old, *new).value(0.0) == pytest.approx(10_000)


# --- ceiling ----------------------------------------------------------------------------------


def test_the_burn_at_a_refusal_is_the_first_ceiling_and_later_ones_are_smoothed():
    estimate = CapEstimate()
    estimate.refused(1000, ALPHA, 0.0)
    assert estimate.value(0.0) == 1000
    estimate.refused(2000, ALPHA, 0.0)
    assert estimate.value(0.0) == pytest.approx(0.3 * 2000 + 0.7 * 1000)


def test_a_refusal_before_anything_was_burned_teaches_nothing():
    estimate = CapEstimate()
    estimate.refused(0, ALPHA, 0.0)
    assert estimate.value(0.0) is None


def test_a_success_above_the_ceiling_raises_it():
    estimate = CapEstimate()
    estimate.refused(1000, ALPHA, 0.0)
    estimate.observe(Window(), 1500, 0.0)
    assert estimate.value(0.0) == 1500
    estimate.observe(Window(), 900, 0.0)
    assert estimate.value(0.0) == 1500


def test_the_ceiling_fades_towards_the_largest_success_with_a_half_life_of_a_day():
    estimate = CapEstimate()
    estimate.observe(Window(), 600, 0.0)
    estimate.refused(1000, ALPHA, 5 * DAY)
    assert [estimate.value(days * DAY) for days in (5, 6, 7)] == [1000, 800, 700]
    assert estimate.value(0.0) == 1000  # a clock set back makes nothing grow


def test_from_below_it_fades_upwards():
    estimate = CapEstimate()
    estimate.observe(Window(), 1000, 0.0)
    estimate.refused(600, ALPHA, 0.0)
    assert estimate.value(DAY) == 800


def test_the_slope_is_better_known_than_the_ceiling():
    estimate = observe(CapEstimate(), (0.1, 1000), (0.2, 2000))
    estimate.refused(5000, ALPHA, 0.0)
    assert estimate.value(0.0) == pytest.approx(10_000)


def test_what_is_stored_comes_back():
    estimate = observe(CapEstimate(), (0.1, 1000), (0.2, 2000))
    estimate.refused(5000, ALPHA, 7.0)
    assert CapEstimate.restored(LenientObject(estimate.stored(), "x", [])) == estimate
