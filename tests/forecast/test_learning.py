"""What is learned of each account between two answers, and of the ranges from their outcomes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, Optional

import pytest

from teamclaude.forecast.calibration import KEEP_SEC, Calibration, Range
from teamclaude.forecast.progress import Progress
from teamclaude.forecast.readings import HOUR_SEC, PoolReading, reading_of
from teamclaude.snapshot import (
    AccountUsage,
    AccountView,
    BindingView,
    QuotaView,
    Snapshot,
    UsageView,
    Window,
)
from tests.forecast.support import MONDAY, account

RESET = MONDAY + 24 * HOUR_SEC


def looks(
    *seen: tuple[float, int], name: str = "a", axis: str = "7d", size: Optional[float] = 1_000_000.0
) -> Progress:
    """Return what is known after looks at (used share, burned tokens), five minutes apart."""
    progress = Progress()
    for step, (used, burned) in enumerate(seen):
        reading = account(name, burned, windows={axis: Window(used, RESET)}, size_7d=size, size_5h=size)
        progress.observe(PoolReading(MONDAY + 300.0 * step, (reading,)))
    return progress


def used_after(*seen: tuple[float, int]) -> float:
    reading = account("a", seen[-1][1], windows={}, size_7d=1_000_000.0)
    found = looks(*seen).used(reading, "7d", Window(seen[-1][0], RESET))
    assert found is not None
    return found


def test_what_was_burned_since_the_share_moved_is_added() -> None:
    just_moved = used_after((0.30, 0), (0.31, 10_000))
    later = used_after((0.30, 0), (0.31, 10_000), (0.31, 16_000))
    assert 0.30 < just_moved < later < 0.325


def test_much_without_a_new_share_is_no_proof_of_much() -> None:
    assert used_after((0.30, 0), (0.31, 10_000), (0.31, 900_000)) < 0.33


def test_the_size_of_a_models_window_is_learned_from_its_rise() -> None:
    progress = looks((0.1, 0), (0.2, 50_000), (0.3, 100_000), axis="7d_opus")
    assert progress.size(account("a"), "7d_opus") == pytest.approx(500_000)
    assert looks((0.1, 0), (0.15, 50_000), axis="7d_opus").size(account("a"), "7d_opus") is None


def test_the_learned_size_counts_less_the_more_was_seen() -> None:
    little = looks((0.1, 0), (0.2, 50_000)).size(account("a", size_7d=1_000_000.0), "7d")
    much = looks((0.1, 0), (0.9, 400_000)).size(account("a", size_7d=1_000_000.0), "7d")
    assert little is not None
    assert much is not None
    assert 500_000 < much < little < 1_000_000


def test_a_reset_begins_anew_and_is_no_rise() -> None:
    progress = looks((0.9, 0), (0.0, 10), (0.1, 50_000), axis="7d_opus")
    assert progress.size(account("a"), "7d_opus") == pytest.approx(500_000, rel=0.01)


def test_the_part_of_the_work_fades_and_forgets_accounts_that_are_gone() -> None:
    progress = Progress()
    for step, (a, b) in enumerate(((0, 0), (300, 100))):
        both = (account("a", a), account("b", b))
        progress.observe(PoolReading(MONDAY + 300.0 * step, both))
    assert progress.share("a") == pytest.approx(0.75)
    progress.observe(PoolReading(MONDAY + 600.0, (account("b", 100),)))
    assert (progress.share("a"), progress.share("b")) == (0.0, 1.0)


# --- readings ---------------------------------------------------------------------------------------


def test_a_snapshot_is_read() -> None:
    window = Window(0.5, 2000.0)
    view = AccountView(
        "alice",
        status="benched",
        rate_limited_until=1500.0,
        cap_est_5h=1.0,
        quota=QuotaView(axes={"5h": Window(0.9, 900.0), "7d": window}),
        usage=AccountUsage(3, UsageView(10, 20, 1000, 5)),
    )
    others = [
        AccountView("key", type="apikey", status="active"),
        AccountView("paid", type="apikey", status="active", last_resort=True),
        AccountView("off", enabled=False, status="disabled"),
        AccountView("out", status="auth_failed"),
    ]
    bindings = (BindingView(inflight=1, idle_sec=9999), BindingView(idle_sec=60), BindingView(idle_sec=1000))
    reading = reading_of(Snapshot(at=1000.0, accounts=(view, *others), session_bindings=bindings))
    assert (reading.active, reading.burned) == (2, 35)
    alice, *rest = reading.accounts
    assert alice == account("alice", 35, windows={"7d": window}, size_5h=1.0, size_7d=None, back_at=1500.0)
    assert [(each.is_pooled, each.is_metered) for each in rest] == [
        (True, False),
        (False, False),
        (False, True),
        (False, True),
    ]


# --- calibration ------------------------------------------------------------------------------------


def always(share: Optional[float]) -> Callable[[str, str, float], Optional[float]]:
    return lambda name, axis, resets_at: share


def calibrated(share: float, times: int = 200, **changes: object) -> Calibration:
    """Return what is learned when the outcome is always `share`, of ranges from 0.4 to 0.6."""
    found, now = Calibration(), MONDAY
    for _ in range(times):
        found.keep(now, [Range("a", "7d", RESET, 0, True, 0.4, 0.6)])
        now += HOUR_SEC
        found.observe(now, always(share))
    return found


def test_a_side_that_holds_is_drawn_in_and_one_that_fails_let_out() -> None:
    below, above = calibrated(0.7).factors("7d", HOUR_SEC, True)
    assert below < 0.6
    assert above > 2.0
    below, above = calibrated(0.3).factors("7d", HOUR_SEC, True)
    assert below > 2.0
    assert above < 0.6


def test_one_failure_in_ten_moves_nothing() -> None:
    found, now = Calibration(), MONDAY
    first = found.factors("7d", HOUR_SEC, True)
    for _ in range(10):
        for share in (0.3, *[0.5] * 8, 0.7):
            found.keep(now, [Range("a", "7d", RESET, 0, True, 0.4, 0.6)])
            now += HOUR_SEC
            found.observe(now, always(share))
    assert found.factors("7d", HOUR_SEC, True) == pytest.approx(first, rel=0.01)


def test_quiet_times_other_windows_and_far_horizons_have_factors_of_their_own() -> None:
    found, fresh = calibrated(0.7), Calibration()
    for axis, hours, is_busy in (
        ("7d", 1.0, False),
        ("5h", 1.0, True),
        ("7d", 3.0, True),
        ("7d", 99.0, True),
    ):
        expected = fresh.factors(axis, hours * HOUR_SEC, is_busy)
        assert found.factors(axis, hours * HOUR_SEC, is_busy) == pytest.approx(expected)
    assert found.factors("7d", 1.5 * HOUR_SEC, True) != fresh.factors("7d", 1.5 * HOUR_SEC, True)


def test_an_outcome_that_is_unknown_or_known_too_late_teaches_nothing() -> None:
    fresh = Calibration().factors("7d", HOUR_SEC, True)
    for after, share in ((HOUR_SEC, None), (9 * HOUR_SEC, 0.9)):
        found = Calibration()
        found.keep(MONDAY, [Range("a", "7d", RESET, 0, True, 0.4, 0.6)])
        found.observe(MONDAY + after, always(share))
        assert found.factors("7d", HOUR_SEC, True) == fresh


def test_ranges_are_kept_every_hour_and_after_a_clock_that_was_set_back() -> None:
    found = Calibration()
    assert found.is_due(MONDAY)
    found.keep(MONDAY, [])
    assert not found.is_due(MONDAY + KEEP_SEC - 1)
    assert found.is_due(MONDAY + KEEP_SEC)
    assert found.is_due(MONDAY - 1)


def test_what_was_learned_is_kept_over_a_restart() -> None:
    learned, fresh = calibrated(0.7), Calibration()
    again = Calibration()
    again.restore(json.loads(json.dumps(learned.to_json())))
    for hours, is_busy in ((1.0, True), (1.0, False), (2.0, True), (24.0, True)):
        expected = learned.factors("7d", hours * HOUR_SEC, is_busy)
        assert again.factors("7d", hours * HOUR_SEC, is_busy) == pytest.approx(expected, rel=0.001)
    assert again.factors("7d", HOUR_SEC, True) != fresh.factors("7d", HOUR_SEC, True)


@pytest.mark.parametrize(
    "logs", [None, 1, "x", [0.5], [0.5, "x"], [0.5, True], [math.nan, 0.1], [10**400, 1]]
)
def test_saved_ranges_that_are_none_are_as_at_first(logs: Any) -> None:
    found = Calibration()
    found.restore({"7d in 1h, busy": logs, "7d in 9h, busy": [1.0, 1.0]})
    assert found.factors("7d", HOUR_SEC, True) == Calibration().factors("7d", HOUR_SEC, True)


def test_a_saved_factor_is_within_its_bounds() -> None:
    found = Calibration()
    found.restore({"7d in 1h, busy": [-99.0, 99.0]})
    below, above = found.factors("7d", HOUR_SEC, True)
    assert 0.29 < below < 0.31
    assert 3.2 < above < 3.4
