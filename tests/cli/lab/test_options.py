"""Which worlds, seeds and sessions the lab's options name."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from teamclaude.cli.commands.lab import lab_arguments
from teamclaude.cli.lab.options import first_seed_of, one_world_of, played_half, traffic_of, worlds_of
from teamclaude.errors import UsageError
from teamclaude.lab.study.worlds import WORLDS


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    lab_arguments(parser)
    return parser.parse_args(["run", *words])


def test_without_options_the_whole_table_is_played_with_seeds_kept_apart():
    args = parsed()
    worlds = worlds_of(args)
    assert [world.name for world in worlds] == list(WORLDS)
    assert {world.name: world.loads for world in worlds if world.loads != (1.0,)} == {
        "team": (0.85, 1.0, 1.15)
    }
    assert {first_seed_of(args, world) for world in worlds} == {100}


def test_load_and_weeks_are_of_every_world():
    worlds = worlds_of(parsed("--load", "0.7", "--weeks", "3"))
    assert {(world.loads, world.settings.weeks) for world in worlds} == {((0.7,), 3)}
    assert len(worlds) == len(WORLDS)


@pytest.mark.parametrize(
    "words",
    [
        ("--users", "16"), ("--agents", "30"), ("--accounts", "4"), ("--sizes", "1,2"), ("--burst", "8"),
        ("--cache-life", "300"), ("--weights", "1"), ("--lose", "3"),
    ],
)  # fmt: skip
def test_any_option_of_a_world_makes_one_of_its_own(words):
    args = parsed(*words)
    (world,) = worlds_of(args)
    assert (world.name, world.loads, first_seed_of(args, world)) == ("", (1.0,), 1)


def test_named_worlds_are_played_once_each():
    assert [w.name for w in worlds_of(parsed("--world", "team", "agents-2", "team"))] == ["team", "agents-2"]
    assert one_world_of(parsed("--world", "team")).name == "team"
    assert one_world_of(parsed()).name == ""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--world", "tam"), 'no world "tam"; did you mean "team"?'),
        (("--world", "zzz"), 'no world "zzz" (known: agents-2, '),
        (("--world", "team", "--cache-life", "60"), "--world team says it all: leave --cache-life out"),
    ],
)
def test_a_wrong_world_is_one_line(words, told):
    with pytest.raises(UsageError) as reported:
        worlds_of(parsed(*words))
    assert str(reported.value).startswith(told)


def trace(path: Path, count: int) -> str:
    rows = [[0.0, "opus", 1000, 10, 0, 1.0]]
    path.write_text("".join(json.dumps({"id": str(n), "requests": rows}) + "\n" for n in range(count)))
    return str(path)


def ids(*words: str) -> list[str]:
    args = parsed(*words)
    return [session.id for session in played_half(args, traffic_of(args))]


def test_of_a_trace_file_the_unseen_half_is_played(tmp_path):
    file = trace(tmp_path / "t", 5)
    assert ids("--traffic", file) == ["1", "3"]
    assert ids("--traffic", file, "--half", "seen") == ["0", "2", "4"]
    assert len(ids("--traffic", file, "--half", "all")) == 5


def test_of_made_up_sessions_all_are_played():
    assert len(ids()) == 2 * len(ids("--half", "unseen"))


def test_a_recording_is_ones_own_and_played_whole(tmp_path):
    row = {"m": "opus", "in": 9, "out": 1, "read": 0, "life": 3600, "s": 1.0, "wait": 0.0, "o": "served"}
    rows = [{**row, "c": f"c{n}", "t": 10.0 * n} for n in range(4)]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    assert len(ids("--traffic", str(tmp_path))) == 4
    assert len(ids("--traffic", str(tmp_path / "r.jsonl"))) == 4


def test_half_of_one_session_is_none(tmp_path):
    file = trace(tmp_path / "t", 1)
    assert ids("--traffic", file) == ["0"]
    with pytest.raises(UsageError, match="too few sessions"):
        ids("--traffic", file, "--half", "unseen")
