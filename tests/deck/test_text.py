"""The status page: every line from the proxy's own JSON, unknown as a dash, never wider than the terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest

from teamclaude.deck.cells import width
from teamclaude.deck.text import status_lines

NOW = 1_795_428_000_000
SID = "3f2a91c0-1111-4222-8333-444444444444"


def account(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "oauth",
        "status": "active",
        "statusReason": None,
        "inflight": 2,
        "streak": 0,
        "benchSec": 0,
        "burn5h": 1_200_000,
        "capEst5h": 3_400_000,
        "quota": {
            "unified5h": 0.52,
            "unified7d": 0.31,
            "unified5hReset": NOW + 9_000_000,
            "unified7dReset": NOW + 273_600_000,
        },
        "usage": {"requests": 412, "tokens": 58_000, "cost": 14.2, "unpricedTokens": 0},
        **fields,
    }


def session(**fields: Any) -> dict[str, Any]:
    return {
        "sid": SID,
        "sid8": SID[:8],
        "agent": None,
        "account": "alice",
        "warm": True,
        "idleSec": 41.3,
        "requests": 12,
        "inputTokens": 1200,
        "outputTokens": 8400,
        "cacheReadTokens": 1_200_000,
        "cacheWriteTokens": 120_000,
        "cost": 1.2,
        "model": "claude-opus-4-8",
        **fields,
    }


def snapshot(**fields: Any) -> dict[str, Any]:
    return {
        "at": NOW,
        "currentAccount": "alice",
        "system": {"version": "0.1.0", "proxyRssMB": 41.2, "proxyUptimeSec": 11_520, "draining": False},
        "capacity": {
            "verdict": "green",
            "headroom": 9,
            "liveAccounts": 3,
            "total": 3,
            "benched": 0,
            "warmSessions": 0,
            "soonestResetSec": 0,
        },
        "accounts": [account("alice")],
        "sessionBindings": [session()],
        "usageByIssue": [],
        **fields,
    }


def line_with(lines: list[str], text: str) -> str:
    (found,) = [line for line in lines if text in line]
    return found


def test_the_head() -> None:
    lines = status_lines(snapshot())
    assert lines[0] == "TeamClaude 0.1.0  up 3h12m · 41 MB"
    assert lines[1] == "🟢 GREEN  headroom 9 session(s) · live 3/3 · benched 0 · warm 0"
    draining = snapshot(system={"draining": True})
    assert status_lines(draining)[0] == "TeamClaude  up — · draining"


def test_an_account_with_its_windows() -> None:
    lines = status_lines(snapshot())
    assert lines[3:6] == [
        "Accounts (1)",
        "◆ alice  active  5h ████░░░░  52% 2h30m   7d ██░░░░░░  31% 3d4h",
        "  2 in flight · 412 requests · 58k tok · $14.20 · burn 1.2M/3.4M (5h)",
    ]


def test_unknown_is_a_dash_never_a_zero() -> None:
    unknown = account("alice", quota={}, usage={}, burn5h=None, inflight=None)
    lines = status_lines(snapshot(accounts=[unknown], sessionBindings=[{"sid": SID}], system={}, capacity={}))
    page = "\n".join(lines[:1] + lines[2:])
    assert "5h --------    — —" in page and "— in flight · — requests · — tok · —" in page
    assert not re.search(r"\b0\b|0%", page.replace(SID[:8], ""))
    assert "⚪ —  headroom — session(s)" in lines[1]


def test_zero_is_zero() -> None:
    fresh = account(
        "alice",
        quota={"unified5h": 0.0, "unified5hReset": None},
        usage={"requests": 0, "tokens": 0, "cost": 0.0},
    )
    lines = status_lines(snapshot(accounts=[fresh]))
    assert "5h ░░░░░░░░   0% —" in lines[4]
    assert "0 requests · 0 tok · $0.00" in lines[5]


def test_a_window_that_is_over_has_no_countdown() -> None:
    over = account("alice", quota={"unified5h": 0.5, "unified5hReset": NOW - 1})
    assert "50% — " in status_lines(snapshot(accounts=[over]))[4]


def test_over_full_bars_stay_in_their_frame() -> None:
    full = account("alice", quota={"unified5h": 1.13, "unified5hReset": NOW + 60_000})
    assert "5h ████████ 113% 1m" in status_lines(snapshot(accounts=[full]))[4]


def test_a_bench_counts_down_and_says_why() -> None:
    benched = account("bob", status="benched", benchSec=240, streak=2, statusReason="429: 5h rejected")
    lines = status_lines(snapshot(accounts=[account("alice"), benched]))
    assert "◆ bob    benched 4m  5h" in line_with(lines, "bob")
    assert "  429: 5h rejected · streak 2 · 2 in flight" in line_with(lines, "streak")


def test_an_api_key_has_a_mark_of_its_own() -> None:
    assert "◇ paid" in line_with(status_lines(snapshot(accounts=[account("paid", type="apikey")])), "paid")


def test_tokens_without_a_price_are_told() -> None:
    usage = {"requests": 1, "tokens": 5000, "cost": 1.0, "unpricedTokens": 4000}
    lines = status_lines(snapshot(accounts=[account("alice", usage=usage)]))
    assert "$1.00 + 4.0k tok unpriced" in lines[5]
    usage = {"requests": 1, "tokens": 5000, "cost": None, "unpricedTokens": 5000}
    assert "5.0k tok · — · burn" in status_lines(snapshot(accounts=[account("alice", usage=usage)]))[5]


def test_the_sessions() -> None:
    agent = session(agent="a1d8b83e4d9184d38", warm=False, idleSec=400, cost=None, tokens=10)
    lines = status_lines(snapshot(sessionBindings=[agent, session(tokens=20)]))
    start = lines.index("Sessions (1, 2 conversations)")
    heading, first, second = lines[start + 1 : start + 4]
    assert " ".join(heading.split()) == "SESSION ACCOUNT MODEL REQ IN OUT CACHE R CACHE W COST IDLE"
    assert " ".join(first.split()[1:]) == "3f2a91c0 alice claude-opus-4-8 12 1.2k 8.4k 1.2M 120k $1.20 42s"
    assert second.split()[1] == "3f2a91c0/a1d8b83e" and second.endswith("—  6m cold")


def test_nothing_yet() -> None:
    lines = status_lines({})
    assert lines[0] == "TeamClaude  up —"
    assert lines[-2:] == ["Sessions (0)", "  none yet"]
    assert "  none: the config file names no account" in lines


def test_usage_by_issue() -> None:
    rows = [
        {"issue": "ENG-7", "sessions": 2, "requests": 30, "tokens": 58_000, "cost": 3.1},
        {"issue": None, "sessions": 1, "requests": 2, "tokens": 900, "cost": None},
    ]
    lines = status_lines(snapshot(usageByIssue=rows))
    assert lines[-3].split() == ["ISSUE", "SESSIONS", "REQ", "TOKENS", "COST"]
    assert lines[-2].split() == ["ENG-7", "2", "30", "58k", "$3.10"]
    assert lines[-1].split() == ["no", "issue", "1", "2", "900", "—"]
    assert "By issue" not in status_lines(snapshot(usageByIssue=rows[1:]))


@pytest.mark.parametrize("cells", [40, 60, 80, 100, 200])
def test_no_line_is_wider_than_the_terminal(cells: int) -> None:
    accounts = [account("漢字" * 20 + "@example.com", statusReason="x" * 300), account("bob")]
    lines = status_lines(snapshot(accounts=accounts, sessionBindings=[session(model="m" * 99)]), cells)
    # The verdict is one line for scripts and people alike; it is 62 cells and is not cut.
    assert [line for line in lines[2:] if width(line) > cells] == []


def test_eighty_columns_show_what_matters_most() -> None:
    lines = status_lines(snapshot(accounts=[account("alice@example.com")]), 80)
    assert " 5h " in lines[4] and " 7d " in lines[4]
    row = line_with(lines, "3f2a91c0")
    assert " $1.20 " in row and row.endswith("42s") and "1.2M" not in row


def test_an_api_key_shows_its_fullest_limit() -> None:
    limits = {"tokens": {"utilization": 0.5, "resetsAt": NOW + 42_000}, "requests": {"utilization": 0.1}}
    paid = account("paid", type="apikey", quota={"apiKeyLimits": limits})
    assert status_lines(snapshot(accounts=[paid]))[4] == "◇ paid  active  tokens ████░░░░  50% 42s"
    assert status_lines(snapshot(accounts=[account("paid", type="apikey", quota={})]))[4] == "◇ paid  active"


def test_the_window_of_a_model_family() -> None:
    quota = {"axes": {"5h": {"utilization": 0.1}, "7d_oi": {"utilization": 0.97}}}
    assert "  7d_oi 97% · 2 in flight" in status_lines(snapshot(accounts=[account("a", quota=quota)]))[5]


def test_what_came_from_outside_can_do_no_harm() -> None:
    evil = "\x1b]0;pwned\x07\x1b[2Jx\nAccounts (9)\u202e"
    lines = status_lines(
        snapshot(
            accounts=[account(evil, statusReason=evil)],
            sessionBindings=[session(sid=evil, sid8=evil, account=evil, model=evil, agent=evil)],
            usageByIssue=[{"issue": evil}],
        )
    )
    page = "".join(lines)
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202e]", page) and "pwned" not in page
    assert [line for line in lines if line.startswith("Accounts")] == ["Accounts (1)"]


@pytest.mark.parametrize("junk", [None, 3, "x", [], {}, [3, None, "x"], [{}]])
def test_json_of_another_version_is_no_error(junk: Any) -> None:
    keys = ["capacity", "system", "accounts", "sessionBindings", "usageByIssue", "at"]
    assert status_lines({key: junk for key in keys})
    inner = {key: junk for key in ("name", "quota", "usage", "benchSec", "status", "sid", "idleSec", "issue")}
    assert status_lines({"accounts": [inner], "sessionBindings": [inner], "usageByIssue": [inner]})


def test_colours_say_how_full_it_is() -> None:
    def bar(used: float) -> str:
        quota = {"unified5h": used, "unified5hReset": NOW + 60_000}
        return status_lines(snapshot(accounts=[account("alice", quota=quota)]), color=True)[4]

    assert "5h \x1b[32m" in bar(0.69) and "5h \x1b[33m" in bar(0.7) and "5h \x1b[31m" in bar(0.9)
    plain = [re.sub(r"\x1b\[\d+m", "", line) for line in status_lines(snapshot(), color=True)]
    assert plain == status_lines(snapshot())
