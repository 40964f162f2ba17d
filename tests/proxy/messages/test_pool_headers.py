"""The pool's limits in a response's head: only the unified fields, and they agree with each other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from teamclaude.proxy.messages.pool_headers import pool_usage, with_pool_limits
from teamclaude.routing.pool.pool_limits import PoolLimits, PoolWindow
from teamclaude.routing.quota.rate_limit_headers import read_windows

U = "anthropic-ratelimit-unified-"
NOW = 1_800_000_000.0
POOL = PoolLimits({"5h": PoolWindow(0.4, NOW + 60.4), "7d": PoolWindow(0.1, NOW + 900)})

# As captured, shortened: a 200 of an account that is nearly used up.
SERVED = [
    ("Content-Type", "text/event-stream"),
    (f"{U}status", "allowed_warning"),
    (f"{U}5h-status", "allowed_warning"),
    (f"{U}5h-reset", "1800005000"),
    (f"{U}5h-utilization", "0.93"),
    (f"{U}5h-surpassed-threshold", "0.9"),
    ("request-id", "req_1"),
    (f"{U}7d-status", "allowed"),
    (f"{U}7d-utilization", "0.2"),
    (f"{U}representative-claim", "five_hour"),
    (f"{U}reset", "1800005000"),
    (f"{U}fallback-percentage", "0.5"),
    (f"{U}overage-status", "rejected"),
    (f"{U}overage-disabled-reason", "org_level_disabled"),
    (f"{U}upgrade-paths", "upgrade_plan"),
    (f"{U}grace-status", "x"),
    ("Anthropic-Organization-Id", "org"),
    ("retry-after", "7"),
]
REFUSED = [
    (f"{U}status", "rejected"),
    (f"{U}5h-status", "allowed"),
    (f"{U}7d_oi-status", "rejected"),
    (f"{U}representative-claim", "seven_day_overage_included"),
    (f"{U}reset", "1800009999"),
]


def unified(headers: list[tuple[str, str]]) -> dict[str, str]:
    return {name[len(U) :]: value for name, value in headers if name.startswith(U)}


def test_a_served_response_shows_the_pool() -> None:
    changed = with_pool_limits(SERVED, POOL, 200)
    assert unified(changed) == {
        "status": "allowed",
        "5h-status": "allowed",
        "5h-reset": "1800000060",
        "5h-utilization": "0.40",
        "7d-status": "allowed",
        "7d-reset": "1800000900",
        "7d-utilization": "0.10",
        "reset": "1800000060",
        "representative-claim": "five_hour",
        "fallback-percentage": "0.5",
    }
    assert len(unified(changed)) == sum(name.startswith(U) for name, _ in changed), "no field comes twice"


def test_all_other_fields_stay_in_their_places() -> None:
    def others(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        return [field for field in headers if not field[0].lower().startswith(U)]

    for headers, status in ((SERVED, 200), (REFUSED, 429)):
        assert others(with_pool_limits(headers, POOL, status)) == others(headers)
    names = [name for name, _ in with_pool_limits(SERVED, POOL, 200)]
    assert names[:2] == ["Content-Type", f"{U}status"]


@pytest.mark.parametrize("headers", [[], [("retry-after", "5"), ("anthropic-ratelimit-tokens-limit", "5")]])
def test_without_unified_fields_nothing_changes(headers: list[tuple[str, str]]) -> None:
    assert with_pool_limits(headers, POOL, 429) == headers


def test_while_nothing_is_known_nothing_changes() -> None:
    assert with_pool_limits(SERVED, PoolLimits({}), 200) == SERVED


@pytest.mark.parametrize(
    ("five", "week", "status", "claim", "surpassed"),
    [
        (0.89, 0.74, "allowed", "five_hour", (None, None)),
        (0.9, 0.1, "allowed_warning", "five_hour", ("0.9", None)),
        (0.1, 0.75, "allowed_warning", "seven_day", (None, "0.75")),
        (0.93, 0.95, "allowed_warning", "five_hour", ("0.9", "0.9")),
        (0.93, 1.0, "allowed_warning", "seven_day", ("0.9", "1.0")),
        (1.0, 1.0, "allowed_warning", "five_hour", ("1.0", "1.0")),
    ],
)
def test_warnings_are_the_pools(five: float, week: float, status: str, claim: str, surpassed: Any) -> None:
    pool = PoolLimits({"5h": PoolWindow(five, NOW), "7d": PoolWindow(week, NOW + 9)}, "5h", NOW)
    fields = unified(with_pool_limits(SERVED, pool, 200))
    assert (fields["status"], fields["representative-claim"]) == (status, claim)
    assert (fields.get("5h-surpassed-threshold"), fields.get("7d-surpassed-threshold")) == surpassed
    assert fields["reset"] == fields["5h-reset" if claim == "five_hour" else "7d-reset"]
    assert fields["5h-status"] == ("allowed_warning" if surpassed[0] else "allowed")


def test_an_exhausted_pool_says_when_it_is_back() -> None:
    pool = PoolLimits({"5h": PoolWindow(1.0, NOW + 60), "7d": PoolWindow(1.0, NOW + 900)}, "7d", NOW + 700)
    fields = unified(with_pool_limits(REFUSED, pool, 429))
    assert (fields["status"], fields["representative-claim"], fields["reset"]) == (
        "rejected",
        "seven_day",
        "1800000700",
    )
    assert (fields["7d-status"], fields["5h-status"]) == ("rejected", "allowed_warning")


def test_a_refusal_that_is_about_the_request_stays_its_own() -> None:
    extra = [(f"{U}overage-status", "rejected"), (f"{U}7d_oi-utilization", "1.0"), (f"{U}5h-reset", "1")]
    pool = POOL._replace(windows={**POOL.windows, "7d_oi": PoolWindow(0.7, NOW)})
    fields = unified(with_pool_limits([*REFUSED, *extra], pool, 429))
    assert fields == {
        "5h-status": "allowed",
        "5h-utilization": "0.40",
        "5h-reset": "1800000060",
        "7d-status": "allowed",
        "7d-utilization": "0.10",
        "7d-reset": "1800000900",
        "7d_oi-status": "rejected",
        "7d_oi-utilization": "1.0",
        "representative-claim": "seven_day_overage_included",
        "reset": "1800009999",
        "overage-status": "rejected",
        "status": "rejected",
    }


def test_a_refusal_without_a_claim_gets_the_windows() -> None:
    fields = unified(with_pool_limits([(f"{U}status", "rejected")], POOL, 429))
    assert (fields["status"], fields["5h-utilization"]) == ("rejected", "0.40")
    assert "representative-claim" not in fields


def test_what_it_writes_can_be_read() -> None:
    pool = PoolLimits({"5h": PoolWindow(0.4, NOW + 60), "7d_oi": PoolWindow(0.95, None)})
    reading = read_windows(with_pool_limits(SERVED, pool, 200), NOW)
    assert {axis: window.utilization for axis, window in reading.axes.items()} == {"5h": 0.4, "7d_oi": 0.95}
    assert (reading.status, reading.overage) == ("allowed_warning", None)


# --- the usage ----------------------------------------------------------------------------------


def test_the_usage_of_the_pool() -> None:
    body = pool_usage(PoolLimits({"5h": PoolWindow(0.404, NOW), "7d": PoolWindow(0.8, None)}))
    assert body is not None
    said = json.loads(body)
    assert said["five_hour"] == {"utilization": 40.4, "resets_at": "2027-01-15T08:00:00.000000+00:00"}
    assert said["seven_day"] == {"utilization": 80.0, "resets_at": None}
    assert [(row["kind"], row["percent"], row["severity"]) for row in said["limits"]] == [
        ("session", 40, "normal"),
        ("weekly_all", 80, "warning"),
    ]
    assert said["extra_usage"]["is_enabled"] is False


def test_an_unknown_window_is_null_and_an_unknown_pool_nothing() -> None:
    body = pool_usage(PoolLimits({"5h": PoolWindow(1.0, NOW)}))
    assert body is not None
    said = json.loads(body)
    assert (said["seven_day"], len(said["limits"]), said["limits"][0]["severity"]) == (None, 1, "critical")
    assert pool_usage(PoolLimits({})) is None
