from __future__ import annotations

import os
import time

import pytest

from teamclaude.routing.quota.rate_limit_headers import parse_retry_after, read_windows
from teamclaude.routing.quota.windows import (
    MAX_WAIT_SEC,
    QuotaReading,
    Window,
    is_scoped,
)

NOW = 1_795_420_000.0  # 2026-11-23T07:46:40Z
SOON = NOW + 3600


def headers(prefix="anthropic-ratelimit-unified-", **fields):
    return [(prefix + name.replace("__", "-"), str(value)) for name, value in fields.items()]


def read(*given, **fields):
    return read_windows([*given, *headers(**fields)], NOW)


def test_the_real_429_of_a_spent_five_hour_window():
    """Captured: 5h rejected at 113 %, the week allowed, overage off for the organisation."""
    reading = read(
        ("retry-after", "3600"),
        **{
            "status": "rejected",
            "reset": SOON,
            "5h-status": "rejected",
            "5h-utilization": "1.13",
            "5h-surpassed-threshold": "1.0",
            "5h-reset": SOON,
            "7d-status": "allowed",
            "7d-utilization": "0.09",
            "7d-reset": NOW + 5 * 86400,
            "representative-claim": "five_hour",
            "fallback-percentage": "0.5",
            "overage-status": "rejected",
            "overage-disabled-reason": "org_level_disabled",
            "upgrade-paths": "upgrade_plan",
        },
    )
    assert reading.axes == {
        "5h": Window(1.13, SOON, "rejected", NOW),
        "7d": Window(0.09, NOW + 5 * 86400, "allowed", NOW),
    }
    assert (reading.status, reading.retry_after) == ("rejected", 3600)
    assert reading.rejected_axes() == ["5h"]


def test_the_real_429_of_a_spent_model_scope_leaves_the_account_alone():
    """Captured: 5h and 7d allowed, only the flagship's own axis rejected, for 51811 s."""
    reading = read(
        ("retry-after", "51811"),
        **{
            "status": "rejected",
            "5h-status": "allowed",
            "5h-utilization": "0.2",
            "7d-status": "allowed",
            "7d-utilization": "0.4",
            "7d_oi-status": "rejected",
            "7d_oi-utilization": "1.0",
            "7d_oi-reset": NOW + 51811,
            "representative-claim": "seven_day_overage_included",
        },
    )
    assert reading.rejected_axes() == ["7d_oi"]
    assert reading.status is None
    assert reading.axes["7d_oi"] == Window(1.0, NOW + 51811, "rejected", NOW)


@pytest.mark.parametrize(
    ("fields", "axis", "whole"),
    [
        # Nothing but the top level: the whole account.
        ({}, "unified", True),
        # A window that is used up is what the rejection is about.
        ({"5h-utilization": "1.0", "7d-utilization": "0.3"}, "5h", True),
        # Extra usage alone is refused: about no window.
        ({"representative-claim": "overage"}, None, False),
        # The claim names the axis.
        ({"representative-claim": "five_hour"}, "5h", True),
        ({"representative-claim": "seven_day"}, "7d", True),
        ({"representative-claim": "seven_day", "5h-status": "allowed"}, "7d", True),
        ({"representative-claim": "seven_day_overage_included"}, "7d_oi", False),
        ({"representative-claim": "seven_day_sonnet"}, "7d_sonnet", False),
        ({"representative-claim": "five_hour_epic"}, "5h_epic", False),
        (
            {"representative-claim": "seven_day_opus", "5h-status": "allowed", "7d-status": "allowed"},
            "7d_opus",
            False,
        ),
        # 5h or 7d contradict it, and nothing else is named: about neither.
        ({"5h-status": "allowed", "7d-status": "allowed"}, None, False),
        ({"5h-status": "allowed_warning", "representative-claim": "five_hour"}, None, False),
    ],
)
def test_the_top_level_rejection_is_put_on_the_axis_it_is_about(fields, axis, whole):
    reading = read(status="rejected", reset=SOON, **fields)
    assert reading.rejected_axes() == ([axis] if axis else [])
    assert reading.status == ("rejected" if whole else None)
    if axis:
        assert reading.axes[axis].resets_at == SOON


def test_the_top_level_status_of_a_served_answer_is_kept_as_it_is():
    assert read(status="allowed_warning", **{"5h-status": "allowed"}).status == "allowed_warning"
    assert read().status is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1795423600", SOON),
        ("1795423600.25", SOON + 0.25),
        ("1795423600000", SOON),  # milliseconds
        ("2026-11-23T08:46:40Z", SOON),
        ("2026-11-23T08:46:40.5Z", SOON + 0.5),
        ("2026-11-23T08:46:40.123456789z", SOON + 0.123456789),
        ("2026-11-23T10:46:40+02:00", SOON),
        ("2026-11-23 08:46:40", SOON),  # no zone: UTC
        ("9999-12-31T23:59:59Z", None),  # no window is that long
        ("99999999999", None),
        ("1e400", None),
        ("nan", None),
        ("-5", None),
        (str(NOW + 5.5 * 3600), NOW + 5.5 * 3600),
        (str(NOW + 6.5 * 3600), None),  # longer than the window
        ("1.2.3", None),
        ("soon", None),
        ("", None),
        ("2026-13-99T00:00:00Z", None),
    ],
)
def test_resets_in_seconds_milliseconds_and_rfc_3339(text, expected):
    resets_at = read(**{"5h-utilization": "0.5", "5h-reset": text}).axes["5h"].resets_at
    assert resets_at == (pytest.approx(expected, abs=1e-3) if expected else None)


