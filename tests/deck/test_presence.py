"""Who is shown: by tool, request, real turn or freshness, and never by a process id."""

from __future__ import annotations

import pytest

from teamclaude.deck.presence import Signs

NOW = 1_795_428_000.0
MINUTE = 60.0


def ago(seconds: float) -> float:
    return NOW - seconds


@pytest.mark.parametrize(
    ("signs", "shown"),
    [
        (Signs(), False),
        # A tool executes now: its marker is younger than 120 s.
        (Signs(tool=ago(119)), True),
        (Signs(tool=ago(120)), False),
        (Signs(tool=ago(5), changed=ago(90 * MINUTE), turn=ago(90 * MINUTE)), True),
        # The last real turn.
        (Signs(changed=ago(1), turn=ago(30 * MINUTE)), True),
        (Signs(changed=ago(1), turn=ago(30 * MINUTE + 1)), False),
        # Brand new, no transcript yet; then the transcript decides.
        (Signs(started=ago(120)), True),
        (Signs(started=ago(121)), False),
        (Signs(started=ago(5), changed=ago(40 * MINUTE), turn=ago(40 * MINUTE)), False),
        # A request in flight.
        (Signs(requesting=True), True),
        (Signs(requesting=True, changed=ago(90 * MINUTE), turn=ago(90 * MINUTE)), True),
        # No real turn in it: its mtime.
        (Signs(changed=ago(30 * MINUTE)), True),
        (Signs(changed=ago(30 * MINUTE + 1)), False),
        # No transcript on this machine: the proxy's last request is the turn.
        (Signs(requested=ago(30 * MINUTE)), True),
        (Signs(requested=ago(30 * MINUTE + 1)), False),
        # A sub-agent that gave its answer makes room.
        (Signs(changed=ago(120), turn=ago(120), ended=True), True),
        (Signs(changed=ago(121), turn=ago(121), ended=True), False),
        (Signs(changed=ago(121), turn=ago(121), ended=True, requesting=True), True),
    ],
)
def test_presence(signs: Signs, shown: bool) -> None:
    assert signs.shown(NOW) is shown


def test_a_turn_in_the_far_future_counts_for_nothing() -> None:
    year = 365 * 86400.0
    assert not Signs(changed=ago(40 * MINUTE), turn=NOW + year).shown(NOW)
    assert not Signs(changed=NOW + year, turn=NOW + year).shown(NOW)
    assert not Signs(tool=NOW + year).shown(NOW)
    assert not Signs(started=NOW + year).shown(NOW)


def test_a_clock_that_is_a_little_ahead_counts() -> None:
    assert Signs(changed=NOW + 20, turn=NOW + 20).shown(NOW)
    assert Signs(changed=NOW + 20, turn=NOW + 20).state(NOW).idle == 0.0


@pytest.mark.parametrize(
    ("signs", "idle", "tool", "live"),
    [
        (Signs(turn=ago(60), changed=ago(1)), 60.0, False, True),
        (Signs(turn=ago(61), changed=ago(1)), 61.0, False, False),
        (Signs(turn=ago(600), changed=ago(1), requested=ago(20)), 20.0, False, True),
        (Signs(turn=ago(600), changed=ago(1), requesting=True), 0.0, False, True),
        (Signs(turn=ago(600), changed=ago(1), tool=ago(100)), 600.0, True, True),
        # The transcript's newest turn calls a tool, and nothing came after it.
        (Signs(turn=ago(100), changed=ago(1), calling=True), 100.0, True, True),
        (Signs(turn=ago(120), changed=ago(1), calling=True), 120.0, False, False),
        (Signs(turn=ago(5), changed=ago(1), calling=True, requesting=True), 0.0, False, True),
        (Signs(requested=ago(10)), 10.0, False, True),
        (Signs(), None, False, False),
    ],
)
def test_what_it_does(signs: Signs, idle: float | None, tool: bool, live: bool) -> None:
    assert signs.state(NOW) == (idle, tool, live)
