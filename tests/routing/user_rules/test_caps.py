from __future__ import annotations

import math
import re

import pytest

from teamclaude.errors import ConfigError
from teamclaude.routing.user_rules.caps import (
    MAX_USAGE,
    NO_CAPS,
    NO_LIMIT,
    RESERVE,
    Caps,
    Reserves,
    limits_of,
)

NOW = 1_800_000_000.0
HOUR, DAY = 3600.0, 86400.0


@pytest.mark.parametrize(
    ("value", "axis", "cap"),
    [
        (0.6, "5h", 0.6),
        (0.6, "7d_opus", 0.6),
        ({"7d": 0.6}, "7d", 0.6),
        ({"7d": 0.6}, "5h", math.inf),
        ({"7d": 0.6}, "7d_opus", math.inf),
        ({"5h": 0.8, "7d": 0.6}, "5h", 0.8),
        (None, "5h", math.inf),
    ],
)
def test_a_cap_is_of_one_axis_or_of_all(value, axis, cap):
    assert Caps.of(value).cap(axis) == cap


def test_caps_are_values():
    assert Caps.of({"7d": 0.6, "5h": 0.8}) == Caps.of({"5h": 0.8, "7d": 0.6})
    assert len({Caps.of({"7d": 0.6, "5h": 0.8}), Caps.of({"5h": 0.8, "7d": 0.6}), Caps.of(None)}) == 2


def test_an_account_without_a_rule_has_no_limits():
    assert limits_of(NO_CAPS) is None


def test_a_cap_holds_until_the_reset_of_its_window():
    limits = limits_of(Caps.of({"7d": 0.6}))
    assert limits is not None
    limit = limits.limit("7d", 0.1, NOW + 60, NOW)
    assert limit == (0.6, MAX_USAGE, "maxUsage 60%", None)
    assert limits.floor("7d") == 0.6
    assert limits.limit("5h", 0.1, NOW + 60, NOW).fraction == limits.floor("5h") == math.inf


# --- config values ------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [0.6, 0, 1, {"5h": 0.8, "7d": 0.6}, {"7D_Opus": 0.5}])
def test_a_config_value_is_written_as_it_was_read(value):
    caps = Caps.from_json(value, "maxUsage")
    assert Caps.from_json(caps.to_json(), "") == caps


ANY_FRACTION = "a fraction from 0 to 1, or one by window"


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (80, "maxUsage: expected a fraction from 0 to 1, got 80: write 0.8"),
        (1.5, "maxUsage: expected a fraction from 0 to 1, got 1.5: write 0.6 for 60 %"),
        ({"7d": 2}, "maxUsage.7d: expected a fraction from 0 to 1, got 2: write 0.6 for 60 %"),
        ({}, f"maxUsage: expected {ANY_FRACTION}, got an empty object: leave the key out"),
        ({"7d": 60}, "maxUsage.7d: expected a fraction from 0 to 1, got 60: write 0.6"),
        ("0.8", "maxUsage: expected a fraction from 0 to 1, or one by window"),
        (True, "maxUsage: expected a fraction from 0 to 1, or one by window"),
        ([0.5], "maxUsage: expected a fraction from 0 to 1, or one by window"),
        (-0.5, "maxUsage: expected a fraction from 0 to 1, got -0.5"),
        (math.nan, "maxUsage: expected a fraction from 0 to 1, got nan"),
        (1e9, "maxUsage: expected a fraction from 0 to 1, got 1e+09"),
        (10**400, "maxUsage: expected a fraction from 0 to 1, got a number far beyond"),
        ({"5h": -(10**400)}, "maxUsage.5h: expected a fraction from 0 to 1, got a number far beyond"),
    ],
)
def test_a_wrong_value_is_an_error_with_its_path(value, error):
    with pytest.raises(ConfigError, match=f"^{re.escape(error)}$"):
        Caps.from_json(value, "maxUsage")


