from __future__ import annotations

from teamclaude.lab.clients import ClientSessions, EventQueue
from teamclaude.lab.traffic import RequestTrace, SessionTrace, synthetic_sessions
from teamclaude.lab.workload import DAY_SEC, PlannedSession, User, make_workload

LONG = (-1e9, 1e9)


def session(*gaps):
    return SessionTrace("x", tuple(RequestTrace(gap, "opus", 100, 10, 0, 5.0) for gap in gaps))


class FakeApi:
    """Serves everything at once and notes when it was asked."""

    def __init__(self, clients, refuse=()):
        self.clients, self.refuse = clients, list(refuse)
        self.asked = []
        clients.api = self

    def submit(self, session):
        self.asked.append((round(self.clients.events.now, 3), session.conversation))
        if self.refuse:
            self.clients.request_refused(session, self.refuse.pop())
            return
        end = self.clients.events.now + session.request.duration
        self.clients.events.schedule(end, lambda: self.clients.request_served(session))


def play(plans, shifts=(LONG,), refuse=(), until=1e6):
    clients = ClientSessions(EventQueue(), [User(0, tuple(shifts))], plans)
    api = FakeApi(clients, refuse)
    clients.events.run(until)
    return api.asked


def test_the_same_seed_makes_the_same_team():
    made = synthetic_sessions(10, 1)
    assert make_workload(made, 3, 1, 5) == make_workload(made, 3, 1, 5) != make_workload(made, 3, 1, 6)


def test_people_begin_sessions_in_their_working_hours_only():
    team, plans = make_workload(synthetic_sessions(10, 1), 6, 2, 5)
    assert plans
    assert all(team[plan.user].next_working_time(plan.at) == plan.at for plan in plans)


def test_requests_follow_each_other():
    asked = play([PlannedSession(10.0, 0, session(0, 20, 30))])
    assert [at for at, _ in asked] == [10.0, 35.0, 70.0]


def test_a_persons_pause_ends_at_work_and_a_tools_pause_anywhere():
    shifts = ((0.0, 100.0), (DAY_SEC, DAY_SEC + 9999.0))
    assert [at for at, _ in play([PlannedSession(90.0, 0, session(0, 50))], shifts)] == [90.0, 145.0]
    assert [at for at, _ in play([PlannedSession(90.0, 0, session(0, 150))], shifts)] == [90.0, DAY_SEC]


def test_no_person_runs_more_than_max_sessions():
    asked = play([PlannedSession(float(n), 0, session(0, 50)) for n in range(5)])
    assert asked[-2][0] == 60.0  # the first one ended then


def test_sub_agents_are_conversations_of_their_own():
    asked = play([PlannedSession(0.0, 0, session(0), ((7.0, session(0)),))])
    assert [name.partition("/")[2] for _, name in asked] == ["", "a0"]


def test_after_an_error_the_client_or_the_person_tries_again():
    first, second = (at for at, _ in play([PlannedSession(0.0, 0, session(0))], refuse=[30.0]))
    assert 30.0 <= second - first <= 37.5
    first, second = (at for at, _ in play([PlannedSession(0.0, 0, session(0))], refuse=[3600.0]))
    assert 600.0 <= second - first <= 1800.0
