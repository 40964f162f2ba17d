from __future__ import annotations

import json

import pytest

from teamclaude.cli import main

SMALL = ["lab", "run", "--weeks", "1", "--users", "2", "--accounts", "2"]


def test_the_table_has_a_row_per_policy_and_is_the_same_every_time(capsys):
    words = [*SMALL, "--policy", "sticky", "price"]
    assert main(words) == 0
    first = capsys.readouterr()
    assert [line.split()[0] for line in first.out.splitlines()] == ["policy", "sticky", "price"]
    assert first.err == ""
    assert main(words) == 0
    assert capsys.readouterr().out == first.out


def test_json_holds_every_seed(capsys):
    assert main([*SMALL, "--policy", "sticky", "--seeds", "2", "--load", "0.5", "0.9", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["load"], sorted(row["seeds"])) for row in rows] == [(0.5, ["1", "2"]), (0.9, ["1", "2"])]
    assert 0 < rows[0]["mean"]["completed"] <= 1


def test_accounts_may_be_unequal_and_traffic_ones_own(capsys, tmp_path):
    trace = tmp_path / "t.jsonl"
    rows = [[n * 60.0, "opus", 20000 + n, 50, 20000 if n else 0, 5.0] for n in range(5)]
    trace.write_text(json.dumps({"id": "a", "requests": rows}))
    words = ["lab", "run", "--weeks", "1", "--users", "1", "--policy", "sticky", "--traffic", str(trace)]
    assert main([*words, "--sizes", "20,5,1"]) == 0
    assert "sticky" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lab", "run", "--policy", "prize"], 'no policy "prize"'),
        (["lab", "run", "--load", "x"], '"x" is not a number'),
        (["lab", "run", "--traffic", "/nowhere/at/all"], "can't read"),
    ],
)
def test_a_wrong_word_is_one_line(capsys, words, told):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1
