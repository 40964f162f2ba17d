"""`teamclaude lab forecast`: which worlds are played, and what is printed of their scores.

The worlds themselves are played in tests/lab/test_forecast_test.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from teamclaude.cli.lab import forecast as command
from teamclaude.lab.forecasts.play import ForecastWorld
from teamclaude.lab.forecasts.score import ForecastScore
from teamclaude.lab.traffic import SessionTrace
from teamclaude.outlook_views import ForecastView
from tests.cli.support import Ended

SMALL = ("lab", "forecast", "--users", "1", "--accounts", "2", "--load", "0.9", "--weeks", "1")


def sessions_file(path: Path, count: int) -> str:
    rows = [[60.0 * number, "opus", 30_000 + 900 * number, 400, 29_000, 9.0] for number in range(40)]
    path.write_text("".join(json.dumps({"id": str(n), "requests": rows}) + "\n" for n in range(count)))
    return str(path)


class Played:
    """What was played; each world's error is its seed in points."""

    def __init__(self) -> None:
        self.jobs: list[tuple[ForecastWorld, int]] = []
        self.sessions: Sequence[SessionTrace] = ()

    def play(self, world: ForecastWorld, sessions: Sequence[SessionTrace], seed: int) -> ForecastScore:
        self.jobs.append((world, seed))
        self.sessions = sessions
        score = ForecastScore()
        score.add_share("7d", 3.0, 0.5, (0.4, 0.5 + seed / 100, 0.6), (0.7, 0.8))
        score.add_end("pool", ForecastView(10.0, 20.0, 30.0, 100.0, 0.95), 15.0)
        return score


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Played:
    """Let worlds be played by a stand-in, and in this process."""
    found = Played()
    monkeypatch.setattr(command, "play_world", found.play)
    monkeypatch.setattr(
        command, "_played", lambda jobs, sessions: (command._play(job, sessions) for job in jobs)
    )
    return found


def test_the_world_of_the_options_is_two_tables(cli: Callable[..., Ended], played: Played) -> None:
    ended = cli(*SMALL, "--first-seed", "3")
    assert ended.status == 0
    assert played.jobs == [(ForecastWorld(1, None, 2, 0.9, "price", 1), 3)]
    lines = ended.out.splitlines()
    head, name = "who, accounts, load", "1 person, 2, 0.9"
    assert [line.split("  ")[0] for line in lines if line and ":" not in line] == [head, name, "all"] * 3
    assert "3.0/20.0/30.0 (100)" in lines[7]
    assert "100, 95/100" in lines[13]
    assert max(map(len, lines)) <= 80


def test_seeds_add_up_and_every_number_is_in_the_json(cli: Callable[..., Ended], played: Played) -> None:
    found = json.loads(cli(*SMALL, "--first-seed", "3", "--seeds", "2", "--json").out)["scores"]
    assert [seed for _, seed in played.jobs] == [3, 4]
    assert found["all"] == found["1 person, 2, 0.9"]
    assert (found["all"]["7d 3h"]["count"], found["all"]["7d 3h"]["error"]) == (2, 0.035)


def test_without_options_six_worlds_are_played(cli: Callable[..., Ended], played: Played) -> None:
    ended = cli("lab", "forecast")
    assert [(world.users, world.agents) for world, _ in played.jobs] == [(16, None)] * 3 + [(1, 30)] * 3
    assert len(ended.out.splitlines()) == 1 + 3 * (1 + 1 + 7) + 2
    assert len(played.sessions) > 200  # made-up ones


def test_of_a_file_every_second_session_is_played(
    cli: Callable[..., Ended], played: Played, tmp_path: Path
) -> None:
    assert cli(*SMALL, "--traffic", sessions_file(tmp_path / "six.jsonl", 6)).status == 0
    assert len(played.sessions) == 3


def test_one_session_is_too_few(cli: Callable[..., Ended], tmp_path: Path) -> None:
    ended = cli(*SMALL, "--traffic", sessions_file(tmp_path / "one.jsonl", 1))
    assert ended.status == 2
    assert "too few sessions" in ended.err


@pytest.mark.parametrize(
    "option", [("--sizes", "20,5"), ("--lose", "3"), ("--chart",), ("--cache-life", "60")]
)
def test_what_it_does_not_play_is_refused(cli: Callable[..., Ended], option: tuple[str, ...]) -> None:
    ended = cli(*SMALL, *option)
    assert (ended.status, ended.out) == (2, "")
    assert f"forecast has no {option[0]}" in ended.err


def test_one_policy_is_played(cli: Callable[..., Ended]) -> None:
    ended = cli(*SMALL, "--policy", "price", "pace")
    assert ended.status == 2
    assert "one policy" in ended.err
