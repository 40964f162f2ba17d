"""People and their clients when they are refused."""

from __future__ import annotations

import pytest

from teamclaude.lab.clients import ActiveSession, ClientSessions
from teamclaude.lab.event_queue import EventQueue
from teamclaude.lab.traffic import RequestTrace, SessionTrace
from teamclaude.lab.workload import PlannedSession, User

DAY = 86400.0


class Door:
    """Notes when it was asked; the test answers."""

    def __init__(self, people: ClientSessions) -> None:
        self.clients = people
        self.asked: list[float] = []
        self.session: ActiveSession | None = None

    def submit(self, actor: ActiveSession) -> None:
        self.asked.append(self.clients.events.now)
        self.session = actor


@pytest.fixture(name="door")
def one_person():
    session = SessionTrace(
        "s", (RequestTrace(0.0, "opus", 1000, 10, 0, 1.0), RequestTrace(5.0, "opus", 1000, 10, 0, 1.0))
    )
    people = ClientSessions(EventQueue(), [User(0, ((0.0, 30 * DAY),))], [PlannedSession(0.0, 0, session)])
    people.api = Door(people)
    people.events.run(0.1)
    return people.api


def refuse(door: Door, retry_after: float | None) -> bool:
    assert door.session is not None
    again = door.clients.request_refused(door.session, retry_after)
    door.clients.events.run(door.clients.events.now + DAY)
    return again


def pauses(door: Door) -> list[float]:
    """Seconds from each refusal, one a day, to the next request."""
    return [at % DAY - 0.1 for at in door.asked[1:]]


def test_a_client_that_is_told_nothing_doubles_its_pause_and_gives_up_after_ten_retries(door):
    assert [refuse(door, None) for _ in range(11)] == [True] * 10 + [False]
    base = [0.5, 1, 2, 4, 8, 16, 32, 32, 32, 32]
    for pause, least in zip(pauses(door), base):
        assert least - 1e-6 <= pause <= 1.25 * least + 1e-6
    assert 600.0 <= pauses(door)[10] <= 1800.0  # the person tries again
    assert refuse(door, None)  # and the client begins to count anew


def test_a_client_waits_for_a_short_retry_after_and_stops_at_a_long_one(door):
    assert refuse(door, 60.0)
    assert 60.0 - 1e-6 <= pauses(door)[0] <= 75.0 + 1e-6
    assert not refuse(door, 61.0)
    assert pauses(door)[1] >= 600.0


def test_an_answer_ends_the_counting(door):
    for _ in range(10):
        refuse(door, None)
    door.clients.request_served(door.session)
    door.clients.events.run(door.clients.events.now + 60.0)
    assert refuse(door, None)
