"""Windows in answers of the usage endpoint, also in odd and in newer ones."""

from __future__ import annotations

from typing import Any, Optional

import pytest

from teamclaude.routing.quota.usage_report import read_usage_report

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z
AT = "2027-01-15T10:00:00.123456+00:00"


def axes(document: dict[str, Any]) -> dict[str, tuple[Optional[float], Optional[float]]]:
    reading = read_usage_report(document, NOW)
    assert reading.status is None
    assert not reading.rejected_axes() or all((w.utilization or 0) >= 1 for w in reading.axes.values())
    return {axis: (window.utilization, window.resets_at) for axis, window in reading.axes.items()}


def test_percent_becomes_a_fraction_and_a_time_epoch_seconds() -> None:
    ((axis, (used, resets_at)),) = axes({"five_hour": {"utilization": 14.5, "resets_at": AT}}).items()
    assert axis == "5h"
    assert used == pytest.approx(0.145)
    assert resets_at == pytest.approx(NOW + 7200.123456)


def test_windows_have_the_names_of_the_headers() -> None:
    used = {"utilization": 100.0, "resets_at": None}
    document = dict.fromkeys(
        ("five_hour", "seven_day", "seven_day_opus", "seven_day_overage_included", "seven_day_oauth_apps"),
        used,
    )
    assert axes(document) == dict.fromkeys(("5h", "7d", "7d_opus", "7d_oi"), (1.0, None))


def test_the_newer_list_fills_in_what_the_fields_do_not_say() -> None:
    def limit(kind: str, percent: float, scope: Any = None) -> dict[str, Any]:
        return {"kind": kind, "percent": percent, "resets_at": AT, "scope": scope}

    document = {
        "five_hour": {"utilization": 10, "resets_at": AT},
        "seven_day": None,
        "limits": [
            limit("session", 99),
            limit("weekly_all", 20),
            limit("weekly_scoped", 30, {"model": {"id": "claude-opus-4-8", "display_name": "Opus"}}),
            limit("weekly_scoped", 40, {"model": {"id": None, "display_name": "Fable 5"}}),
            limit("weekly_scoped", 50, {"model": None, "surface": "web"}),
            limit("of another kind", 60),
        ],
    }
    assert {axis: used for axis, (used, _) in axes(document).items()} == {
        "5h": 0.1,
        "7d": 0.2,
        "7d_opus": 0.3,
        "7d_oi": 0.4,
    }


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "14",
        {},
        {"utilization": None, "resets_at": AT},
        {"utilization": True},
        {"utilization": "14"},
        {"utilization": -1},
        {"utilization": float("nan")},
        {"utilization": 1e300},
        {"utilization": 1001},
    ],
)
def test_what_cannot_be_read_is_absent(value: Any) -> None:
    assert axes({"five_hour": value, "limits": value, "other": value}) == {}


@pytest.mark.parametrize("at", [None, 5, "", "tomorrow", "9999-01-01T00:00:00Z", ["x"]])
def test_a_time_that_cannot_be_read_is_unknown(at: Any) -> None:
    assert axes({"seven_day": {"utilization": 3, "resets_at": at}}) == {"7d": (0.03, None)}


@pytest.mark.parametrize(
    "limits", [[None, 3, "x", {}], [{"kind": ["session"]}], [{"kind": "session"}] * 9999]
)
def test_odd_entries_of_the_list_are_absent(limits: Any) -> None:
    assert axes({"limits": limits}) == {}


def test_of_very_many_windows_some_are_read() -> None:
    assert len(axes({f"seven_day_{n}": {"utilization": 1} for n in range(500)})) == 12
    assert axes({"seven_day_" + "x" * 5000: {"utilization": 1}}) == {}
