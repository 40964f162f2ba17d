"""The capacity report, as capacity.md gives it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from teamclaude.deck.view.capacity_page import capacity_lines, lasting_text
from teamclaude.outlook_views import LastingView
from teamclaude.snapshot import CapacityView
from teamclaude.typed_json import from_json

NOON = datetime(2026, 11, 24, 12).timestamp()
RED_SENTENCE = "The pool does not last 2h: no account would serve a request now."


def at(hour: int, minute: int = 0) -> float:
    return datetime(2026, 11, 24, hour, minute).timestamp()


def account(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "status": "active",
        "live": True,
        "burn5h": 1_200_000,
        "capEst5h": 3_400_000,
        **fields,
    }


def capacity(*accounts: dict[str, Any], **fields: Any) -> CapacityView:
    shown = {
        "verdict": "green",
        "headroom": 9,
        "liveAccounts": 3,
        "total": 3,
        "benched": 0,
        "warmSessions": 0,
        "soonestResetSec": 0,
        "accounts": list(accounts),
        "lastResort": None,
        **fields,
    }
    return from_json(CapacityView, shown)


def test_green() -> None:
    assert capacity_lines(capacity()) == ["🟢 GREEN  headroom 9 session(s) · live 3/3 · benched 0 · warm 0"]


@pytest.mark.parametrize(
    ("lasts", "text"),
    [
        (LastingView(7200, "yes", 0.97), "The pool lasts 2h: in 97 of 100 cases; it lasts the week."),
        (
            LastingView(7200, "maybe", 0.6, at(12), at(17, 30)),
            "The pool may last 2h: in 60 of 100 cases; dry 12:00-17:30.",
        ),
        (
            LastingView(7200, "yes", 0.999, at(18)),
            "The pool lasts 2h: in 99 of 100 cases; dry not before 18:00.",
        ),
        (
            LastingView(5400, "no", 0.0, at(11), at(11, 20)),
            "The pool does not last 1h30m (it does in 1 of 100 cases): dry 11:00-11:20.",
        ),
        (LastingView(7200, "no", 0.0, NOON - 3600, NOON - 3600), RED_SENTENCE),
        (LastingView(7200, "unknown"), "Whether the pool lasts 2h can't be told yet."),
    ],
)
def test_whether_it_lasts_is_one_sentence(lasts: LastingView, text: str) -> None:
    assert lasting_text(lasts, NOON - 3600) == text
    assert capacity_lines(capacity(), lasts=LastingView(7200, "yes", 0.97))[1].strip().startswith("The pool")


def test_the_next_free_account_is_shown_when_requests_wait() -> None:
    (line,) = capacity_lines(capacity(verdict="red", liveAccounts=0, soonestResetSec=240))
    assert line.startswith("🔴 RED")
    assert line.endswith(" · next free 4m")


def test_held_requests_are_mentioned_when_there_are_any() -> None:
    (line,) = capacity_lines(capacity(verdict="red", held=3, heldSec=71, soonestResetSec=240))
    assert line.endswith(" · warm 0 · held 3 · next free 4m")
    assert "held" not in capacity_lines(capacity(held=0, heldSec=0))[0]


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({}, "live"),
        ({"live": False, "benched": True, "benchSec": 240, "streak": 2}, "benched 4m (streak 2)"),
        ({"live": False, "benched": True, "benchSec": 240, "streak": 0}, "benched 4m"),
        ({"nearCap": True}, "near cap"),
        (
            {"live": False, "status": "auth_failed", "reason": "401: re-login needed"},
            "auth_failed: 401: re-login needed",
        ),
        ({"live": False, "status": "disabled"}, "disabled"),
        ({"live": False, "status": "active", "reason": "5h 99% used"}, "active: 5h 99% used"),
        ({"live": False, "nearCap": True, "status": "active", "reason": "5h full"}, "active: 5h full"),
    ],
)
def test_the_state_of_an_account(fields: dict[str, Any], state: str) -> None:
    lines = capacity_lines(capacity(account("alice", **fields)))
    assert lines[1] == f"  alice  {state} · burn 1.2M/3.4M (5h)"


def test_an_unknown_cap_is_said() -> None:
    assert capacity_lines(capacity(account("a", capEst5h=None)))[1].endswith(
        " · burn 1.2M, cap not known yet (5h)"
    )
    assert capacity_lines(capacity(account("a", burn5h=None)))[1] == "  a  live"


def test_names_line_up() -> None:
    lines = capacity_lines(capacity(account("a"), account("漢字")))
    assert lines[1].startswith("  a     live")
    assert lines[2].startswith("  漢字  live")


def test_the_last_resort_is_apart() -> None:
    assert capacity_lines(capacity(lastResort={"accounts": [account("paid")]}))[1] == "  last resort  paid"


def test_colour_by_verdict() -> None:
    for verdict, code in (("green", 32), ("yellow", 33), ("red", 31)):
        assert (
            f"\x1b[{code}m{verdict.upper()}\x1b[0m"
            in capacity_lines(capacity(verdict=verdict), color=True)[0]
        )
