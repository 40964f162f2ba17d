from __future__ import annotations

import pytest

from teamclaude.routing.quota.windows import (
    NO_AXIS,
    UNKNOWN_WINDOW,
    WHOLE_ACCOUNT,
    Window,
    Windows,
    is_plausible_reset,
    is_scoped,
    span_sec,
)

NOW = 1_795_420_000.0  # 2026-11-23T07:46:40Z
SOON = NOW + 3600


# --- one window -------------------------------------------------------------------------------


def seen(axis="5h", **fields):
    windows = Windows()
    windows.update({axis: Window(seen_at=NOW, **fields)}, NOW)
    return windows


def test_an_axis_that_was_never_named_is_unknown_not_zero():
    assert Windows().get("5h", NOW) == UNKNOWN_WINDOW
    assert UNKNOWN_WINDOW.utilization is None
    assert UNKNOWN_WINDOW.resets_at is None
    assert not UNKNOWN_WINDOW.rejected


def test_a_rejection_dies_with_the_reset_of_its_own_axis():
    windows = seen(utilization=1.13, resets_at=SOON, status="rejected")
    windows.update({"7d": Window(0.09, NOW + 5 * 86400, "allowed", NOW)}, NOW)
    assert windows.get("5h", SOON - 1).rejected
    assert windows.get("5h", SOON) == UNKNOWN_WINDOW
    assert windows.get("7d", SOON).utilization == 0.09
    assert [axis for axis, _ in windows.live(SOON)] == ["7d"]


def test_an_answer_updates_only_the_axes_it_names():
    windows = seen(utilization=0.5, resets_at=SOON)
    windows.update({"7d": Window(0.2, SOON, None, NOW)}, NOW)
    assert windows.get("5h", NOW).utilization == 0.5


def test_a_field_an_answer_leaves_out_keeps_its_value_within_the_window():
    windows = seen(utilization=0.5, resets_at=SOON, status="allowed_warning")
    windows.update({"5h": Window(0.6, None, None, NOW + 9)}, NOW + 9)
    assert windows.get("5h", NOW) == Window(0.6, SOON, "allowed_warning", NOW + 9)


def test_a_reset_in_the_past_is_not_stored_and_blanks_its_axis():
    windows = seen(utilization=0.9, resets_at=SOON, status="rejected")
    windows.update({"5h": Window(0.9, NOW - 0.3, "rejected", NOW)}, NOW)
    assert windows.get("5h", NOW) == UNKNOWN_WINDOW
    assert windows.live(0.0) == []


@pytest.mark.parametrize("jitter", [-5.0, -0.4, 0.4, 5.0])
def test_a_reset_within_five_seconds_is_the_same_window(jitter):
    windows = seen(utilization=0.9, resets_at=SOON, status="rejected")
    windows.update({"5h": Window(0.95, SOON + jitter, None, NOW)}, NOW)
    assert windows.get("5h", NOW) == Window(0.95, SOON, "rejected", NOW)


def test_a_reset_further_away_is_a_new_window_that_inherits_nothing():
    windows = seen(utilization=0.9, resets_at=SOON, status="rejected")
    windows.update({"5h": Window(None, SOON + 5.1, None, NOW)}, NOW)
    assert windows.get("5h", NOW) == Window(None, SOON + 5.1, None, NOW)


def test_an_expired_window_leaves_nothing_to_its_successor():
    windows = seen(utilization=0.9, resets_at=SOON, status="rejected")
    windows.update({"5h": Window(0.1, None, None, SOON + 1)}, SOON + 1)
    assert windows.get("5h", SOON + 1) == Window(0.1, None, None, SOON + 1)


# --- model scopes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "model", "covered"),
    [
        ("7d_oi", "claude-fable-5", True),
        ("7d_oi", "claude-mythos-1-20270101", True),
        ("7d_oi", "claude-opus-4-8", False),
        ("7d_sonnet", "claude-sonnet-4-6", True),
        ("7d_sonnet", "claude-3-5-SONNET-20241022", True),
        ("7d_sonnet", "claude-opus-4-8", False),
        ("7d_opus", "us.anthropic.claude-opus-4-1-v1:0", True),
        ("7d_opus", "claude-opus4-20260101", True),
        ("7d_cl", "claude-opus-4-8", False),
        ("7d_epic", "claude-epic-1", True),
        ("7d_oi", None, False),
    ],
)
def test_a_scoped_axis_covers_the_models_it_names(axis, model, covered):
    assert is_scoped(axis)
    assert Windows().covers(axis, model) is covered


def test_an_unknown_scope_is_learned_from_the_model_it_refused():
    windows = Windows()
    assert not windows.covers("7d_xyz", "claude-opus-4-8")
    windows.learn_scope("7d_xyz", "claude-opus-4-8")
    assert windows.covers("7d_xyz", "claude-opus-5-0")
    assert not windows.covers("7d_xyz", "claude-sonnet-4-6")


def test_a_model_of_an_unknown_family_is_learned_as_itself():
    windows = Windows()
    windows.learn_scope("7d_xyz", "Claude-Epic-1")
    assert windows.covers("7d_xyz", "claude-epic-1")
    assert not windows.covers("7d_xyz", "claude-epic-2")


def test_no_scope_is_learned_where_the_name_says_it_or_no_model_is_known():
    windows = Windows()
    windows.learn_scope("7d_oi", "claude-fable-5")
    windows.learn_scope("7d_xyz", None)
    assert windows.learned_scopes == {}


def test_scoped_axes_are_listed_while_they_are_there():
    windows = Windows()
    windows.update({"5h": Window(0.1), "7d_opus": Window(0.3), "7d_oi": Window(0.7)}, 0.0)
    assert list(windows.scoped) == ["7d_opus", "7d_oi"]
    assert windows.scoped_use("claude-opus-4-8", 0.0) == 0.3
    assert windows.scoped_use("claude-fable-5", 0.0) == 0.7
    assert windows.scoped_use("claude-sonnet-4-6", 0.0) == 0.0
    windows.drop("7d_opus")
    assert list(windows.scoped) == ["7d_oi"]


# --- lengths ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("axis", "seconds"),
    [
        ("5h", 18_000),
        ("7d", 604_800),
        ("7d_opus", 604_800),
        ("30d", 30 * 86_400),
        ("1w", 604_800),
        ("10m", 600),
        ("tokens", 3600),
        ("unified", 3600),
        ("5hx", 3600),
    ],
)
def test_the_length_of_a_window_is_in_its_name(axis, seconds):
    assert span_sec(axis) == seconds


HOUR, DAY = 3600.0, 86400.0


@pytest.mark.parametrize(
    ("axis", "longest"),
    [
        ("5h", 5 * HOUR),
        ("7d", 7 * DAY),
        ("7d_opus", 7 * DAY),
        ("1d", DAY),
        ("30d", 30 * DAY),
        ("999d", 30 * DAY),
        ("tokens", 7 * DAY),
        (WHOLE_ACCOUNT, 7 * DAY),
        (NO_AXIS, 30 * DAY),
    ],
)
def test_a_reset_is_no_further_away_than_its_window_is_long(axis, longest):
    assert is_plausible_reset(axis, NOW + longest + 600, NOW)  # clocks differ
    assert not is_plausible_reset(axis, NOW + longest + 2 * HOUR, NOW)
    assert is_plausible_reset(axis, NOW - 30 * DAY, NOW)
