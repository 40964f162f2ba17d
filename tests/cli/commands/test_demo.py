"""`teamclaude demo`: its words become options; the demo itself is tested in tests/demo."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Optional, TextIO

import pytest

from teamclaude.cli import deck_page
from teamclaude.demo import runner
from teamclaude.snapshot import Activity
from tests.cli.support import Ended

AT = 1_795_428_000.0
CLOCK = time.strftime("%H:%M:%S", time.localtime(AT))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The options a demo was asked for; it ends at once with status 7."""
    seen: list[Any] = []

    def run_demo(
        options: Any,
        out: TextIO,
        *,
        render_request: Callable[..., str],
        sampler: Any,
        deck: Optional[Callable[..., None]],
    ) -> int:
        seen.append(options)
        kind = "a Deck" if deck else "a sampler" if sampler else "lines"
        out.write(render_request(Activity("tc-1", AT, "GET", "/", outcome="served")) + "\n" + kind + "\n")
        return 7

    monkeypatch.setattr(runner, "run_demo", run_demo)
    return seen


def test_the_defaults_are_the_demos_own(asked: list[Any], cli: Callable[..., Ended]) -> None:
    ended = cli("demo")
    assert ended == (7, f"{CLOCK} GET / — —\nlines\n", "")
    assert asked == [runner.DemoOptions(seconds=runner.DEFAULT_SECONDS)]


def test_every_word(asked: list[Any], cli: Callable[..., Ended]) -> None:
    ended = cli(
        *[
            "demo",
            "--sessions",
            "9",
            "--accounts",
            "4",
            "--speed",
            "120",
            "--seconds",
            "2.5",
            "--seed",
            "3",
            "--headless",
            "--snapshot",
        ]
    )
    assert asked == [runner.DemoOptions(sessions=9, accounts=4, speed=120, seconds=2.5, seed=3)]
    assert "a sampler" in ended.out


def test_on_a_terminal_it_shows_the_deck_slowly_until_it_is_left(
    asked: list[Any], cli: Callable[..., Ended], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deck_page, "deck_screen", lambda: object())
    assert "a Deck" in cli("demo").out
    assert asked[0] == runner.DemoOptions(speed=20.0, seconds=None, length_sec=3000.0)
    cli("demo", "--speed", "40", "--seconds", "30")
    assert asked[1] == runner.DemoOptions(speed=40.0, seconds=30.0)
    assert "lines" in cli("demo", "--headless").out


def test_zero_seconds_is_until_interrupted(asked: list[Any], cli: Callable[..., Ended]) -> None:
    cli("demo", "--seconds", "0")
    assert asked[0].seconds is None


@pytest.mark.parametrize(
    "words",
    [
        ["--sessions", "0"],
        ["--sessions", "2.5"],
        ["--accounts", "-1"],
        ["--accounts", "x"],
        ["--speed", "0"],
        ["--speed", "nan"],
        ["--seconds", "inf"],
        ["--seconds", "-1"],
    ],
)
def test_numbers_out_of_range(asked: list[Any], cli: Callable[..., Ended], words: list[str]) -> None:
    ended = cli("demo", f"{words[0]}={words[1]}")
    assert ended.status == 2
    assert "number from" in ended.err
    assert ended.err.count("\n") == 1
    assert asked == []
