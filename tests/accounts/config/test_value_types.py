"""One value at a time: ranges, formats, and what an error may show of a value."""

from __future__ import annotations

import math
from typing import Any

import pytest

from teamclaude.accounts.config.value_types import epoch_ms, read_number, read_text, safe_repr
from teamclaude.errors import ConfigError


@pytest.mark.parametrize(
    ("kind", "unit", "low", "high"),
    [
        (int, "port", 0, 65535),
        (float, "fraction 0-1", 0, 1),
        (float, "s", 0, 2592000),
        (float, "s, not 0", 0.001, 2592000),
        (int, "requests", 1, 1000000),
        (int, "", 0, 2**53),
        (int, "rank", -(10**9), 10**9),
    ],
)
def test_ranges_include_their_ends_and_nothing_beyond(kind: type, unit: str, low: float, high: float) -> None:
    assert read_number(kind, low, unit, False) == low
    assert read_number(kind, high, unit, False) == high
    for value in (low - 1, high + 1):
        with pytest.raises(ConfigError, match=r"^expected .*, got "):
            read_number(kind, value, unit, False)


@pytest.mark.parametrize(
    ("unit", "value", "text"),
    [
        ("rank", 10**14, "expected a whole number (at most 1000000000), got 100000000000000"),
        ("", 1e16, "expected a whole number, 0 or more (at most 9007199254740992), got 1e+16"),
        ("port", 70000, "expected a whole number from 0 to 65535, got 70000"),
        ("", -1, "expected a whole number, 0 or more, got -1"),
    ],
)
def test_a_number_that_is_too_large_is_told_the_limit(unit: str, value: float, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_number(int, value, unit, False)
    assert str(caught.value) == text


@pytest.mark.parametrize("value", [True, False, "1", None, [1], math.nan, math.inf, -math.inf, 10**400])
@pytest.mark.parametrize("kind", [int, float])
def test_what_is_not_a_number_is_refused(kind: type, value: Any) -> None:
    with pytest.raises(ConfigError, match=r"^expected"):
        read_number(kind, value, "s", False)


def test_a_whole_number_may_be_written_as_a_float_without_a_fraction() -> None:
    value = read_number(int, 5.0, "port", False)
    assert value == 5
    assert type(value) is int
    with pytest.raises(ConfigError, match="whole number"):
        read_number(int, 5.5, "port", False)


@pytest.mark.parametrize(
    ("stored", "seconds"),
    [(1774384968427, 1774384968.427), (1774384968, 1774384968.0), (1774384968.4, 1774384968.4), (0, 0.0)],
)
def test_times_are_milliseconds_and_seconds_are_understood(stored: float, seconds: float) -> None:
    assert read_number(float, stored, "ms", False) == seconds
    assert read_number(float, epoch_ms(seconds), "ms", False) == seconds


def test_a_time_beyond_the_calendar_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected milliseconds"):
        read_number(float, 1774384968427000, "ms", False)


@pytest.mark.parametrize(
    "value",
    [
        "ftp://host",
        "host:80",
        "http://",
        "https://h:99999",
        "https://h/?q",
        "https://u:p@h",
        "http://[::1",
        5,
    ],
)
def test_bad_urls(value: Any) -> None:
    with pytest.raises(ConfigError, match="expected a URL"):
        read_text(value, "base URL", False)


def test_base_urls_lose_their_last_slash() -> None:
    assert read_text("https://host/prefix/", "base URL", False) == "https://host/prefix"
    assert read_text("https://host/token/", "URL", False) == "https://host/token/"
    assert read_text("http://user:pw@proxy:3128", "proxy URL", True) == "http://user:pw@proxy:3128"


@pytest.mark.parametrize("value", ["localhost", "127.0.0.1", "::1", "0.0.0.0", "box.lan"])
def test_hosts(value: str) -> None:
    assert read_text(value, "host", False) == value


@pytest.mark.parametrize("value", ["http://localhost", "localhost:3456", "a b", "host/path"])
def test_bad_hosts(value: str) -> None:
    with pytest.raises(ConfigError, match="host name"):
        read_text(value, "host", False)


def test_a_tilde_is_the_home_directory(private_home: Any) -> None:
    assert read_text("~/logs", "path", False) == f"{private_home}/logs"


@pytest.mark.parametrize("value", ["a\nb", "a\r", "\x1b[2J", "a\x00", "\u2028", "\ud800"])
def test_text_that_would_break_a_line_is_refused_without_being_shown(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^contains a line break or another control character$"):
        read_text(value, "", False)


@pytest.mark.parametrize("value", ["sk-ant FAKE", "sk-ant-FÄKE"])
def test_a_key_is_ascii_without_spaces(value: str) -> None:
    with pytest.raises(ConfigError, match=r"^contains a space or a character outside ASCII"):
        read_text(value, "", True)
    assert read_text(value, "", False) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("x", '"x"'),
        (5, "5"),
        (None, "null"),
        (True, "true"),
        ({"accessToken": "sk-ant-FAKE"}, "an object"),
        (["sk-ant-FAKE"], "a list"),
        ("sk-ant-oat01-FAKE", '"***"'),
        ("tc-FAKEFAKE", '"***"'),
        ("QWxhZGRpbjpvcGVuIHNlc2FtZQ==", '"***"'),
        ("http://user:secret@proxy", '"http://***@proxy"'),
        ("line\nbreak\x7f", '"line\\nbreak\\u007f"'),
    ],
)
def test_what_an_error_shows(value: Any, text: str) -> None:
    assert safe_repr(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [("x", "a hidden text"), ("", '""'), (12345, "a hidden number"), (False, "false")]
)
def test_what_an_error_shows_of_a_secret(value: Any, text: str) -> None:
    assert safe_repr(value, secret=True) == text


def test_a_long_value_is_cut() -> None:
    assert len(safe_repr("many words " * 50)) == 60
