"""Waits in words."""

from __future__ import annotations

import pytest

from teamclaude.proxy.records.notices import limit_text
from teamclaude.proxy.records.wait_texts import clock_time, duration_text, expectation_text

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local


def test_words() -> None:
    assert (
        expectation_text("alice", 23 * 3600 + 22 * 60, "no account usable", 23 * 3600) == "alice back 23:22"
    )
    assert expectation_text(None, None, "waits for room", 0.0) == "waits for room"
    assert clock_time(86400.0 + 82920, 0.0) == "Fri 23:02", "another day's time has its day"
    assert clock_time(6 * 86400.0 - 60, 0.0) == "Tue 23:59"
    assert clock_time(6 * 86400.0, 0.0) == "1970-01-07 00:00", "the day of the week may be taken for today"
    assert clock_time(30 * 86400.0, 0.0) == "1970-01-31 00:00"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.4, "1 s"),
        (42, "42 s"),
        (89, "89 s"),
        (89.5, "2 min"),
        (300, "5 min"),
        (301, "6 min"),
        (3540, "59 min"),
        (3541, "1 h"),
        (3600, "1 h"),
        (7380, "2 h 3 min"),
        (86_340, "23 h 59 min"),
        (86_400, "1 d"),
        (273_600, "3 d 4 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration_text(seconds) == words


def test_a_reset_on_another_day_is_told_with_its_day() -> None:
    assert limit_text("7d", 1.0, 3600.0, 0.0) == "the 7d window is full (100%), back at 01:00:00 (in 1 h)"
    assert (
        limit_text("7d", 1.0, 200_000.0, 0.0)
        == "the 7d window is full (100%), back at Sat 07:33 (in 2 d 7 h)"
    )
