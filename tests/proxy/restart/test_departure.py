"""What the old process does after a handover, in virtual time: idle connections, and what it tells."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from teamclaude.proxy.lifecycle.ending import HANDED_OVER, Ending
from teamclaude.proxy.restart.departure import IDLE_SEC, Departure
from teamclaude.snapshot import EndingView
from teamclaude.threads import Signal


class FakeConnection:
    is_silent = True


class FakeConnections:
    def __init__(self, *idle: FakeConnection) -> None:
        self.now_idle = list(idle)
        self.closed: list[FakeConnection] = []

    def idle(self) -> list[FakeConnection]:
        return self.now_idle

    def end(self, chosen: Iterable[FakeConnection]) -> None:
        self.closed += chosen

    def __len__(self) -> int:
        return len(self.now_idle)


class FakeSuccessor:
    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.alive = True
        self.on_tell: Callable[[], None] = lambda: None

    def tell(self, message: dict[str, Any]) -> bool:
        self.on_tell()
        if self.alive:
            self.told.append(message)
        return self.alive


class Case:
    def __init__(self, *idle: FakeConnection, until: float = 9e9) -> None:
        self.connections, self.successor = FakeConnections(*idle), FakeSuccessor()
        self.state: dict[str, Any] = {"accounts": {"a": {"requests": 1}}}
        self.changed = Signal()
        self.now = 1000.0
        self.views = [EndingView(1, HANDED_OVER, 3, 60.0)]
        self.has_predecessor = False
        self.departure = Departure(
            self.successor,  # type: ignore[arg-type]
            self.connections,  # type: ignore[arg-type]
            {"accounts": {"a": {"requests": 1}}},
            lambda: self.state,
            self.changed,
            lambda: Ending(HANDED_OVER, until),
            lambda: self.views,
            lambda: self.has_predecessor,
            lambda: self.now,
        )


def test_a_connection_is_closed_when_it_was_idle_for_long_enough() -> None:
    quiet, busy = FakeConnection(), FakeConnection()
    case = Case(quiet, busy)
    case.departure.close_idle(1000.0)
    case.departure.close_idle(1000.0 + IDLE_SEC - 1)
    assert case.connections.closed == []
    case.connections.now_idle = [quiet]
    case.departure.close_idle(1000.0 + IDLE_SEC - 0.5)  # the other one is asked something
    case.connections.now_idle = [quiet, busy]
    case.departure.close_idle(1000.0 + IDLE_SEC)
    assert case.connections.closed == [quiet]


def test_one_whose_request_has_just_arrived_is_not_closed() -> None:
    connection = FakeConnection()
    case = Case(connection)
    case.departure.close_idle(1000.0)
    connection.is_silent = False
    case.departure.close_idle(1000.0 + 2 * IDLE_SEC)
    assert case.connections.closed == []


def test_changes_and_what_is_left_are_told_once() -> None:
    case = Case()
    case.departure.tell()
    assert [each["type"] for each in case.successor.told] == ["left"]
    case.state = {"accounts": {"a": {"requests": 2}}}
    case.changed.set()
    case.now += 1
    case.departure.tell()
    told = case.successor.told[1]
    assert told["type"] == "late"
    assert [told[side]["accounts"]["a"]["requests"] for side in ("base", "late")] == [1, 2]
    case.now += 1
    case.departure.tell()
    assert len(case.successor.told) == 2
    assert case.departure.tell_changes() is None


def test_what_nobody_listens_to_is_returned_from_the_last_state_that_was_told() -> None:
    case = Case()
    case.state = {"accounts": {"a": {"requests": 2}}}
    assert case.departure.tell_changes() is None
    case.successor.alive = False
    case.state = {"accounts": {"a": {"requests": 5}}}
    left = case.departure.tell_changes()
    assert left is not None
    assert left.base["accounts"]["a"]["requests"] == 2
    assert left.late["accounts"]["a"]["requests"] == 5


def test_it_ends_with_the_last_connection_or_with_its_time() -> None:
    Case().departure.run()
    Case(FakeConnection(), until=1000.0).departure.run()


def test_it_stays_until_the_process_before_it_has_ended() -> None:
    case = Case()
    case.has_predecessor = True
    case.changed.set()
    case.successor.on_tell = lambda: setattr(case, "has_predecessor", False)
    case.departure.run()
    assert not case.has_predecessor
