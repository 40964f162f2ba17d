"""A request as a row: in flight, served, or failed."""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.model import ActivityRow
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.activity import RouteNames, activity_row
from teamclaude.deck.view.ui_state import FrameOptions
from teamclaude.snapshot import Activity
from tests.deck.example_model import ACTIVITY, ALICE, BOB, NODES, request

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local

NAMES = RouteNames.of([ALICE, BOB])
NODES_BY_KEY = {one.key: one for one in NODES}


def row(of: ActivityRow, width: int = 100, **options: Any) -> str:
    return plain_text(activity_row(of, NODES_BY_KEY, NAMES, FrameOptions(width=width, **options)))


def test_a_served_request_tells_who_where_with_what_and_how_much() -> None:
    assert row(request(3), 150) == (
        "  09:59:30 200  15.1s  🦉 Fix the login redirect loop   → alice                  opus-4-8·high"
        "       8.4k out · 1.2k in · 3.1k written · 120k cached…"
    )
    assert row(request(3), 80) == (
        "  09:59:30 200  15.1s  🦉 Fix the login…  → alice      opus-4-8·high   8.4k out"
    )


def test_cache_writes_are_shown_and_none_are_not() -> None:
    assert "3.1k written" in row(request(3), 150)
    assert "written" not in row(request(3, cacheWriteTokens=0), 150)


def test_a_held_request_is_held_and_has_no_spinner() -> None:
    held = request(1, running=True)._replace(is_held=True, waiting_for="held 5m, bob back 23:22")
    assert row(held).startswith("‖ 09:59:50 held 13.1s  🦉")
    assert "held 5m, bob back 23:22" in row(held)
    assert "~" not in row(held)


def test_the_account_that_answered_is_told_from_others_with_the_same_beginning() -> None:
    twins = [f"engineering-team-{number:02}" for number in range(12)]
    names = RouteNames.of(twins)
    for width, cells in ((150, 24), (80, 12)):
        shown = set()
        for name in twins:
            one = request(3, accounts=["engineering-team-00", name])
            text = plain_text(activity_row(one, NODES_BY_KEY, names, FrameOptions(width=width)))
            route = text[text.index(" → ") :][:cells]
            assert line_width(activity_row(one, NODES_BY_KEY, names, FrameOptions(width=width))) <= width
            shown.add(route)
        assert len(shown) == len(twins)


def test_one_under_way_has_a_spinner_and_its_seconds() -> None:
    running = request(1, running=True)
    assert row(running).startswith("⠋ 09:59:50 ···  13.1s  🦉")
    assert row(running, spinner_step=4)[0] == "⠼"
    assert row(running, spinner_step=14)[0] == "⠼"
    fresh = request(2, running=True, accounts=[])
    assert "→ —" in row(fresh), "no account yet"


def test_every_account_that_was_tried_in_order() -> None:
    assert "→ alice → bob " in row(request(3, accounts=[ALICE, BOB]), 150)
    assert "→ alice " in row(request(3, accounts=[ALICE, ALICE])), "retries on one account are shown once"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"status": 429, "outcome": "held out", "reason": "all are benched"}, "held out: all are benched"),
        ({"status": None, "outcome": "client gone", "reason": ""}, "client gone"),
        ({"status": 502, "outcome": "upstream error", "reason": "reset"}, "upstream error: reset"),
    ],
)
def test_a_request_that_was_not_served_shows_its_outcome(fields: dict[str, Any], words: str) -> None:
    shown = row(request(3, **fields))
    assert words in shown
    assert "opus" not in shown
    status = fields["status"]
    assert (f" {status} " if status else " —   ") in shown


@pytest.mark.parametrize(("status", "style"), [(200, "good"), (429, "warn"), (529, "bad")])
def test_the_status_has_its_colour(status: int, style: str) -> None:
    shown = activity_row(request(3, status=status), NODES_BY_KEY, NAMES, FrameOptions(width=100))
    assert [span.style for span in shown if span.text == str(status)] == [style]


def test_an_unusual_path_is_shown() -> None:
    assert "POST /v1/messages/count_tokens" in row(request(3, path="/v1/messages/count_tokens"), 150)
    assert "/v1/messages" not in row(request(3), 150)


def test_the_row_names_the_conversation() -> None:
    assert "🐝 Explore: where…" in row(request(3, session="33cc", agent="a1"), 80)
    assert "🐝 ENG-3" in row(request(3, session="33cc", agent="left already")), "then its session"
    assert "deadbeef" in row(request(3, session="deadbeef-0000"))
    assert "  ci " in row(request(3, session="", client="ci"))
    assert " de deadbeef" in row(request(3, session="deadbeef-0000"), ascii=True)


@pytest.mark.parametrize("width", [40, 59, 60, 71, 80, 109, 110, 200])
def test_every_row_fits(width: int) -> None:
    for of in ACTIVITY:
        assert line_width(activity_row(of, NODES_BY_KEY, NAMES, FrameOptions(width=width))) <= width


def test_a_request_of_which_nothing_is_known_is_no_error() -> None:
    assert row(ActivityRow(Activity()))


def test_tokens_that_could_not_be_read_are_a_dash_and_no_zero() -> None:
    unread = dict.fromkeys(("inputTokens", "outputTokens", "cacheReadTokens", "cacheWriteTokens", "cost"))
    assert "— out · — in · ttfb" in row(request(3, unmeasured=True, **unread), 150)