def test_a_reset_that_its_window_cannot_have_is_unknown():
    reading = read(
        **{"7d-reset": NOW + 6 * 86400, "7d_opus-reset": NOW + 8 * 86400, "5h-reset": NOW + 6 * 86400},
        **{"status": "rejected", "representative-claim": "five_hour", "reset": NOW + 30 * 86400},
        **{"overage-status": "rejected", "overage-reset": NOW + 30 * 86400},
    )
    found = {axis: window.resets_at for axis, window in reading.axes.items()}
    assert found == {"7d": NOW + 6 * 86400, "7d_opus": None, "5h": None}
    assert reading.overage.resets_at == NOW + 30 * 86400


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0.0),
        (" 0.35 ", 0.35),
        ("1.13", 1.13),
        ("35", 0.35),  # only a percentage is that large
        ("100", 1.0),
        ("1000", 10.0),
        ("1001", None),  # nothing that a window's use can be
        ("1e300", None),
        ("9" * 300, None),
        ("-0.1", None),
        ("nan", None),
        ("inf", None),
        ("much", None),
        ("", None),
    ],
)
def test_utilization_is_a_fraction_and_nonsense_is_unknown(text, expected):
    assert read(**{"5h-utilization": text}).axes["5h"].utilization == expected


def test_header_names_and_statuses_ignore_case():
    reading = read_windows([("Anthropic-RateLimit-Unified-5H-Status", "Rejected")], NOW)
    assert reading.axes["5h"].rejected


def test_axes_of_any_length_are_read_and_overage_is_no_axis():
    reading = read(**{"30d-utilization": "0.1", "overage-utilization": "0.9", "overage-status": "rejected"})
    assert list(reading.axes) == ["30d"]
    assert reading.rejected_axes() == []


def test_api_key_axes_are_limit_and_remaining():
    reading = read_windows(
        headers(
            "anthropic-ratelimit-",
            requests__limit=50,
            requests__remaining=5,
            requests__reset="2026-11-23T08:46:40Z",
            **{"input-tokens-limit": 1000, "input-tokens-remaining": 0, "output-tokens-limit": 0},
        ),
        NOW,
    )
    assert reading.axes["requests"].utilization == pytest.approx(0.9)
    assert reading.axes["requests"].resets_at == SOON
    assert reading.axes["output-tokens"].utilization is None
    assert reading.rejected_axes() == ["input-tokens"]
    assert not is_scoped("input-tokens")


@pytest.mark.parametrize(
    "fields", [{"limit": 0, "remaining": 0}, {"limit": 5}, {"remaining": 5}, {"limit": "x", "remaining": 1}]
)
def test_half_an_api_key_axis_says_nothing(fields):
    given = headers("anthropic-ratelimit-tokens-", **fields)
    assert read_windows(given, NOW).axes["tokens"].utilization is None


def test_more_remaining_than_the_limit_is_nothing_used():
    given = headers("anthropic-ratelimit-tokens-", limit=5, remaining=9)
    assert read_windows(given, NOW).axes["tokens"].utilization == 0.0


def test_foreign_headers_say_nothing():
    assert read_windows(
        [("content-type", "x"), ("anthropic-ratelimit-", "1"), ("x-5h-status", "rejected")], NOW
    ) == QuotaReading({})


# --- retry-after ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("17", 17),
        (" 1.5 ", 1.5),
        ("51811", 51811),
        ("99999999999999999999", MAX_WAIT_SEC),
        ("-1", None),
        ("nan", None),
        ("inf", None),
        ("1e999", None),
        ("soon", None),
        ("", None),
        ("Mon, 23 Nov 2026 08:46:40 GMT", 3600),
        ("Mon, 23 Nov 2026 08:46:40 -0000", 3600),
        ("Mon Nov 23 08:46:40 2026", 3600),
        ("Mon, 23 Nov 2026 06:46:40 GMT", 0),
        ("Fri, 23 Nov 2068 08:46:40 GMT", MAX_WAIT_SEC),
        ("Mon, 99 Nov 2026 08:46:40 GMT", None),
    ],
)
def test_retry_after_as_seconds_or_date_within_sane_bounds(text, expected):
    assert parse_retry_after(text, NOW) == expected


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the local zone can't be set here")
def test_retry_after_does_not_depend_on_the_local_zone(monkeypatch):
    monkeypatch.setitem(os.environ, "TZ", "XYZ-7")
    time.tzset()
    try:
        assert parse_retry_after("Mon, 23 Nov 2026 08:46:40 -0000", NOW) == 3600
        assert read(**{"5h-reset": "2026-11-23T08:46:40"}).axes["5h"].resets_at == SOON
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_unified_field_called_retry_after_is_no_retry_after():
    assert read(status="allowed", retry__after="70").retry_after is None
