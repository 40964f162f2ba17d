"""Times of day as the config file has them, and the moments that they mean."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone, tzinfo
from typing import Any, Optional

import pytest

from teamclaude.accounts.config.config import Config, parse_config
from teamclaude.accounts.config.rules.keep_warm import (
    TimeOfDay,
    keep_warm_notes,
    latest_of,
    parse_time_of_day,
)
from teamclaude.accounts.config.schema import to_json
from teamclaude.errors import ConfigError

EVERY = frozenset(range(7))
UTC = timezone.utc


class Berlin(tzinfo):
    """CET with summer time from 2027-03-28 02:00 to 2027-10-31 03:00."""

    def utcoffset(self, dt: Optional[datetime]) -> timedelta:
        assert dt is not None
        plain = dt.replace(tzinfo=None)
        summer = datetime(2027, 3, 28, 3) <= plain < datetime(2027, 10, 31, 2)
        twice = datetime(2027, 10, 31, 2) <= plain < datetime(2027, 10, 31, 3)
        return timedelta(hours=2 if summer or (twice and not dt.fold) else 1)

    def tzname(self, dt: Optional[datetime]) -> str:
        return "CE(S)T"

    def dst(self, dt: Optional[datetime]) -> timedelta:
        return self.utcoffset(dt) - timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("08:30", TimeOfDay(EVERY, 8, 30)),
        ("8:05", TimeOfDay(EVERY, 8, 5)),
        (" 23:59 ", TimeOfDay(EVERY, 23, 59)),
        ("Mon-Fri 08:30", TimeOfDay(frozenset(range(5)), 8, 30)),
        ("sat,Sun 10:00", TimeOfDay(frozenset({5, 6}), 10, 0)),
        ("Friday - Monday 07:00", TimeOfDay(frozenset({4, 5, 6, 0}), 7, 0)),
        ("Wed 00:00", TimeOfDay(frozenset({2}), 0, 0)),
    ],
)
def test_a_time_with_and_without_days(text: str, time: TimeOfDay) -> None:
    assert parse_time_of_day(text) == time


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8",
        "24:00",
        "08:60",
        "08:30:00",
        "8h30",
        "Mon",
        "Foo 08:30",
        "Monty 08:30",
        "Mon-Tue-Wed 08:30",
        "- 08:30",
    ],
)
def test_other_texts_are_no_time(text: str) -> None:
    assert parse_time_of_day(text) is None


def moment(text: str, now: datetime) -> Optional[datetime]:
    time = parse_time_of_day(text)
    assert time is not None
    found = latest_of([time], now.timestamp(), now.tzinfo)
    return None if found is None else datetime.fromtimestamp(found, UTC)


def test_the_latest_moment_is_of_today_or_yesterday() -> None:
    friday = datetime(2027, 1, 15, 8, 0, tzinfo=UTC)
    assert moment("07:30", friday) == datetime(2027, 1, 15, 7, 30, tzinfo=UTC)
    assert moment("08:00", friday) == friday
    assert moment("08:01", friday) == datetime(2027, 1, 14, 8, 1, tzinfo=UTC)
    assert moment("Mon-Wed 08:00", friday) is None
    assert moment("Thu 23:00", friday) == datetime(2027, 1, 14, 23, 0, tzinfo=UTC)


def test_it_is_local_time_also_where_the_clocks_change() -> None:
    berlin = Berlin()
    before = datetime(2027, 3, 27, 12, 0, tzinfo=berlin)
    after = datetime(2027, 3, 28, 12, 0, tzinfo=berlin)
    assert moment("08:30", before) == datetime(2027, 3, 27, 7, 30, tzinfo=UTC)
    assert moment("08:30", after) == datetime(2027, 3, 28, 6, 30, tzinfo=UTC)
    autumn = datetime(2027, 10, 31, 12, 0, tzinfo=berlin)
    assert moment("02:30", autumn) == datetime(2027, 10, 31, 0, 30, tzinfo=UTC), "the first of the two"
    assert moment("08:30", autumn) == datetime(2027, 10, 31, 7, 30, tzinfo=UTC)


# --- in the config file -----------------------------------------------------------------------------------


def config(**fields: Any) -> Config:
    accounts = [
        {"name": "alice", "accessToken": "sk-ant-oat01-FAKE"},
        {"name": "off", "accessToken": "sk-ant-oat01-FAKE2", "disabled": True},
        {"name": "key", "type": "apikey", "apiKey": "sk-ant-api03-FAKE"},
    ]
    return parse_config({"accounts": accounts, **fields}, "f")


def test_a_single_time_may_stand_for_the_list() -> None:
    assert config().keep_warm == {}
    assert config(keepWarm={"alice": "08:30"}).keep_warm == {"alice": ("08:30",)}
    many = config(keepWarm={"alice": ["Mon-Fri 08:30", "Sat 10:00"]})
    assert to_json(many)["keepWarm"] == {"alice": ["Mon-Fri 08:30", "Sat 10:00"]}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (
            {"alice": "late"},
            r'keepWarm\.alice\[0\]: expected a time of day \(08:30, or Mon-Fri 08:30\), got "late"',
        ),
        ({"alice": 8}, r"keepWarm\.alice\[0\]: expected a time of day \(08:30, or Mon-Fri 08:30\), got 8"),
        ({"alice": [None]}, r"keepWarm\.alice\[0\]: expected a time of day"),
        ("08:30", r"keepWarm: expected an object"),
    ],
)
def test_a_value_of_the_wrong_kind_is_an_error_with_its_place(value: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(keepWarm=value)


def test_an_entry_without_an_effect_is_said() -> None:
    wanted = {"alice": "08:30", "nobody": "08:30", "off": "08:30", "key": "08:30"}
    assert list(keep_warm_notes(config(keepWarm=wanted))) == [
        'keepWarm["nobody"] has no effect: no account is called so',
        'keepWarm["off"] has no effect: the account is disabled',
        'keepWarm["key"] has no effect: an API key has no 5h window',
    ]
    assert list(keep_warm_notes(config(keepWarm={"alice": []}))) == [
        'keepWarm["alice"] has no effect: it names no time'
    ]
