"""Who waits at the gate: those that are tried again and again, and those that are kept there."""

from __future__ import annotations

import random

from teamclaude.routing.state.decision import Decision, Reason
from teamclaude.routing.state.gate_queue import GateQueue

HOUR = 3600.0


def test_the_gate_counts_those_that_waited_longer_and_are_still_there():
    gate = GateQueue()
    for number in range(4):
        gate.record(f"s{number}", True, 100.0 + number, 110.0)
    assert [gate.count_longer(f"s{n}", 100.0 + n, 120.0) for n in range(4)] == [0, 1, 2, 3]
    assert gate.count_longer("new", 120.0, 120.0) == 4
    gate.record("s1", False, 0.0, 120.0)
    gate.record("s2", True, 102.0, 135.0)
    assert gate.count_longer("new", 141.0, 141.0) == 1  # the others were not tried for 30 s
    gate.drop_stale(171.0)
    assert list(gate) == ["s2"]


def test_the_gate_counts_as_a_scan_would():
    rng, now = random.Random(5), 1_800_000_000.0
    gate, scanned = GateQueue(), {}
    since = {f"s{n}": now + n for n in range(30)}
    for _ in range(4000):
        now += rng.choice((0.0, 0.1, 3.0))
        key = rng.choice(list(since))
        if rng.random() < 0.05:
            since[key] = now
        waits = rng.random() < 0.8
        waited = now - since[key]  # it rounds: `now - waited` is not always the same
        gate.record(key, waits, now - waited, now)
        if waits:
            scanned[key] = (since[key], now)
        else:
            scanned.pop(key, None)
        gate.drop_stale(now)
        assert set(gate) == {key for key, (_, tried) in scanned.items() if tried >= now - 60.0}
        expected = sum(
            began < since[key] and tried >= now - 30.0 and other != key
            for other, (began, tried) in scanned.items()
        )
        assert gate.count_longer(key, now - waited, now) == expected


def test_a_clock_that_moves_back_lets_those_at_the_gate_still_leave():
    gate = GateQueue()
    gate.record("s", True, 1000.0, 1000.0)
    gate.clock_moved_back(500.0)
    gate.drop_stale(561.0)
    assert not gate


def test_an_emptied_gate_counts_nobody():
    gate = GateQueue()
    gate.record("s", True, 1.0, 2.0)
    gate.clear()
    assert gate.count_longer("t", 5.0, 5.0) == 0


def test_one_that_is_kept_stays_without_attempts_until_it_is_released():
    gate = GateQueue(2 * HOUR)
    gate.keep("s", 100.0, 110.0)
    gate.drop_stale(110.0 + HOUR)
    assert gate.count_longer("t", 5000.0, 5000.0) == 1
    gate.release("s", 4990.0)
    assert gate.count_longer("t", 5000.0, 5019.0) == 1
    assert gate.count_longer("t", 5000.0, 5021.0) == 0
    gate.drop_stale(5051.0)
    assert not gate
    gate.release("s", 5051.0)
    assert not gate


def test_one_that_is_kept_goes_on_like_any_other():
    gate = GateQueue(2 * HOUR)
    gate.keep("s", 100.0, 110.0)
    gate.record("s", False, 100.0, 120.0)
    assert "s" not in gate.kept
    assert gate.count_longer("t", 200.0, 200.0) == 0


def test_an_attempt_of_one_that_is_kept_counts_from_then_on():
    gate = GateQueue(2 * HOUR)
    gate.keep("s", 100.0, 110.0)
    gate.record_decision("s", Decision(None, Reason.GATE), 100.0, 120.0)
    assert "s" not in gate.kept
    gate.drop_stale(181.0)
    assert "s" not in gate
    assert gate.places.since("s", 181.0, 181.0) == 100.0


def test_to_keep_one_is_an_attempt():
    gate = GateQueue(2 * HOUR)
    gate.record_decision("s", Decision(None, Reason.NOTHING_USABLE), 90.0, 90.0)
    gate.keep("s", 100.0, 110.0)
    assert gate["s"] == 90.0
    assert gate.places.since("s", 9000.0, 9000.0) == 90.0


def test_the_gate_knows_the_place_of_a_conversation_that_comes_back():
    gate = GateQueue(2 * HOUR)
    gate.record_decision("s", Decision(None, Reason.NOTHING_USABLE), 1000.0, 1000.0)
    assert "s" not in gate  # nobody waits for it: nothing could serve either
    gate.record_decision("t", Decision(None, Reason.GATE), 1990.0, 2000.0)
    gate.record_decision("s", Decision(None, Reason.GATE), 2000.0, 2000.0)
    assert gate["s"] == 1000.0
    assert (gate.count_longer("s", 1000.0, 2000.0), gate.count_longer("t", 1990.0, 2000.0)) == (0, 1)
