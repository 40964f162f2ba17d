"""The Deck's rows of client keys: what limits one first, what it has used last, on every width."""

from __future__ import annotations

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.frame import render_lines
from teamclaude.deck.view.issues import client_row
from teamclaude.deck.view.ui_state import FrameOptions, UiState
from teamclaude.snapshot import ClientView, Snapshot
from teamclaude.values import replace

NOW = 1_800_000_000.0
CI = ClientView(
    "ci", 1, 12, 3_400_000, cost=4.5, since=NOW - 3 * 86400, tokens_today=1_200_000, max_inflight=2,
    daily_tokens=2_000_000, share=0.5, share_used_5h=0.31, share_used_7d=0.12, refused=4,
)  # fmt: skip


def text(client: ClientView, room: int = 160) -> str:
    return plain_text(client_row(client, 8, NOW, room)).rstrip()


def test_a_client_with_every_limit() -> None:
    assert text(CI) == (
        "  ci        1 of 2 in flight · 1.2M of 2.0M today · share 50% (5h 31%, 7d 12%) · "
        "12 requests, 4 refused, 3.4M $4.50 in 3d"
    )


def test_the_limit_it_is_at_comes_first() -> None:
    at = replace(CI, limit="dailyTokens", limit_until=NOW + 7200)
    assert text(at).startswith("  ci        at dailyTokens for 2h · 1 of 2")
    assert text(replace(CI, limit="maxInflight")).startswith("  ci        at maxInflight · 1 of 2")


def test_a_client_without_limits_and_without_a_price() -> None:
    plain = ClientView("a", requests=1, tokens=None, unmeasured=1, since=NOW)
    assert text(plain) == "  a         0 in flight · 0 today · 1 request, — in 0s"


@pytest.mark.parametrize("room", [20, 40, 80])
def test_no_row_is_wider_than_the_screen(room: int) -> None:
    assert line_width(client_row(CI, 8, NOW, room)) <= room


def test_they_are_a_section_of_the_deck_and_can_be_filtered() -> None:
    snapshot = Snapshot(at=NOW, clients=(replace(CI, limit="share"), ClientView("\x1b[31mred\nline")))
    model = deck_model(snapshot)
    shown = [plain_text(each) for each in render_lines(model, FrameOptions(120))]
    place = next(n for n, each in enumerate(shown) if "Client keys  1 at a limit" in each)
    assert shown[place + 1].startswith("  ci ")
    assert "\x1b" not in "".join(shown)
    found = render_lines(model, FrameOptions(120, state=UiState(filter="SHARE")))
    assert sum("in flight" in plain_text(each) for each in found) == 1
