from __future__ import annotations

import json

import pytest

from teamclaude.cli import main
from teamclaude.cli.lab.options import parse_policies
from teamclaude.lab.score import Score
from teamclaude.proxy.records.traffic_recorder import hash_of_account
from teamclaude.values import fields, replace
from tests.cli.support import short_sessions

NO_SCORE = Score(*([0] * len(fields(Score))))
RUN = ["lab", "run", "--jobs", "1"]  # starting a process takes longer than such a run
SMALL = ["--weeks", "1", "--users", "1", "--accounts", "2"]


@pytest.fixture(scope="module", name="small")
def small_world(tmp_path_factory):
    """The options of a small world: what a few short sessions make of a week."""
    return [*SMALL, "--traffic", str(short_sessions(tmp_path_factory.mktemp("lab") / "s"))]


def test_the_table_has_a_row_per_policy_and_is_the_same_every_time(capsys, small):
    words = [*RUN, *small, "--policy", "sticky", "price"]
    assert main(words) == 0
    first = capsys.readouterr()
    blocks = [[line.split()[0] for line in part.splitlines()] for part in first.out.split("\n\n")]
    assert blocks == [["policy", "sticky", "price"]] * 2
    assert first.err == ""
    assert main(words) == 0
    assert capsys.readouterr().out == first.out


def test_json_holds_every_seed(capsys, small):
    words = ["lab", "run", *small, "--policy", "sticky", "--seeds", "2", "--load", "0.5", "0.9"]
    assert main([*words, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["policies"]
    assert [(row["load"], sorted(row["seeds"])) for row in rows] == [(0.5, ["1", "2"]), (0.9, ["1", "2"])]
    assert 0 < rows[0]["mean"]["completed"] <= 1


def test_accounts_may_be_unequal_and_traffic_ones_own(capsys, tmp_path):
    trace = tmp_path / "t.jsonl"
    rows = [[n * 60.0, "opus", 20000 + n, 50, 20000 if n else 0, 5.0] for n in range(5)]
    trace.write_text(json.dumps({"id": "a", "requests": rows}))
    words = ["lab", "run", "--weeks", "1", "--users", "1", "--policy", "sticky", "--traffic", str(trace)]
    assert main([*words, "--sizes", "20,5,1"]) == 0
    assert "sticky" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["pace", "drain"], ["pace,drain"], ["pace,", "drain"]])
def test_policies_are_separate_words_or_joined_by_commas(words):
    assert parse_policies(words) == ["pace", "drain"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lab", "run", "--policy", "prize"], 'no policy "prize"; did you mean "price"?'),
        (["lab", "run", "--policy", "zzz"], 'no policy "zzz" (known: all, pace, price, '),
        (["lab", "run", "--load", "x"], '"x" is not a number'),
        (["lab", "run", "--traffic", "/nowhere/at/all"], "can't read"),
    ],
)
def test_a_wrong_word_is_one_line(capsys, words, told):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1


def test_charts_of_the_first_seed(capsys, tmp_path, small):
    picture = tmp_path / "a.svg"
    words = [*RUN, *small, "--policy", "sticky", "--seeds", "2", "--chart", "--svg", str(picture)]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.count("sticky, load 1, seed 1") == 1
    assert "seed 2" not in out
    assert [line.split()[0] for line in out.splitlines() if " 5h " in line] == ["acct1", "acct2"]
    first = picture.read_bytes()
    assert first.startswith(b"<svg")
    assert b"seed 1" in first
    assert main(words) == 0
    assert picture.read_bytes() == first


@pytest.mark.parametrize("command", ["run", "whatif"])
@pytest.mark.parametrize(
    ("place", "why"),
    [
        (".", "Is a directory"),
        ("nowhere/a.svg", "No such file or directory"),
        ("file/a.svg", "Not a directory"),
        ("locked.svg", "Permission denied"),
        ("locked/a.svg", "Permission denied"),
    ],
)
def test_a_picture_that_can_not_be_written_is_one_line_before_anything_is_played(
    capsys, tmp_path, monkeypatch, small, command, place, why
):
    monkeypatch.setattr("teamclaude.cli.lab.run.play_jobs", lambda *words: pytest.fail("played"))
    monkeypatch.setattr("teamclaude.cli.lab.whatif.run_policy", lambda *words: pytest.fail("played"))
    monkeypatch.setattr("os.access", lambda path, mode: "locked" not in str(path))  # root may write anywhere
    for name in ("file", "locked.svg"):
        (tmp_path / name).write_text("before")
    (tmp_path / "locked").mkdir()
    path = tmp_path / place
    words = small if command == "run" else ["--traffic", str(recorded(tmp_path / "r"))]
    assert main(["lab", command, *words, "--svg", str(path)]) == 2
    assert capsys.readouterr().err == f"teamclaude: can't write {path}: {why}\n"
    assert (tmp_path / "locked.svg").read_text() == "before"


