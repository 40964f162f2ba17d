"""A person's words for a time."""

from __future__ import annotations

from datetime import datetime

import pytest

from teamclaude.errors import UsageError
from teamclaude.history.reports.moments import parse_moment, step_label

NOW = datetime(2026, 11, 29, 15, 30).timestamp()  # a Sunday


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("today", "2026-11-29", "2026-11-30"),
        ("yesterday", "2026-11-28", "2026-11-29"),
        ("Sunday", "2026-11-29", "2026-11-30"),
        ("mon", "2026-11-23", "2026-11-24"),
        ("2026-11-01", "2026-11-01", "2026-11-02"),
        ("2026-02", "2026-02-01", "2026-03-01"),
        ("2026-12", "2026-12-01", "2027-01-01"),
        ("2026-11-29 14:00", "2026-11-29 14:00:00", "2026-11-29 14:00:00"),
        ("2026-11-29T14:00:30.123", "2026-11-29 14:00:30", "2026-11-29 14:00:30"),
        ("7d", "2026-11-22 15:30:00", "2026-11-22 15:30:00"),
        ("90m", "2026-11-29 14:00:00", "2026-11-29 14:00:00"),
        ("24 h ago", "2026-11-28 15:30:00", "2026-11-28 15:30:00"),
        ("2w", "2026-11-15 15:30:00", "2026-11-15 15:30:00"),
        ("now", "2026-11-29 15:30:00", "2026-11-29 15:30:00"),
    ],
)
def test_words_for_a_time(utc: None, text: str, begin: str, end: str) -> None:
    now = datetime(2026, 11, 29, 15, 30).timestamp()
    assert parse_moment(text, now) == datetime.fromisoformat(begin).timestamp()
    assert parse_moment(text, now, end=True) == datetime.fromisoformat(end).timestamp()


def test_an_offset_and_epochs_need_no_time_zone() -> None:
    assert parse_moment("2026-11-29T14:00Z", NOW) == 1795960800
    assert parse_moment("2026-11-29T15:00+01:00", NOW) == 1795960800
    assert parse_moment("1795960800", NOW) == 1795960800
    assert parse_moment("1795960800000", NOW) == 1795960800
    assert parse_moment("ALL", NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "2026-02-30",
        "2026-13",
        "7y",
        "-7d",
        "99999999d",
        "999999w",
        "0001-01-01",
        "1969-12-30",
        "2026-11-29 25:00",
        "x" * 500,
        "\u0663d",
        "\uff10d",
    ],
)
def test_anything_else_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="is no time like") as refused:
        parse_moment(text, NOW)
    assert len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)


def test_labels_name_a_step_by_its_beginning() -> None:
    begin = datetime(2026, 11, 23, 14).timestamp()
    labels = {step: step_label(begin, step) for step in ("hour", "day", "week", "month")}
    assert labels == {
        "hour": "2026-11-23 14:00",
        "day": "2026-11-23",
        "week": "2026-11-23",
        "month": "2026-11",
    }
