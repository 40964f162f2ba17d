"""One line for each finished request."""

from __future__ import annotations

import time
from typing import Any

import pytest

from teamclaude.deck.text.format import session_emoji
from teamclaude.deck.view.activity_line import MAX_REASON_CELLS, activity_line
from teamclaude.snapshot import Activity

AT = 1_795_428_000.0
CLOCK = time.strftime("%H:%M:%S", time.localtime(AT))
SID = "3f2a91c0-1111-4222-8333-444444444444"
BARE = Activity("tc-1", AT, "GET", "/v1/models", status=200, duration_sec=0.04, outcome="served")
FULL = BARE._replace(
    method="POST",
    path="/v1/messages",
    model="claude-opus-4-8",
    effort="high",
    session=SID,
    accounts=("alice",),
    ttfb_sec=1.4,
    duration_sec=12.1,
    input_tokens=1200,
    output_tokens=8400,
)


def test_the_line_of_the_specification() -> None:
    assert activity_line(FULL) == (
        f"{CLOCK} POST /v1/messages claude-opus-4-8·high {session_emoji(SID)} 3f2a91c0 → alice 200 12.1s "
        "ttfb 1.4s 1.2k in 8.4k out"
    )


def test_every_account_that_was_tried() -> None:
    assert "→ alice → bob 200" in activity_line(FULL._replace(accounts=("alice", "bob")))


def test_a_wait_is_shown_with_its_reason() -> None:
    waited = FULL._replace(waited_sec=312.0, wait_reason="no account usable")
    assert activity_line(waited).endswith(" 8.4k out waited 5m (no account usable)")
    assert activity_line(FULL._replace(waited_sec=0.01, wait_reason="no slot")) == activity_line(FULL)


def test_a_request_that_failed_says_why_at_its_end() -> None:
    failed = FULL._replace(status=503, outcome="upstream error", reason="no connection to a:443: refused")
    assert activity_line(failed).endswith(
        "503 (upstream error) 12.1s ttfb 1.4s 1.2k in 8.4k out: no connection to a:443: refused"
    )
    long = activity_line(failed._replace(reason="x" * 500 + "\n"))
    assert long.endswith(f"out: {'x' * (MAX_REASON_CELLS - 1)}…"), "one line of a bounded length"


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        ("served", "kept warm"),
        ("client gone", "the client left"),
        ("", "kept warm"),
        ("upstream error", "200"),
    ],
)
def test_why_an_account_was_taken_is_no_reason_of_a_failure(outcome: str, reason: str) -> None:
    assert reason not in activity_line(FULL._replace(outcome=outcome, reason=reason)).partition("out")[2]


def test_what_is_not_known_is_left_out() -> None:
    assert activity_line(BARE) == f"{CLOCK} GET /v1/models 200 0.0s"
    running = BARE._replace(status=None, duration_sec=None, outcome="")
    assert activity_line(running) == f"{CLOCK} GET /v1/models — —"


def test_tokens_that_could_not_be_read_are_a_dash_and_no_zero() -> None:
    unread = FULL._replace(input_tokens=None, output_tokens=None, unmeasured=True)
    assert activity_line(unread).endswith("ttfb 1.4s — in — out")


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"outcome": "client gone", "status": None}, " — (client gone) "),
        ({"outcome": "upstream error", "status": 200}, " 200 (upstream error) "),
        ({"outcome": "held out", "status": 429}, " 429 (held out) "),
        ({"outcome": "refused", "status": 401}, " 401 (refused) "),
    ],
)
def test_an_outcome_that_the_status_does_not_tell(fields: dict[str, Any], shown: str) -> None:
    assert shown in activity_line(FULL._replace(**fields))


@pytest.mark.parametrize(("status", "code"), [(200, 32), (404, 33), (529, 31)])
def test_colour_by_status(status: int, code: int) -> None:
    assert f"\x1b[{code}m{status}\x1b[0m" in activity_line(FULL._replace(status=status), color=True)


def test_no_control_character_gets_through() -> None:
    evil = "\x1b[2J\nx"
    fields: dict[str, Any] = {
        "method": evil,
        "path": evil,
        "model": evil,
        "session": evil,
        "accounts": (evil,),
        "outcome": evil,
    }
    assert activity_line(FULL._replace(**fields)).isprintable()


def test_a_terminal_that_knows_ascii_alone() -> None:
    line = activity_line(FULL._replace(accounts=("alice", "bób")), ascii=True)
    assert line == (
        f"{CLOCK} POST /v1/messages claude-opus-4-8|high 3f2a91c0 > alice > b?b 200 12.1s ttfb 1.4s "
        "1.2k in 8.4k out"
    )


def test_a_line_changes_with_each_of_its_parts_however_alike_the_one_before() -> None:
    def shown(color: bool = False, **changes: Any) -> str:
        return activity_line(FULL._replace(**changes), color)

    lines = {shown(), shown(True), shown(at=AT + 1), shown(ttfb_sec=99.96), shown(duration_sec=100.0)}
    lines |= {shown(status=201), shown(path="/v1/files"), shown(output_tokens=999), shown(session="")}
    assert len(lines) == 9
    assert " 1m ttfb 100.0s " in shown(ttfb_sec=99.96, duration_sec=100.0)


def test_cached_input_is_shown_apart() -> None:
    warm = FULL._replace(input_tokens=3, cache_write_tokens=1197, cache_read_tokens=140_000)
    assert activity_line(warm).endswith("1.2k in 8.4k out 140k cached")
    cold = FULL._replace(input_tokens=3, cache_write_tokens=140_000, cache_read_tokens=0)
    assert activity_line(cold).endswith("140k in 8.4k out")
