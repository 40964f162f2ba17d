"""`status`: accounts, windows, resets and holds; never a credential, never a title."""

from __future__ import annotations

from typing import Any

from teamclaude.cli.mcp.status_tool import MAX_HELD, STATUS, status_result
from teamclaude.cli.mcp.tool import ToolResult
from teamclaude.snapshot import (
    AccountView,
    CapacityView,
    HeldView,
    OutageView,
    PinView,
    QuotaView,
    SessionTotals,
    Snapshot,
    SystemView,
    Window,
)
from teamclaude.values import replace
from tests.cli.mcp.schema_check import faults
from tests.cli.mcp.support import answers

NOW = 1_795_780_800.0
FULL = Window(1.02, NOW + 600, "rejected", NOW)
ALICE = AccountView(
    name="alice",
    status="active",
    usable=False,
    usable_in_sec=600.4,
    status_reason="5h window full",
    quota=QuotaView(axes={"7d": Window(0.5, NOW + 86400, "allowed", NOW), "5h": FULL, "7d_opus": Window()}),
    inflight=2,
)
PAID = AccountView(name="paid", type="apikey", status="active", usable=True, last_resort=True)
HELD = HeldView("tc-1", "s1", "", "opus", 61.9, "no account usable", "5h", "alice", NOW + 600)
SEEN = Snapshot(
    at=NOW,
    policy="price",
    capacity=CapacityView(verdict="red", headroom=0),
    accounts=(ALICE, PAID),
    held=(HELD,),
    pins=(PinView(None, "alice"), PinView("s1", "paid")),
    session_aggregate=SessionTotals(sessions=4, inflight=2),
)


def told(result: ToolResult) -> dict[str, Any]:
    assert result.structured is not None
    assert faults(result.structured, STATUS.output_schema) == []
    return result.structured


def test_an_api_that_cannot_be_reached_comes_first() -> None:
    outage = OutageView("a:443", ("alice", "paid"), NOW - 60, NOW, 3, "no connection to a:443: refused")
    result = status_result(replace(SEEN, outages=(outage,)))
    (line,) = told(result)["outages"]
    assert line.startswith("alice, paid: API unreachable since ")
    assert result.text.splitlines()[1] == line


def test_the_text() -> None:
    assert status_result(SEEN).text.splitlines() == [
        "red: room for 0 more conversations",
        "alice: active (5h window full), usable in 10m; "
        "5h 102% (resets in 10m), 7d 50% (resets in 1d), 7d_opus —",
        "paid: active, paid last resort",
        "all work is pinned to alice",
        "s1 is pinned to paid",
        "held: 1",
        "  s1 waits 1m: no account usable (5h); alice back in 10m",
    ]


def test_the_same_for_programs() -> None:
    found = told(status_result(SEEN))
    assert (found["verdict"], found["headroom"], found["sessions"], found["inflight"]) == ("red", 0, 4, 2)
    alice = found["accounts"][0]
    assert (alice["usable"], alice["usableInSec"], alice["reason"]) == (False, 600, "5h window full")
    assert alice["windows"][0] == {
        "window": "5h",
        "utilization": 1.02,
        "resetsInSec": 600,
        "resetsAt": "2026-11-27T12:10:00Z",
        "rejected": True,
    }
    assert alice["windows"][2]["utilization"] is None
    assert found["held"] == [
        {
            "request": "tc-1",
            "session": "s1",
            "model": "opus",
            "heldSec": 61,
            "reason": "no account usable (5h)",
            "account": "alice",
            "backInSec": 600,
        }
    ]
    assert found["pins"][0] == {"session": None, "account": "alice"}


def test_it_is_read_from_the_status_alone() -> None:
    answer = answers({"/teamclaude/status": SEEN.to_json(requests=False)})
    assert told(STATUS.run(answer, {}, None)) == told(status_result(SEEN))


def test_an_empty_snapshot_and_a_stopping_proxy() -> None:
    assert told(status_result(Snapshot()))["accounts"] == []
    assert "the proxy is stopping" in status_result(Snapshot(system=SystemView(draining=True))).text


def test_of_many_held_requests_the_first_are_shown_and_all_are_counted() -> None:
    found = told(status_result(Snapshot(held=(HELD,) * 80)))
    assert (found["heldRequests"], len(found["held"])) == (80, MAX_HELD)
