"""Clients, and the people behind them, when they are refused."""

from __future__ import annotations

import pytest

from teamclaude.lab.clients import ActiveSession, ClientSessions, EventQueue
from teamclaude.lab.traffic import RequestTrace, SessionTrace
from teamclaude.lab.workload import PlannedSession, User

DAY = 86400.0


class FakeApi:
    """Notes when it was asked; the test answers."""

    def __init__(self, clients: ClientSessions) -> None:
        self.clients = clients
        self.asked: list[float] = []
        self.session: ActiveSession | None = None

    def submit(self, session: ActiveSession) -> None:
        self.asked.append(self.clients.events.now)
        self.session = session


@pytest.fixture(name="api")
def one_person():
    session = SessionTrace(
        "s", (RequestTrace(0.0, "opus", 1000, 10, 0, 1.0), RequestTrace(5.0, "opus", 1000, 10, 0, 1.0))
    )
    clients = ClientSessions(EventQueue(), [User(0, ((0.0, 30 * DAY),))], [PlannedSession(0.0, 0, session)])
    clients.api = FakeApi(clients)
    clients.events.run(0.1)
    return clients.api


def refuse(api: FakeApi, retry_after: float | None) -> bool:
    assert api.session is not None
    again = api.clients.request_refused(api.session, retry_after)
    api.clients.events.run(api.clients.events.now + DAY)
    return again


def pauses(api: FakeApi) -> list[float]:
    """Seconds from each refusal, one a day, to the next request."""
    return [at % DAY - 0.1 for at in api.asked[1:]]


def test_a_client_that_is_told_nothing_doubles_its_pause_and_gives_up_after_ten_retries(api):
    assert [refuse(api, None) for _ in range(11)] == [True] * 10 + [False]
    base = [0.5, 1, 2, 4, 8, 16, 32, 32, 32, 32]
    for pause, least in zip(pauses(api), base):
        assert least - 1e-6 <= pause <= 1.25 * least + 1e-6
    assert 600.0 <= pauses(api)[10] <= 1800.0  # the person tries again
    assert refuse(api, None)  # and the client begins to count anew


def test_a_client_waits_for_a_short_retry_after_and_stops_at_a_long_one(api):
    assert refuse(api, 60.0)
    assert 60.0 - 1e-6 <= pauses(api)[0] <= 75.0 + 1e-6
    assert not refuse(api, 61.0)
    assert pauses(api)[1] >= 600.0


def test_a_response_resets_the_retry_count(api):
    for _ in range(10):
        refuse(api, None)
    api.clients.request_served(api.session)
    api.clients.events.run(api.clients.events.now + 60.0)
    assert refuse(api, None)


@pytest.mark.parametrize(("agent", "wanted_at"), [(None, DAY), ("a0", 110.0)])
def test_a_long_pause_outside_working_hours_ends_in_the_morning_unless_a_sub_agent_makes_it(agent, wanted_at):
    pause = SessionTrace(
        "s", (RequestTrace(0.0, "opus", 1000, 10, 0, 1.0), RequestTrace(100.0, "opus", 1000, 10, 0, 1.0))
    )
    clients = ClientSessions(EventQueue(), [User(0, ((0.0, 60.0), (DAY, 2 * DAY)))], [])
    clients.api = FakeApi(clients)
    session = ActiveSession(1, clients.users[0], pause, "s", agent)
    clients.events.run(10.0)
    clients.request_served(session)
    clients.events.run(2 * DAY)
    assert clients.api.asked == [pytest.approx(wanted_at)]
