"""The tables of a study."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.lab.score import Score
from teamclaude.lab.study.table import TableRow, table_lines, waiting_text
from teamclaude.values import replace

FULL = Score(
    completed=0.98765, wanted=0.9, stall_hours=12345.6, avoidable_hours=9999.9, visible_429s=11156,
    cold_tokens=0.1234, switches=15.54, stranded=0.123, fairness=0.987, requests=123456,
    waiting_p50=0.0, waiting_p95=45.0, waiting_p99=17280.0, waiting_longest=72000.0,
    waited_10s=0.1234, waited_10min=0.05, kept_cache_tokens=4_321_000_000, lost_cache_tokens=123_456_789,
    retried_429s=54321, worst_user=0.5, known_lengths_10min=0.0123,
)  # fmt: skip


def row(world: str = "", **values: Any) -> TableRow:
    return TableRow(world, "round-robin", 1.15, (1, 2), (FULL, replace(FULL, **values)))


def test_there_are_two_blocks_with_a_line_per_row_and_no_line_is_over_160_columns():
    lines = table_lines([row("5-minute-cache"), row("agents-2")])
    split = lines.index("")
    assert (split, len(lines)) == (3, 7)
    assert [line.split()[0] for line in lines if line] == ["world", "5-minute-cache", "agents-2"] * 2
    assert max(map(len, lines)) <= 160


def test_the_numbers_are_means_and_only_the_work_has_a_spread():
    work, waiting = table_lines([row(completed=0.96765, waited_10min=0.03)])[1::3]
    assert work.startswith("round-robin  1.15  97.77 ± 1.00")
    assert "  4.8 h " in waiting
    assert "  4.00             1.23  " in waiting


def test_what_others_got_is_shown_where_there_are_others():
    alone, beside = row("team"), row("others-too", others_got=0.9)._replace(seeds=(2,))
    beside = beside._replace(scores=beside.scores[1:])
    assert "others %" not in "".join(table_lines([alone]))
    heading, first, second = table_lines([alone, beside])[:3]
    column = heading.index("others %") + len("others %")
    assert [line[:column].split()[-1] for line in (first, second)] == ["-", "90.0"]
    assert max(map(len, table_lines([alone, beside]))) <= 160
    assert (alone.as_json()["mean"]["others_got"], beside.as_json()["mean"]["others_got"]) == (None, 0.9)
    assert alone.as_json()["seeds"]["1"]["others_got"] is None


def test_without_named_worlds_there_is_no_column_for_them():
    assert table_lines([row()])[0].startswith("policy")


def test_json_has_each_seed_and_the_means():
    found = row("team", visible_429s=0).as_json()
    assert (found["world"], found["policy"], found["load"]) == ("team", "round-robin", 1.15)
    assert found["seeds"]["2"]["visible_429s"] == 0
    assert found["mean"]["visible_429s"] == 5578
    assert row().as_json()["world"] is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (99.4, "99 s"), (120.0, "2 min"), (17280.0, "4.8 h")],
)
def test_times_have_the_unit_that_is_best_read(seconds, text):
    assert waiting_text(seconds) == text
