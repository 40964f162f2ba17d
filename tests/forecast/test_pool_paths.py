"""Windows fill up, refuse, and come back."""

from __future__ import annotations

from typing import Optional

import pytest

from teamclaude.forecast.pool_paths import GRID, AccountStart, run_pool
from teamclaude.forecast.readings import FIVE_HOURS_SEC, HOUR_SEC, WEEK_SEC

NOW = 1_000_000.0
BIG = 1e9


def start(
    left_5h: float = BIG,
    left_7d: float = BIG,
    share: float = 0.0,
    resets_7d: Optional[float] = None,
    **more: float,
) -> AccountStart:
    sizes = {"size_5h": left_5h, "size_7d": left_7d, **more}
    return AccountStart(
        left_5h, more.get("resets_5h"), sizes["size_5h"], left_7d, resets_7d, sizes["size_7d"], share
    )._replace(back_at=more.get("back_at", 0.0))


def steady(rate: float) -> list[float]:
    """Return so many tokens an hour until each time of GRID."""
    return [rate * offset / HOUR_SEC for offset in GRID]


def at(values: list[float], hours: float) -> float:
    return values[GRID.index(hours * HOUR_SEC)]


def test_one_account_serves_all_until_its_week_is_used_up() -> None:
    path = run_pool([start(left_7d=10_000)], steady(1000), NOW)
    assert path.dry_at == pytest.approx(10 * HOUR_SEC)
    (account,) = path.accounts
    assert at(account.served, 6) == pytest.approx(6000)
    assert account.served[-1] == pytest.approx(10_000)
    assert account.wanted[-1] > 100_000


def test_a_5_hour_window_comes_back_after_its_reset() -> None:
    path = run_pool([start(left_5h=3000)], steady(1000), NOW)
    (account,) = path.accounts
    assert path.dry_at == pytest.approx(3 * HOUR_SEC)
    assert at(account.served, 4) == pytest.approx(3000)
    # Full again after two hours, with what had waited, and until the next reset.
    assert at(account.served, 8) == at(account.served, 10) == pytest.approx(6000)
    assert at(account.served, 12) > 7000


def test_coarse_steps_know_that_a_5_hour_window_comes_back_within_them() -> None:
    assert run_pool([start(left_5h=6000)], steady(1000), NOW).dry_at is None


def test_the_work_of_a_full_account_goes_to_the_others() -> None:
    path = run_pool([start(left_7d=2000, share=1.0), start()], steady(1000), NOW)
    first, second = path.accounts
    assert path.dry_at is None
    assert first.served[-1] == pytest.approx(2000)
    assert first.served[-1] + second.served[-1] == pytest.approx(168_000)


def test_work_stays_where_it_is_and_then_goes_where_more_is_left() -> None:
    path = run_pool([start(BIG, BIG / 10, share=1.0), start(BIG, BIG)], steady(1000), NOW)
    first, second = path.accounts
    assert at(first.served, 1) > at(second.served, 1)
    assert second.served[-1] > 4 * first.served[-1]


def test_a_weekly_reset_brings_the_week_back() -> None:
    path = run_pool([start(left_7d=5000, resets_7d=NOW + 10 * HOUR_SEC)], steady(1000), NOW)
    (account,) = path.accounts
    assert path.dry_at == pytest.approx(5 * HOUR_SEC)
    assert account.served[-1] > 9000


def test_a_benched_account_serves_from_its_end_on() -> None:
    path = run_pool([start(back_at=NOW + 2 * HOUR_SEC)], steady(1000), NOW)
    (account,) = path.accounts
    assert path.dry_at == 0.0
    assert at(account.served, 2) == 0.0
    assert at(account.served, 12) > 8000


def test_without_work_nothing_happens() -> None:
    path = run_pool([start(left_7d=10)], steady(0), NOW)
    assert path.dry_at is None
    assert path.accounts[0].served[-1] == 0.0
    assert (GRID[-1], FIVE_HOURS_SEC) == (WEEK_SEC, 5 * HOUR_SEC)
