"""Which conversations are shown: by tool, request, turn or recency, never by a process id."""

from __future__ import annotations

import pytest

from teamclaude.deck.model.conversations import ActivitySigns

NOW = 1_795_428_000.0
MINUTE = 60.0


def ago(seconds: float) -> float:
    return NOW - seconds


@pytest.mark.parametrize(
    ("signs", "shown"),
    [
        (ActivitySigns(), False),
        # A tool executes now: its marker is younger than 120 s.
        (ActivitySigns(tool_started=ago(119)), True),
        (ActivitySigns(tool_started=ago(120)), False),
        (
            ActivitySigns(tool_started=ago(5), modified=ago(90 * MINUTE), transcript_turn=ago(90 * MINUTE)),
            True,
        ),
        # The last real turn.
        (ActivitySigns(modified=ago(1), transcript_turn=ago(30 * MINUTE)), True),
        (ActivitySigns(modified=ago(1), transcript_turn=ago(30 * MINUTE + 1)), False),
        # Just started without a transcript; then the transcript decides.
        (ActivitySigns(started=ago(120)), True),
        (ActivitySigns(started=ago(121)), False),
        (ActivitySigns(started=ago(5), modified=ago(40 * MINUTE), transcript_turn=ago(40 * MINUTE)), False),
        # A request in flight.
        (ActivitySigns(requesting=True), True),
        (ActivitySigns(requesting=True, modified=ago(90 * MINUTE), transcript_turn=ago(90 * MINUTE)), True),
        # No real turn in it: its mtime.
        (ActivitySigns(modified=ago(30 * MINUTE)), True),
        (ActivitySigns(modified=ago(30 * MINUTE + 1)), False),
        # No transcript on this machine: the proxy's last request is the turn.
        (ActivitySigns(last_request=ago(30 * MINUTE)), True),
        (ActivitySigns(last_request=ago(30 * MINUTE + 1)), False),
        # A finished sub-agent is hidden sooner.
        (ActivitySigns(modified=ago(120), transcript_turn=ago(120), ended=True), True),
        (ActivitySigns(modified=ago(121), transcript_turn=ago(121), ended=True), False),
        (ActivitySigns(modified=ago(121), transcript_turn=ago(121), ended=True, requesting=True), True),
    ],
)
def test_which_conversations_are_shown(signs: ActivitySigns, shown: bool) -> None:
    assert signs.is_shown(NOW) is shown


def test_a_turn_in_the_far_future_counts_for_nothing() -> None:
    year = 365 * 86400.0
    assert not ActivitySigns(modified=ago(40 * MINUTE), transcript_turn=NOW + year).is_shown(NOW)
    assert not ActivitySigns(modified=NOW + year, transcript_turn=NOW + year).is_shown(NOW)
    assert not ActivitySigns(tool_started=NOW + year).is_shown(NOW)
    assert not ActivitySigns(started=NOW + year).is_shown(NOW)


def test_a_clock_that_is_a_little_ahead_counts() -> None:
    assert ActivitySigns(modified=NOW + 20, transcript_turn=NOW + 20).is_shown(NOW)
    assert ActivitySigns(modified=NOW + 20, transcript_turn=NOW + 20).state(NOW).idle_sec == 0.0


@pytest.mark.parametrize(
    ("signs", "idle", "tool", "live"),
    [
        (ActivitySigns(transcript_turn=ago(60), modified=ago(1)), 60.0, False, True),
        (ActivitySigns(transcript_turn=ago(61), modified=ago(1)), 61.0, False, False),
        (ActivitySigns(transcript_turn=ago(600), modified=ago(1), last_request=ago(20)), 20.0, False, True),
        (ActivitySigns(transcript_turn=ago(600), modified=ago(1), requesting=True), 0.0, False, True),
        (ActivitySigns(transcript_turn=ago(600), modified=ago(1), tool_started=ago(100)), 600.0, True, True),
        # The transcript's newest turn calls a tool, and nothing came after it.
        (ActivitySigns(transcript_turn=ago(100), modified=ago(1), tool_called=True), 100.0, True, True),
        (ActivitySigns(transcript_turn=ago(120), modified=ago(1), tool_called=True), 120.0, False, False),
        (
            ActivitySigns(transcript_turn=ago(5), modified=ago(1), tool_called=True, requesting=True),
            0.0,
            False,
            True,
        ),
        (ActivitySigns(last_request=ago(10)), 10.0, False, True),
        (ActivitySigns(), None, False, False),
    ],
)
def test_what_it_does(signs: ActivitySigns, idle: float | None, tool: bool, live: bool) -> None:
    assert signs.state(NOW) == (idle, tool, live)
