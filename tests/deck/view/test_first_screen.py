"""What everybody looks for is on the first screen, at 80x24 with 40 sessions, and without a key pressed.

How full is it, who needs me, why is nothing happening, which account.
"""

from __future__ import annotations

from typing import Any

import pytest

from teamclaude.deck.model.build import deck_model
from teamclaude.deck.sources.sources import ClientProcess, IssuePin, Sources, Transcript
from teamclaude.deck.text.spans import line_width, plain_text
from teamclaude.deck.view.frame import render_frame
from teamclaude.deck.view.ui_state import FrameOptions
from tests.deck.snapshot_json import NOW, account, binding, deck, request, sid

pytestmark = pytest.mark.usefixtures("utc")  # clock times are local

SESSIONS = [sid(number) for number in range(1, 41)]
ASKS, BLOCKED = SESSIONS[7], SESSIONS[30]
TEAM = [f"engineering-team-{number:02}" for number in range(1, 5)]


def window(used: float, left: float) -> dict[str, Any]:
    return {"utilization": used, "resetsAt": round((NOW + left) * 1000), "seenAt": round(NOW * 1000)}


def pool(**states: Any) -> list[dict[str, Any]]:
    rows = []
    for number, name in enumerate(TEAM):
        axes = {"5h": window(0.3 + 0.2 * number, 7200 + 60 * number), "7d": window(0.5, 200_000)}
        rows.append(account(name, quota={"axes": axes}, **states.get(f"a{number + 1}", {})))
    return rows


def screen(width: int = 80, height: int = 24, **fields: Any) -> list[str]:
    """Return the first screen of a pool with 40 sessions, two of which need their person."""
    sources = Sources(
        clients={
            ASKS: ClientProcess("", "waiting", "/home/ann/shop", NOW - 9000, "permission prompt", NOW - 720)
        },
        pins={BLOCKED: IssuePin("ENG-31", "Provider is down", "Blocked")},
        transcripts={
            session: Transcript(NOW - 60, NOW - 60, title=f"Session number {number}")
            for number, session in enumerate(SESSIONS)
        },
    )
    rows = [
        binding(session, account=TEAM[number % 4], inputTokens=500, outputTokens=900, cacheWriteTokens=number)
        for number, session in enumerate(SESSIONS)
    ]
    given = {
        "currentAccount": TEAM[1],
        "accounts": pool(),
        "capacity": {"verdict": "green", "headroom": 5, "liveAccounts": 4, "total": 4, "benched": 0},
        "activity": [
            request(SESSIONS[n], id=f"tc-{n}", status=200, outcome="served", accounts=[TEAM[n % 4]])
            for n in range(10)
        ],
        **fields,
    }
    frame = render_frame(deck_model(deck(*rows, **given), sources), FrameOptions(width, height))
    assert all(line_width(of) <= width for of in frame.lines)
    assert len(frame.lines) == height
    return [plain_text(of) for of in frame.lines]


def line_with(shown: list[str], *words: str) -> str:
    found = [of for of in shown if all(word in of for word in words)]
    assert found, f"no line has {words} in " + "\n".join(shown)
    return found[0]


def test_how_full() -> None:
    page = "\n".join(screen())
    for number, used in ((1, 30), (2, 50), (3, 70), (4, 90)):
        name = page.index(f"…0{number}")
        assert f" {used}%" in page[name : name + 34], "each account with its 5-hour window"
        assert "wk  50%" in page[name : name + 50]
    assert "Cap GREEN" in page
    assert "5 free" in page or "5 headroom" in page


def test_who_needs_me() -> None:
    shown = screen()
    assert line_with(shown, "── Needs you  2")
    assert line_with(shown, "► ", "Session number 7", "permission prompt · 12m", "shop")
    assert line_with(shown, "► ", "ENG-31", "blocked · ")
    assert "2 needs-you" in line_with(shown, "Fleet ")


def test_which_account() -> None:
    shown = screen()
    assert "▸ " in line_with(shown, "▸ ")
    marked = line_with(shown, "▸ ")
    assert marked[marked.index("▸ ") :].split()[1].endswith("02"), "the one that served last"
    requests = [of for of in shown if "→" in of and " 200 " in of]
    assert len(requests) == 5, "and the newest requests with theirs"
    assert {of.split("→")[1].split()[0][-2:] for of in requests} == {"01", "02", "03", "04"}


def test_why_is_nothing_happening_when_no_account_can_serve() -> None:
    benched = {"status": "benched", "usable": False, "benchSec": 2520}
    rows = pool(**{f"a{n}": {**benched, "usableInSec": 600 * n} for n in (1, 2, 3, 4)})
    held = [{"request": "tc-1", "session": SESSIONS[0], "heldSec": 300, "account": TEAM[0], "backAt": 0}]
    shown = screen(
        accounts=rows,
        held=held,
        system={"held": 1, "waiting": 1},
        capacity={"verdict": "red", "headroom": 0, "liveAccounts": 0, "total": 4, "benched": 4},
    )
    assert line_with(shown, "Why no account can serve: engineering-team-01 is back first, in 10m (10:10)")
    assert "1 held" in line_with(shown, "Fleet ")


def test_why_is_nothing_happening_when_requests_are_held_though_others_go_on() -> None:
    back = round((NOW + 600) * 1000)
    held = [{"request": "tc-1", "session": SESSIONS[0], "heldSec": 300, "account": TEAM[2], "backAt": back}]
    shown = screen(held=held, system={"held": 1, "waiting": 1})
    assert line_with(shown, "Why 1 request held for 5m: engineering-team-03 back 10:10")


def test_a_held_session_shows_as_held_and_not_as_answering() -> None:
    waiting = {"kind": "held", "at": round((NOW - 300) * 1000), "sec": 300.0, "account": TEAM[2]}
    running = request(SESSIONS[39], id="tc-h", durationSec=301.0, accounts=[], waiting=waiting)
    held = [{"request": "tc-h", "session": SESSIONS[39], "heldSec": 300}]
    shown = screen(held=held, inflight=[running], system={"held": 1, "waiting": 1}, height=60)
    row = line_with(shown, "Session number 39", " held ")
    assert "~" not in row
    assert "0 LLM" in line_with(shown, "Fleet ")
    assert line_with(shown, "‖ ", " held ", "held 5m")


def test_everything_at_the_side_of_a_small_screen() -> None:
    shown = screen(60, 15)
    assert line_with(shown, "permission prompt · 12m")
    assert line_with(shown, "90%")
    assert line_with(shown, "Cap GREEN")
    tiny = screen(40, 8)
    assert line_with(tiny, "permission prompt · 12m")
    assert line_with(tiny, "90%")
