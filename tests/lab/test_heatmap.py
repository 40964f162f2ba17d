"""Heatmaps as lines and as pictures of the accounts' windows."""

from __future__ import annotations

from xml.etree import ElementTree

from teamclaude.lab.api_model import ApiAccount, ApiWindow, TokenWeights
from teamclaude.lab.heatmap import Heatmap, heatmap_lines, heatmap_svg
from teamclaude.lab.run import run_policy

HOUR, WEEK = 3600.0, 7 * 86400.0


def account(five: float = 0.0, week: float = 0.0, resets_at: float = 5 * HOUR) -> ApiAccount:
    return ApiAccount(
        [
            ApiWindow("5h", 100.0, 5 * HOUR, resets_at, five),
            ApiWindow("7d", 1000.0, WEEK, WEEK, week, fixed=True),
        ],
        8,
        TokenWeights(),
    )


def test_hours_without_events_are_filled_as_the_windows_were_then():
    heatmap = Heatmap()
    heatmap.record(1.5 * HOUR, {"a": account(five=55.0, week=100.0)})
    heatmap.record(7.5 * HOUR, {"a": account(five=55.0, week=100.0)})
    assert heatmap.rows["a", "5h"] == [0.55] * 4 + [0.0] * 4  # empty from its reset on
    assert heatmap.rows["a", "7d"] == [0.1] * 8


def test_recording_a_heatmap_changes_nothing(scenario, played):
    assert run_policy(scenario(), "sticky", heatmap=Heatmap()) == played("sticky")


def test_each_account_has_two_rows_under_a_ruler_of_days():
    heatmap = Heatmap()
    heatmap.record(49.5 * HOUR, {"acct1": account(five=100.0, week=250.0, resets_at=100 * HOUR)})
    lines = heatmap_lines(heatmap, 60, colour=False)
    assert lines[0].split() == ["Mon", "Tue", "Wed"]
    assert lines[1].startswith("acct1 5h XXXX")
    assert lines[2].startswith("      7d ::::")
    assert lines[0].index("Tue") == len("acct1 5h ") + 24
    assert max(map(len, lines)) <= 60
    assert all("\x1b[48;5;" in line for line in heatmap_lines(heatmap, 60, colour=True)[1:])


def test_a_column_is_as_full_as_its_fullest_hour():
    heatmap = Heatmap()
    heatmap.rows["a", "5h"] = [0.0, 0.95, 0.0, 0.0] * 10
    assert heatmap_lines(heatmap, 15, colour=False)[1].strip() == "a 5h " + "@" * 10


def test_the_picture_is_xml_with_titles_made_safe():
    heatmap = Heatmap()
    heatmap.record(30 * HOUR, {"acct1": account(five=100.0, week=250.0, resets_at=9 * HOUR)})
    root = ElementTree.fromstring(heatmap_svg([("a < b & c", heatmap)]))
    texts = [node.text for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["a < b & c", "Mon", "Tue", "acct1 5h", "acct1 7d"]
    bars = list(root.iter("{http://www.w3.org/2000/svg}rect"))[1:]
    assert sum(int(bar.get("width", "0")) for bar in bars) == 2 * 31 * 3