@pytest.mark.parametrize(
    ("value", "error"),
    [
        (0.3, 'reserve: expected an object, as {"Mon-Fri 9-17": 0.3}'),
        (
            {"sometimes": 0.3},
            'reserve: "sometimes" names no hours; write "Mon-Fri 9-17", "Sat,Sun" or "22-6"',
        ),
        ({"Fri": 30}, 'reserve["Fri"]: expected a fraction from 0 to 1, got 30: write 0.3'),
        ({"Fri": {"7d": "x"}}, 'reserve["Fri"].7d: expected a fraction from 0 to 1, or one by window'),
    ],
)
def test_a_wrong_reserve_is_an_error_with_its_path(value, error):
    with pytest.raises(ConfigError, match=f"^{re.escape(error)}$"):
        Reserves.from_json(value, "reserve")


def test_reserves_are_written_as_they_were_read():
    value = {"Mon-Fri 9-17": 0.3, "Sat,Sun": {"7d": 0.1}}
    assert Reserves.from_json(value, "").to_json() == value


# --- reserves -----------------------------------------------------------------------------------------

MONDAY = 1_800_000_000.0 - (1_800_000_000.0 + 3 * DAY) % (7 * DAY)
THURSDAY_20 = MONDAY + 3 * DAY + 20 * HOUR


def reserved(value, cap=None):
    limits = limits_of(Caps.of(cap), Reserves.from_json(value, ""))
    assert limits is not None
    return limits


def test_a_reserve_is_kept_until_its_hours_begin():
    limits = reserved({"Fri 9-17": {"7d": 0.3}})
    week_ends = MONDAY + 6 * DAY
    limit = limits.limit("7d", 0.75, week_ends, THURSDAY_20)
    assert limit.fraction == pytest.approx(0.7)
    assert limit[1:] == (RESERVE, "30% reserved for Fri 9-17", MONDAY + 4 * DAY + 9 * HOUR)
    assert limits.limit("5h", 0.75, week_ends, THURSDAY_20) == NO_LIMIT
    assert limits.limit("7d", 0.75, week_ends, MONDAY + 4 * DAY + 9 * HOUR) == NO_LIMIT  # within them
    assert limits.limit("7d", 0.75, week_ends, MONDAY + 4 * DAY + 17 * HOUR) == NO_LIMIT  # after the last
    assert limits.limit("7d", 0.75, THURSDAY_20 + HOUR, THURSDAY_20) == NO_LIMIT  # a window that ends before


def test_a_reserve_is_kept_out_of_what_the_cap_leaves():
    limits = reserved({"Fri": 0.2}, cap={"7d": 0.6})
    assert limits.limit("7d", 0.5, MONDAY + 6 * DAY, THURSDAY_20).fraction == pytest.approx(0.4)
    assert limits.limit("7d", 0.6, MONDAY + 6 * DAY, THURSDAY_20).rule == MAX_USAGE
    assert limits.limit("7d", 0.5, MONDAY + 6 * DAY, MONDAY + 4 * DAY).fraction == 0.6
    assert limits.floor("7d") <= 0.4
    assert limits.floor("5h") <= 0.8


def test_reserves_add_up():
    limits = reserved({"Fri": 0.2, "Sat": 0.3})
    end = MONDAY + 6 * DAY
    before = limits.limit("7d", 0.5, end, THURSDAY_20)
    assert (round(before.fraction, 6), before.until) == (0.5, MONDAY + 4 * DAY)
    assert before.text == "50% reserved for Fri and Sat"
    assert limits.limit("7d", 0.5, end, MONDAY + 4 * DAY).fraction == pytest.approx(0.7)


def test_a_window_without_a_known_reset_may_last_until_the_hours():
    limits = reserved({"Fri": 0.2})
    assert limits.limit("7d", 0.9, None, THURSDAY_20).rule == RESERVE
    assert limits.limit("5h", 0.9, None, MONDAY) == NO_LIMIT
