"""Numbers formatted for people."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.text import format


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0s"),
        (41.2, "42s"),  # rounded up: "0s" is never shown for a future time
        (59.5, "1m"),
        (60, "1m"),
        (299, "4m"),
        (3600, "1h"),
        (9000, "2h30m"),
        (86400, "1d"),
        (273600, "3d4h"),
        (-5, "0s"),
        (None, "—"),
        (float("nan"), "—"),
        ("12", "—"),
        (True, "—"),
    ],
)
def test_duration(value: Any, shown: str) -> None:
    assert format.format_duration(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (950, "950"),
        (999, "999"),
        (1000, "1.0k"),
        (1234, "1.2k"),
        (9940, "9.9k"),
        (9990, "10k"),
        (58_400, "58k"),
        (999_400, "999k"),
        (999_600, "1.0M"),
        (1_200_000, "1.2M"),
        (123_456_789, "123.5M"),
        (2_500_000_000, "2.5G"),
        (None, "—"),
    ],
)
def test_tokens(value: Any, shown: str) -> None:
    assert format.format_tokens(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"), [(0.04, "0.0s"), (1.44, "1.4s"), (12.1, "12.1s"), (120, "2m"), (None, "—")]
)
def test_seconds(value: Any, shown: str) -> None:
    assert format.format_seconds(value) == shown


def test_money_and_percent() -> None:
    assert [format.format_dollars(v) for v in (0, 14.2, 1234.567, None)] == [
        "$0.00",
        "$14.20",
        "$1,234.57",
        "—",
    ]
    assert [format.format_percent(v) for v in (0, 0.318, 1.13, None)] == ["0%", "32%", "113%", "—"]


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (1_795_428_000_000, 1_795_428_000.0),
        (1_795_428_000, 1_795_428_000.0),
        ("2026-11-23T10:00:00Z", 1_795_428_000.0),
        ("2026-11-23T10:00:00.500+00:00", 1_795_428_000.5),
        ("2026-11-23T11:00:00.000+01:00", 1_795_428_000.0),
        ("2026-11-23T10:00:00", 1_795_428_000.0),
        ("soon", None),
        (None, None),
        ([], None),
    ],
)
def test_epoch(value: Any, moment: Any) -> None:
    assert format.epoch_seconds(value) == moment


def test_an_emoji_belongs_to_its_session() -> None:
    ids = [f"3f2a91c0-{number}" for number in range(200)]
    assert [format.session_emoji(sid) for sid in ids] == [format.session_emoji(sid) for sid in ids]
    assert len({format.session_emoji(sid) for sid in ids}) > 20


def test_a_number_no_float_can_hold_is_unknown() -> None:
    assert format.finite_number(10**400) is None
    assert format.format_tokens(10**400) == format.UNKNOWN
