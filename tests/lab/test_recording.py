"""Recorded traffic replayed: sessions, agents, the accounts' size."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from teamclaude.errors import UsageError
from teamclaude.lab.recording import read_recording, read_traffic, recorded_scenario
from teamclaude.lab.run import run_policy
from teamclaude.lab.workload import WEEK_SEC

BEGIN = 1_800_000_000.0


def row(at: float, conversation: str = "c", /, **more: Any) -> dict[str, Any]:
    return {
        "t": BEGIN + at,
        "c": conversation,
        "m": "opus",
        "in": 10_000,
        "out": 100,
        "read": 0,
        "write": 10_000,
        "life": 3600,
        "s": 5.0,
        "wait": 0.0,
        "st": 200,
        "o": "served",
        **more,
    }


@pytest.fixture(name="written")
def writer(tmp_path: Path) -> Any:
    def write(*rows: dict[str, Any], name: str = "20270115-001.jsonl") -> Path:
        (tmp_path / name).write_text("".join(json.dumps(r) + "\n" for r in rows))
        return tmp_path

    return write


def test_a_conversation_is_a_session_with_its_pauses_and_prefixes(written):
    place = written(
        row(0.0),
        row(15.0, **{"in": 12_000, "read": 9_000}),
        row(30.0, **{"in": 4_000, "read": 1_000}),  # it was compacted
        row(100.0, "d", m="sonnet"),
    )
    first, second = read_traffic(place)
    assert [(r.gap, r.family, r.cached_prefix) for r in first.requests] == [
        (0.0, "opus", 0),
        (10.0, "opus", 10_000),
        (10.0, "opus", 1_000),
    ]
    assert second.requests[0].family == "sonnet"


def test_waiting_and_refusals_are_no_pauses_of_a_person(written):
    place = written(
        row(0.0),
        row(10.0, o="held out", st=429, wait=60.0, s=0.0),
        row(75.0, wait=20.0),
    )
    (plan,) = read_recording(place).plans
    assert [r.gap for r in plan.session.requests] == [0.0, 5.0]
    recording = read_recording(place)
    assert (recording.waited, recording.refused, recording.requests) == (80.0, 1, 2)
    assert recording.length == 100.0


def test_agents_start_with_their_conversation_however_deep(written):
    place = written(row(0.0), row(7.0, "agent", p="c"), row(9.0, "deep", p="agent"), row(50.0, "other"))
    plans = read_recording(place).plans
    assert [(plan.at, plan.session.id, [(at, s.id) for at, s in plan.agents]) for plan in plans] == [
        (0.0, "c", [(7.0, "agent"), (9.0, "deep")]),
        (50.0, "other", []),
    ]


def test_windows_that_rose_tell_the_size_of_an_account(written):
    def seen(n: int) -> dict[str, Any]:
        q = {"5h": [0.01 * n, BEGIN + 9000], "7d": [0.001 * n, BEGIN + 1000]}
        return row(10.0 * n, a="acct", q=q)

    known = read_recording(written(*map(seen, range(60)))).accounts
    charge = 10_000 + 5 * 100
    assert known[0].five == pytest.approx(charge * 100)
    assert known[0].week == pytest.approx(charge * 1000)
    assert known[0].resets_at == pytest.approx(1000.0)


def test_a_window_that_hardly_moved_tells_nothing(written):
    rows = [row(10.0 * n, a="acct", q={"7d": [0.30, BEGIN + 1000]}) for n in range(5)]
    assert read_recording(written(*rows)).accounts[0].week is None


def test_more_accounts_and_more_work(written):
    rows = [row(600.0 * n, f"c{n}", a="acct", q={"7d": [0.01 * n, BEGIN + 9e5]}) for n in range(60)]
    recording = read_recording(written(*rows))
    one, two = recorded_scenario(recording, 1, 1.0), recorded_scenario(recording, 2, 1.0)
    assert [place.week for place in two.setups] == [one.setups[0].week] * 2
    assert one.demand.times == two.demand.times
    assert one.end == WEEK_SEC
    assert len(recorded_scenario(recording, 1, 2.0).plans) == 120
    assert 60 <= len(recorded_scenario(recording, 1, 1.5).plans) <= 120
    assert recorded_scenario(recording, 1, 1.5).plans == recorded_scenario(recording, 1, 1.5).plans
    assert run_policy(two, "price").wanted >= run_policy(one, "price").wanted > 0.5


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([], "nothing that was answered"),
        ([row(0.0, o="held out")], "nothing that was answered"),
        ([{"t": 1}], "line 1: neither a session nor a recorded request"),
        ([row(0.0, s=-1.0)], "negative"),
        ([[1]], "neither a session nor"),
    ],
)
def test_what_is_no_recording_is_said_in_one_line(written, rows, word):
    with pytest.raises(UsageError, match=word) as reported:
        read_recording(written(*rows))
    assert "\n" not in str(reported.value)


def test_a_directory_without_a_recording(tmp_path):
    with pytest.raises(UsageError, match="record on"):
        read_recording(tmp_path)


def test_a_request_whose_tokens_are_unknown_is_left_out_and_is_no_empty_one(written):
    unknown: Any = dict.fromkeys(("in", "out", "read", "write"))
    place = written(row(0.0), row(15.0, **unknown), row(30.0, **{"in": 12_000}))
    (session,) = read_traffic(place)
    assert [r.cached_prefix for r in session.requests] == [0, 10_000]
    assert read_recording(place).requests == 2


TORN = b'{"t":1800000000.0,"c":"c","m":"op'


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (TORN, "not JSON"),  # killed, or a disk that was full
        (b"\0" * 4096, "not JSON"),  # what a file system leaves after a power loss
        (b"\xff\xfe garbage \xff", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b'{"t": 1}', "recorded request"),
        (json.dumps(row(20.0, out=1e300)).encode(), "too large"),
        (json.dumps(row(20.0, t=1e300)).encode(), "too large"),
        (json.dumps(row(20.0, t=5e9)).encode(), "not a time"),
        (json.dumps(row(20.0, s=1e10)).encode(), "too long"),
        (json.dumps(row(20.0, wait=float("nan"))).encode(), "not finite"),
        (json.dumps(row(20.0, a="x", q={"5h": [1e300, BEGIN]})).encode(), "too large"),
    ],
)
@pytest.mark.parametrize("before", [0, 1])
def test_a_damaged_line_of_a_recording_is_left_out_and_told(written, damage, word, before):
    place = written(row(0.0), row(60.0))
    whole, more = read_recording(place), (json.dumps(row(30.0)) + "\n").encode()
    file = place / "20270115-001.jsonl"
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[: 1 + before], damage + b"\n", *lines[1 + before :]]))
    warnings: list[str] = []
    assert read_recording(place, warnings.append) == whole
    assert len(read_traffic(place, warnings.append)) == 1
    for line in warnings:
        assert line.startswith(f"1 line of {place} can't be read and left out ({file}, line {2 + before}: ")
        assert word in line
    assert len(warnings) == 2
    file.write_bytes(file.read_bytes() + damage + b"\n" + more)  # what follows is read
    assert read_recording(place, warnings.append).requests == 3
    assert warnings[-1].startswith(f"2 lines of {place} can't be read and left out (the first: ")


def test_nothing_but_damaged_lines_is_an_error(written):
    place = written()
    (place / "20270115-001.jsonl").write_bytes(TORN)
    for read in (read_recording, read_traffic):
        with pytest.raises(UsageError, match="line 1: not JSON"):
            read(place)
