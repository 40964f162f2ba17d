"""The Deck's loop without a terminal; with one: tests/cli/test_deck_terminal.py."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any, cast

import pytest

pytest.importorskip("termios")

from teamclaude.deck.feed import Feed
from teamclaude.deck.loop import DeckLoop
from teamclaude.deck.model.build import deck_model
from teamclaude.deck.terminal.screen import Screen
from teamclaude.snapshot import Snapshot
from teamclaude.threads import TURN_SEC


class Paper:
    """A screen without keys that notes each frame, and how soon others could run meanwhile."""

    color_depth, has_pending_output = 8, False

    def __init__(self) -> None:
        self.frames: list[tuple[str, float]] = []
        self._keys, self._keyboard = os.pipe()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        os.close(self._keys)
        os.close(self._keyboard)

    def fileno(self) -> int:
        return self._keys

    def size(self) -> tuple[int, int]:
        return 80, 24

    def paint(self, lines: Any, size: tuple[int, int]) -> None:
        self.frames.append(("painted", sys.getswitchinterval()))

    def model(self) -> Any:
        self.frames.append(("model", sys.getswitchinterval()))
        return deck_model(Snapshot())


def test_others_run_while_a_frame_is_made() -> None:
    paper, usual = Paper(), sys.getswitchinterval()
    feed = SimpleNamespace(model=paper.model, version=1, switch_price=None, take_notice=lambda: None)
    loop = DeckLoop(
        cast(Screen, paper), cast(Feed, feed), cast(Any, None), is_over=lambda: len(paper.frames) >= 2
    )
    paper.frames.clear()
    assert loop.run() == "over"
    what, turns = zip(*paper.frames)
    assert what == ("model", "painted")
    assert turns == pytest.approx([TURN_SEC] * 2)
    assert sys.getswitchinterval() == usual
