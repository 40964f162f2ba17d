"""While the API can't be reached, every display says so; the next answer clears it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from teamclaude.deck.model.build import deck_model
from teamclaude.fakeapi.fault import Fault
from teamclaude.snapshot import Snapshot
from tests.proxy.conftest import Clock, Stage

MakeStage = Callable[..., Stage]


def why(status: dict[str, Any]) -> tuple[str, ...]:
    return deck_model(Snapshot.from_json(status)).obstacle


def test_an_outage_is_red_and_says_why_until_an_answer_comes(stage: MakeStage, clock: Clock) -> None:
    s = stage("a", "b")
    s.api.stop_listening()
    assert [s.ask(session=name).status for name in ("s1", "s2")] == [503, 503]
    clock.now += 20.0
    status = s.status()
    (outage,) = status["outages"]
    assert (outage["accounts"], outage["failed"]) == (["a", "b"], 2)
    reason, failed = why(status)
    assert reason.startswith("API unreachable since ")
    assert failed == "2 failed, the last 20s ago"
    capacity = s.send("GET", "/capacity").json()
    assert (capacity["verdict"], capacity["headroom"], capacity["liveAccounts"]) == ("red", 0, 0)
    assert all(row["reason"].startswith("API unreachable") for row in capacity["accounts"])
    s.api.listen()
    assert s.ask().status == 200
    status = s.status()
    assert (status["outages"], why(status)) == ([], ())
    assert s.send("GET", "/capacity").json()["liveAccounts"] == 2


def test_work_is_let_in_again_a_minute_after_the_last_failure(stage: MakeStage, clock: Clock) -> None:
    s = stage("a")
    s.api.stop_listening()
    s.ask()
    clock.now += 59.0
    assert s.send("GET", "/capacity").json()["verdict"] == "red"
    clock.now += 1.0
    status = s.status()
    assert status["capacity"]["liveAccounts"] == 1, (
        "who waits for the verdict would never learn that it is back"
    )
    assert why(status)[1] == "1 failed, the last 1m ago"


def test_a_load_balancer_keeps_a_server_that_cannot_reach_the_api(stage: MakeStage) -> None:
    s = stage("a")
    s.api.stop_listening()
    s.ask()
    ready = s.send("GET", "/health/ready")
    assert (ready.status, ready.json()["verdict"]) == (200, "red")
    assert s.send("GET", "/health/ready?verdict=yellow").status == 503, "who asks for a verdict gets it"


def test_the_log_has_a_line_when_it_begins_and_when_it_is_over(
    stage: MakeStage, wait_for_polls: Callable[[Stage], None]
) -> None:
    s = stage("a")

    def lines() -> bytes:
        (found,) = re.findall(rb'teamclaude_events_total\{kind="api"\} (\d+)', s.send("GET", "/metrics").body)
        return bytes(found)

    s.api.stop_listening()
    s.ask()
    s.until(lambda: lines() == b"1")
    s.api.listen()
    s.ask()
    s.until(lambda: lines() == b"2")
    wait_for_polls(s)
    assert lines() == b"2"


def test_the_log_says_why_a_request_was_refused_by_the_api(stage: MakeStage) -> None:
    s = stage("a")
    s.api.script.always(Fault.status(400, "max_tokens: must be positive"))
    assert s.ask().status == 400
    (record,) = s.records
    assert record["outcome"] == "upstream error"
    assert record["reason"] == "max_tokens: must be positive"