def test_a_run_that_does_not_begin_creates_no_picture(capsys, tmp_path):
    assert main([*RUN, "--traffic", "/nowhere/at/all", "--svg", str(tmp_path / "a.svg")]) == 2
    assert "can't read" in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_moment_is_explained_with_accounts_and_reasons(capsys, small):
    words = ["lab", "explain", *small, "--policy", "price", "--at", "Tue 15:00"]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert out.startswith("week 1, Tue 15:00, policy price, load 1, seed 1\n")
    assert "a new conversation at this moment" in out
    assert "because" in out
    assert "not taken" in out
    assert main([*words, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["at"] == 86400.0 + 15 * 3600.0
    assert record["newConversation"]["account"] in ("acct1", "acct2")
    assert {row["name"] for row in record["accounts"]} == {"acct1", "acct2"}
    assert record["last"]["at"] <= record["at"]


def recorded(directory, count=40):
    directory.mkdir(exist_ok=True)
    rows = [
        {
            "t": 1.8e9 + 300.0 * n,
            "c": f"c{n % 8}",
            "m": "opus",
            "in": 50_000,
            "out": 500,
            "read": 0,
            "write": 50_000,
            "life": 3600,
            "s": 30.0,
            "wait": 0.0,
            "st": 200,
            "o": "served",
            "a": "x",
            "q": {"5h": [min(1.0, 0.05 * n), 1.8e9 + 15000], "7d": [0.005 * n, 1.8e9 + 5e5]},
        }
        for n in range(count)
    ]
    (directory / "20270115-001.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


def test_whatif_with_one_more_account(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TEAMCLAUDE_CONFIG", str(tmp_path / "teamclaude.json"))
    assert main(["lab", "whatif"]) == 2
    assert "teamclaude record on" in capsys.readouterr().err
    recorded(tmp_path / "teamclaude.traffic", 3)
    assert main(["lab", "whatif"]) == 2
    assert "min are recorded: come back after an hour" in capsys.readouterr().err
    recorded(tmp_path / "teamclaude.traffic")
    assert main(["lab", "whatif"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("recorded: 0.1 days, 1 account, 40 requests; they waited 0.0 h, 0 in vain")
    assert [line.split()[:2] for line in lines[3:6]] == [["accounts", "load"], ["1", "1"], ["2", "1"]]
    assert lines[-1].startswith("One more account would have ")
    assert main(["lab", "whatif", "--accounts", "3", "--json"]) == 0
    cases = json.loads(capsys.readouterr().out)["cases"]
    assert [case["accounts"] for case in cases] == [1, 3]
    assert cases[1]["stall_hours"] <= cases[0]["stall_hours"]
    assert main(["lab", "whatif", "--load", "3", "--traffic", str(tmp_path / "teamclaude.traffic")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("3 times the work with 1 account would have ")


def test_damaged_lines_of_a_recording_are_told_on_stderr_and_the_others_are_played(capsys, tmp_path):
    place = recorded(tmp_path / "r")
    words = ["--traffic", str(place)]
    assert main(["lab", "whatif", *words]) == 0
    whole = capsys.readouterr().out
    file = next(place.glob("*.jsonl"))
    file.write_bytes(file.read_bytes() + b'{"t":1800000000.0,"c')
    told = f"1 line of {place} can't be read and left out ({file}, line 41: not JSON"
    for command in (["lab", "whatif"], [*RUN, "--policy", "sticky", *SMALL]):
        assert main([*command, *words]) == 0
        found = capsys.readouterr()
        assert found.err.startswith(told)
        assert found.err.count("\n") == 1
        assert found.out == whole or command != ["lab", "whatif"]


def test_whatif_saves_no_more_than_was_waited(capsys, tmp_path, monkeypatch):
    """The replay guesses how large the accounts are: where it waits more than people did it says so."""
    place = recorded(tmp_path / "r")
    scores = [replace(NO_SCORE, stall_hours=hours) for hours in (8.0, 1.5)]
    for waited, told in (
        (0.0, "One more account would have saved no waiting: there was none. The replay, "),
        (180.0, "One more account would have saved at most the 2.0 h that were waited. The replay, "),
        (900.0, "One more account would have saved 6.5 h of waiting."),
    ):
        file = place / "20270115-001.jsonl"
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        file.write_text("".join(json.dumps({**row, "wait": waited}) + "\n" for row in rows))
        played = iter(scores)
        monkeypatch.setattr("teamclaude.cli.lab.whatif.run_policy", lambda *words, runs=played: next(runs))
        assert main(["lab", "whatif", "--traffic", str(place)]) == 0
        last = capsys.readouterr().out.splitlines()[-1]
        assert last.startswith(told)
        assert last.endswith("waits 8.0 h as it was, and saves 6.5 h.") or waited == 900.0


def test_whatif_refuses_a_cap_without_effect(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TEAMCLAUDE_CONFIG", str(tmp_path / "teamclaude.json"))
    words = ["lab", "whatif", "--traffic", str(recorded(tmp_path / "r"))]
    assert main([*words, "--cap", "x:9h=0.5"]) == 2
    assert '--cap x:9h: no window "9h", the accounts have 5h, 7d' in capsys.readouterr().err
    assert main([*words, "--cap", "x=0.5", "--cap", "acct1=0.4"]) == 2
    assert "--cap: acct1 is capped twice" in capsys.readouterr().err


def test_whatif_with_a_cap(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("TEAMCLAUDE_CONFIG", str(tmp_path / "teamclaude.json"))
    words = ["lab", "whatif", "--traffic", str(recorded(tmp_path / "r"))]
    assert main([*words, "--cap", "x=0.2", "--cap", "acct1:5h=0.1"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("A cap of 20 % on x and a cap of 10 % on acct1 (5h) would have cost ")
    assert main([*words, "--cap", "acct1=0.2", "--json"]) == 0
    before, after = json.loads(capsys.readouterr().out)["cases"]
    assert (before["accounts"], after["accounts"]) == (1, 1)
    assert (before["rules"], after["rules"]) == (None, "a cap of 20 % on acct1")
    assert after["stall_hours"] > before["stall_hours"]
    assert main([*words, "--reserve", "acct1=Mon-Sun:0.9", "--load", "2"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("2 times the work with 1 account, with a reserve of 90 % on acct1 (Mon-Sun), ")
    assert main([*words, "--cap", "bob=0.2"]) == 2
    assert 'no account "bob" is recorded, but acct1' in capsys.readouterr().err


def test_whatif_knows_the_accounts_of_the_config_file_by_the_salt_of_the_recording(
    capsys, tmp_path, monkeypatch
):
    monkeypatch.setenv("TEAMCLAUDE_CONFIG", str(tmp_path / "teamclaude.json"))
    account = {"name": "bob", "type": "oauth", "accessToken": "sk-ant-oat01-FAKE-bob"}
    (tmp_path / "teamclaude.json").write_text(json.dumps({"accounts": [account]}))
    directory = recorded(tmp_path / "teamclaude.traffic")
    assert main(["lab", "whatif", "--cap", "bob=0.2"]) == 2  # no salt
    capsys.readouterr()
    (directory / ".salt").write_bytes(bytes(16))
    hashed = hash_of_account(directory, "bob")
    file = next(directory.glob("*.jsonl"))
    file.write_text(file.read_text().replace('"a": "x"', f'"a": "{hashed}"'))
    assert main(["lab", "whatif", "--cap", "nobody=0.2"]) == 2
    assert 'no account "nobody" is recorded, but acct1 (bob)' in capsys.readouterr().err
    assert main(["lab", "whatif", "--cap", "bob=0.2"]) == 0
    assert "A cap of 20 % on bob would have" in capsys.readouterr().out


def test_a_capped_account_is_explained(capsys, small):
    words = ["lab", "explain", *small, "--policy", "price", "--at", "Wed 15:00", "--cap", "acct1=0"]
    assert main(words) == 0
    assert "maxUsage 0%" in capsys.readouterr().out


def test_run_with_caps_and_other_values(capsys, small):
    words = [*RUN, *small, "--policy", "price", "--load", "0.6"]
    assert main([*words, "--tuning", "gate_sec=0", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["policies"]
    assert [row["policy"] for row in first] == ["price", "price gate_sec=0"]
    assert main([*words, "--cap", "acct1=0", "--json"]) == 0
    (capped,) = json.loads(capsys.readouterr().out)["policies"]
    assert capped["mean"]["wanted"] < first[0]["mean"]["wanted"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lab", "explain"], "--at"),
        (["lab", "explain", "--at", "noon"], "is no time"),
        (["lab", "explain", "--at", "Xyz 10:00"], "is no time"),
        (["lab", "explain", "--at", "5 Tue 10:00"], "the run ends before"),
        (["lab", "explain", "--at", "3", "--policy", "all"], "one policy"),
        (["lab", "explain", "--at", "3", "--world", "team", "agents-2"], "one world"),
        (["lab", "explain", "--at", "3", "--cap", "alice=0.5"], 'no account "alice"'),
        (["lab", "explain", "--at", "3", "--without", "gate_sec"], "are of lab run"),
        (["lab", "whatif", "--tuning", "gate_sec=1"], "are of lab run"),
    ],
)
def test_an_invalid_moment_is_one_line(capsys, small, words, told):
    assert main([*words, *small] if "--world" not in words else words) == 2
    err = capsys.readouterr().err
    assert told in err
    assert len(err.splitlines()) == 1
