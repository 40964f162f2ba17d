"""One conversation as a row: marks, role, chip, state, glyph, figures; columns that line up."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.conversations import usage_of
from teamclaude.deck.model.model import CHIPS
from teamclaude.deck.model.usage_sum import UsageSum, sum_usage
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.node_rows import (
    NO_PLACEMENT,
    NodeColumns,
    RowPlacement,
    node_columns,
    node_row,
)
from teamclaude.snapshot import UsageView
from tests.deck.example_model import NODES, node, spent

WIDTHS = [40, 47, 60, 80, 100, 120, 160, 200, 300]


def columns(room: int = 80, trees: bool = True) -> NodeColumns:
    return node_columns(room, NODES, 3, trees)


def row(room: int = 80, at: RowPlacement = NO_PLACEMENT, **fields: Any) -> str:
    return plain_text(node_row(node("55ee", "Fix it", 58_000, **fields), columns(room), at))


@pytest.mark.parametrize("room", WIDTHS)
def test_every_row_is_as_wide_as_the_screen_or_shorter_and_figures_line_up(room: int) -> None:
    shape = columns(room)
    places = set()
    for one in NODES:
        shown = node_row(one, shape, RowPlacement("│  ├─ " if one.parent else "", spent(7), "alice"))
        assert line_width(shown) <= room
        end = max(at for at, span in enumerate(shown) if span.style == "strong")
        places.add(line_width(shown[: end + 1]))
    assert len(places) == 1, "the tokens end in the same cell"


@pytest.mark.parametrize(
    ("fields", "mark"),
    [
        ({}, "  "),
        ({"needs_you": True}, "► "),
        ({"collision": True}, "◆ "),
        ({"collision": True, "needs_you": True}, "► "),
    ],
)
def test_the_mark(fields: dict[str, Any], mark: str) -> None:
    assert row(**fields).startswith(mark)


def test_marks_are_red_and_yellow() -> None:
    shape = columns()
    assert node_row(node("a", "x", needs_you=True), shape)[0].style == "bad strong"
    assert node_row(node("a", "x", collision=True), shape)[0].style == "warn"


@pytest.mark.parametrize(("role", "sign"), [("lead", "☂"), ("worker", "↳"), ("solo", " ")])
def test_the_role(role: str, sign: str) -> None:
    assert row(role=role).startswith(f"  {sign} 🦜 Fix it")


@pytest.mark.parametrize("chip", [*CHIPS, "wait", ""])
def test_the_chip(chip: str) -> None:
    shown = node_row(node("a", "x", chip=chip), columns())
    found = [span for span in shown if span.text.strip() == chip and chip]
    assert len(found) == bool(chip)
    assert line_width(shown) == line_width(node_row(node("a", "x"), columns()))


def test_live_and_idle() -> None:
    assert " live " in row(live=True)
    assert " idle " in row(idle=240.0)
    assert " idle 4m " in row(160, idle=240.0)
    assert row(idle=None).count("idle") == 1


def test_a_tool_has_priority_over_the_model_and_idle_has_no_glyph() -> None:
    assert "⚙" in row(tool_running=True, inference=True)
    assert "~" not in row(tool_running=True, inference=True)
    assert "~" in row(inference=True)
    assert not {"⚙", "~"} & set(row())


def test_tokens_dollars_and_the_sum_of_the_subtree() -> None:
    shown = row(at=RowPlacement(subtree_usage=spent(3_400_000)))
    assert shown.split()[-4:] == ["58k", "$0.58", "Σ", "3.4M"]
    assert "Σ" not in row()


def test_unknown_figures_are_dashes_and_unpriced_tokens_a_plus() -> None:
    assert row(usage=UsageSum()).split()[-2:] == ["—", "—"]
    assert row(usage=UsageSum(5000, 1.0, 4000, 1)).split()[-1] == "$1.00+"
    assert row(usage=UsageSum(5000, 12_345.6, 0, 1)).split()[-1] == "$12,346"


def test_a_cost_by_the_price_of_another_version_is_marked() -> None:
    assert row(usage=UsageSum(5000, 1.0, 0, 1, estimated=True)).split()[-1] == "~$1.00"
    assert row(usage=UsageSum(5000, 1.0, 4000, 1, estimated=True)).split()[-1] == "~$1.00+"
    assert row(usage=UsageSum(5000, None, 5000, 1)).split()[-1] == "—"
    assert sum_usage([UsageSum(1, 1.0), UsageSum(1, 1.0, 0, 1, estimated=True)]).estimated
    assert usage_of(UsageView(tokens=5, cost=1.0, cost_estimated=True), 1).estimated


def test_narrow_screens_give_up_columns_one_by_one() -> None:
    shown = {
        room: [name for name, size in zip(NodeColumns._fields, columns(room)) if size]
        for room in (40, 60, 80)
    }
    assert shown[40] == ["name", "chip"]
    assert shown[60] == ["name", "chip", "state", "cost"]
    assert shown[80] == ["name", "chip", "state", "cost", "subtree"]
    assert all(columns(200)), "a wide one has them all"


def test_without_trees_there_is_no_sum_and_no_account() -> None:
    shape = columns(200, trees=False)
    assert (shape.subtree, shape.account) == (0, 0)


def test_a_short_name_is_followed_by_what_it_is_about_where_there_is_no_column_for_it() -> None:
    narrow = row(80, issue="ENG-7", about="port the tests")
    assert "Fix it  port the tests" in narrow
    wide = row(200, issue="ENG-7", about="port the tests")
    assert wide.endswith("  port the tests")
    assert "Fix it  port" not in wide


def test_wide_screens_show_the_issues_title_beside_it() -> None:
    one = node("a", "ENG-7", issue="ENG-7", title="Cart totals", about="port the tests")
    assert "ENG-7  Cart totals " in plain_text(node_row(one, node_columns(200, [one], 0, False)))


def test_an_ordinary_session_says_where_it_works_on_every_screen() -> None:
    where: dict[str, Any] = {"project": "website", "branch": "fix/login", "about": "it loops"}
    assert "Fix it  website ⎇ fix/login" in row(80, **where)
    assert "  website ⎇ fix/login  " in row(200, **where)
    assert "website ⎇" not in row(80, issue="ENG-7", **where), "an issue's session says what it does"
    assert "  website  " in row(200, project="website", branch="")


def test_a_pin_is_shown() -> None:
    assert "pinned" in row(80, pinned=True)
    assert "pinned" in row(200, pinned=True)


def test_the_tree_row_names_its_account_and_a_tag_stands_for_the_emoji() -> None:
    assert "  alice  " in row(200, RowPlacement(account="alice", id_tag="55"))
    assert row(80, RowPlacement(id_tag="55")).startswith("    55 Fix it")
