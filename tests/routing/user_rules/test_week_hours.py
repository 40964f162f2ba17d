from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from teamclaude.routing.user_rules.week_hours import parse_week_hours, utc_calendar

MONDAY = datetime(2026, 11, 30, tzinfo=timezone.utc)
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def at(day: str, time: str) -> float:
    hour, minute = map(int, time.split(":"))
    return (MONDAY + timedelta(DAYS.index(day), hours=hour, minutes=minute)).timestamp()


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("Mon-Fri 9-17", ["Mon 9:00", "Fri 16:59"], ["Mon 8:59", "Fri 17:00", "Sat 12:00"]),
        ("Sat,Sun", ["Sat 0:00", "Sun 23:59"], ["Fri 23:59", "Mon 0:00"]),
        ("Fri", ["Fri 0:00"], ["Thu 23:59", "Sat 0:00"]),
        ("mon - fri 9:30 - 17:15", ["Mon 9:30", "Mon 17:14"], ["Mon 9:29", "Mon 17:15"]),
        ("Mon – Fri 9–17", ["Mon 9:00", "Fri 16:59"], ["Mon 8:59", "Sat 12:00"]),
        ("22-6", ["Mon 22:00", "Tue 5:59", "Mon 0:00"], ["Mon 6:00", "Mon 21:59"]),
        ("Sun 22-6", ["Sun 22:00", "Mon 5:59"], ["Sun 5:00", "Mon 22:00", "Tue 3:00"]),
        ("Fri-Mon", ["Fri 1:00", "Sun 1:00", "Mon 1:00"], ["Tue 1:00", "Thu 23:00"]),
        ("Wednesday 9-12,13-17", ["Wed 11:59", "Wed 13:00"], ["Wed 12:30", "Thu 9:30"]),
        ("Mon 18-24", ["Mon 23:59"], ["Tue 0:00", "Mon 17:59"]),
    ],
)
def test_hours_of_the_week(text, inside, outside):
    hours = parse_week_hours(text)
    assert hours is not None
    for moment in inside:
        assert hours.contains(at(*moment.split()), utc_calendar), moment
    for moment in outside:
        assert not hours.contains(at(*moment.split()), utc_calendar), moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Mo",
        "Mon-",
        "-Fri",
        "9",
        "9-",
        "9-9",
        "25-26",
        "9:60-10",
        "24-3",
        "Mon Tue",
        "9-17 Mon",
        "Mon 9-17 x",
    ],
)
def test_what_names_no_hours(text):
    assert parse_week_hours(text) is None


@pytest.mark.parametrize(
    ("text", "now", "begin"),
    [
        ("Mon-Fri 9-17", "Mon 8:59", "Mon 9:00"),
        ("Mon-Fri 9-17", "Mon 9:00", "Tue 9:00"),
        ("Mon-Fri 9-17", "Tue 17:00", "Wed 9:00"),
        ("Sat,Sun", "Mon 0:00", "Sat 0:00"),
    ],
)
def test_the_next_begin(text, now, begin):
    hours = parse_week_hours(text)
    assert hours is not None
    assert hours.next_begin(at(*now.split()) + 30, utc_calendar) == at(*begin.split())


@pytest.mark.parametrize("shift", [3600, -3600])
def test_a_clock_that_is_changed_before_the_hours_begin(shift):
    def calendar(moment: float) -> tuple[int, int]:
        return utc_calendar(moment + (shift if moment >= at("Sun", "2:00") else 0))

    hours = parse_week_hours("Sun 9-17")
    assert hours is not None
    begin = hours.next_begin(at("Sat", "12:00"), calendar)
    assert begin == at("Sun", "9:00") - shift
    assert hours.contains(begin, calendar)
    assert not hours.contains(begin - 60, calendar)
