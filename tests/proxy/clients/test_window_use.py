"""What each client has used of the windows, and what a restart keeps of that."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.proxy.clients.window_use import WindowUse
from teamclaude.routing.pool.fair_share import REST, ClientUse, PoolWindow, shares_of_all
from teamclaude.routing.quota.lenient_json import LenientObject
from teamclaude.routing.quota.windows import QuotaReading, Window

NOW = 1_800_000_000.0
HOUR = 3600.0
ENDS = NOW + 2 * HOUR
SHARES = shares_of_all({"a": 0.5, "b": 0.5})


def reading(resets_at: float) -> QuotaReading:
    return QuotaReading({"5h": Window(0.1, resets_at, "allowed", NOW)})


def used(windows: WindowUse, pool: list[PoolWindow], now: float = NOW) -> dict[str, float]:
    found: dict[str, ClientUse] = windows.uses("5h", SHARES, pool, now)
    return {name: use.used for name, use in found.items()}


def test_tokens_add_up_within_a_window_and_begin_anew_with_the_next() -> None:
    windows, pool = WindowUse(), [PoolWindow("x", 1.0, ENDS)]
    windows.add("a", "x", reading(ENDS), 100, NOW)
    windows.add("a", "x", reading(ENDS + 1.0), 50, NOW)  # headers differ by less than a second
    windows.add("a", "x", None, 7, NOW)  # an answer without headers
    windows.add("b", "x", reading(ENDS), 0, NOW)
    assert used(windows, pool) == {"a": 157}
    later = ENDS + 10.0
    assert used(windows, pool, later) == {"a": 0}
    windows.add("a", "x", reading(later + 5 * HOUR), 3, later)
    assert used(windows, [PoolWindow("x", 1.0, later + 5 * HOUR)], later) == {"a": 3}


def test_accounts_add_up_and_those_that_are_gone_do_not_count() -> None:
    windows = WindowUse()
    for account in ("x", "y"):
        windows.add("a", account, reading(ENDS), 10, NOW)
    assert used(windows, [PoolWindow("x", 1.0, ENDS), PoolWindow("y", 1.0, ENDS)]) == {"a": 20}
    assert used(windows, [PoolWindow("y", 1.0, ENDS)]) == {"a": 10}


def test_a_window_whose_reset_nobody_named_counts_until_one_is_known_that_ends_later() -> None:
    windows = WindowUse()
    windows.add("a", "x", None, 10, NOW)
    assert used(windows, [PoolWindow("x", 1.0, None)]) == {"a": 10}
    assert used(windows, [PoolWindow("x", 1.0, ENDS)]) == {"a": 10}
    assert used(windows, [PoolWindow("x", 1.0, NOW + 5 * HOUR + 60)]) == {"a": 0}


def test_who_has_no_share_is_one_with_all_others_who_have_none() -> None:
    windows, pool = WindowUse(), [PoolWindow("x", 1.0, ENDS)]
    for client, tokens in (("a", 1), ("c", 10), ("", 100)):
        windows.add(client, "x", reading(ENDS), tokens, NOW)
    assert used(windows, pool) == {"a": 1, REST: 110}
    assert windows.uses("5h", SHARES, pool, NOW)[REST].per_sec > 0


def test_a_restart_keeps_it() -> None:
    windows, pool = WindowUse(), [PoolWindow("x", 1.0, ENDS)]
    windows.add("a", "x", reading(ENDS), 100, NOW)
    saved = json.loads(json.dumps(windows.to_json("a", NOW)))
    lost: list[str] = []
    again = WindowUse()
    again.restore("a", LenientObject(saved, "a", lost), NOW)
    assert again.uses("5h", SHARES, pool, NOW) == windows.uses("5h", SHARES, pool, NOW)
    assert again.uses("7d", SHARES, pool, NOW) == windows.uses("7d", SHARES, pool, NOW)
    assert lost == []
    assert windows.to_json("a", ENDS + 8 * 24 * HOUR)["windows"] == []


@pytest.mark.parametrize(
    "saved",
    [
        {"windows": "no", "demand": 1},
        {
            "windows": [
                1,
                [],
                ["x", "5h", "later", 1],
                ["x", "9h", ENDS, 1],
                ["x", "5h", 1e300, 1],
                [1, 2, 3, 4],
            ]
        },
        {"windows": [["x", "5h", ENDS, -(10**400)]], "demand": {"5h": [1, 2], "7d": "fast"}},
        {"windows": None, "demand": {"5h": [1, 2, None]}},
    ],
)
def test_what_can_t_be_read_is_left_out(saved: dict[str, Any]) -> None:
    windows = WindowUse()
    windows.restore("a", LenientObject(saved, "a", []), NOW)
    assert used(windows, [PoolWindow("x", 1.0, ENDS)]) == {"a": 0}
