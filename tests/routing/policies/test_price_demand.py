from __future__ import annotations

import pytest

from teamclaude.routing.policies.price_demand import DemandTable

HOUR, DAY, WEEK = 3600.0, 86400.0, 7 * 86400.0
MONDAY = 2976 * WEEK  # hour 0 of the table


def weeks(table, begin, count):
    """Every day from hour 8 to hour 16, 100 tokens an hour."""
    for hour in range(count * 168 + 1):
        if 8 <= hour % 24 < 16:
            table.add(100, begin + hour * HOUR)
        table.add(0, begin + hour * HOUR)


def test_with_no_history_demand_is_time():
    table = DemandTable()
    assert table.expected(MONDAY + 5.0, MONDAY + 5.0 + DAY) == pytest.approx(DAY)
    assert table.expected(MONDAY, MONDAY + 3 * WEEK) == pytest.approx(3 * WEEK)
    assert table.expected(MONDAY, MONDAY - DAY) == 0.0


def test_it_learns_the_busy_hours():
    table = DemandTable()
    weeks(table, MONDAY - HOUR, 2)
    now = MONDAY + 2 * WEEK
    night, noon = table.expected(now, now + 6 * HOUR), table.expected(now + 10 * HOUR, now + 16 * HOUR)
    assert noon > 5 * night > 0
    assert table.expected(now, now + WEEK) == pytest.approx(7 * 8 * 100, rel=0.02)


def test_days_not_seen_are_taken_for_the_days_seen():
    table = DemandTable()
    for hour in range(49):
        table.add(100 if 8 <= hour % 24 < 16 else 0, MONDAY + hour * HOUR)
    later = MONDAY + 4 * DAY
    assert table.expected(later + 10 * HOUR, later + 14 * HOUR) > 3 * table.expected(later, later + 4 * HOUR)


def test_an_hour_begun_late_is_not_counted_as_a_whole_one():
    table = DemandTable()
    table.add(5, MONDAY + 1800)
    table.add(7, MONDAY + HOUR)
    table.add(9, MONDAY + 2 * HOUR)
    assert table.hours[:3] == [None, 7, None]


def test_the_week_counts_as_known_when_most_of_its_hours_were_seen():
    table = DemandTable()
    assert not table.is_known
    weeks(table, MONDAY - HOUR, 1)
    assert table.is_known
