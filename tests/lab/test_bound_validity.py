"""No schedule exceeds the bound, however odd: random ones in worlds of a few requests."""

from __future__ import annotations

import random
from typing import Optional

import pytest

from teamclaude.lab.clients import ActiveSession
from teamclaude.lab.scenario import AccountSetup, Scenario, ScenarioSettings
from teamclaude.lab.score import ScoreCounter
from teamclaude.lab.traffic import RequestTrace, SessionTrace
from teamclaude.lab.upper_bound import Demand
from teamclaude.lab.workload import WEEK_SEC, User
from teamclaude.routing.state.decision import Decision, Lease, Reason, RoutingRequest
from teamclaude.values import NamedTuple

HOUR, LIFE = 3600.0, 3600.0
WORLDS = 500
USER = User(0, ((0.0, 1e9),))


class Job(NamedTuple):
    """A request with what becomes of it: wanted at, tokens, where it is sent and how long after."""

    wanted_at: float
    tokens: int
    is_opus: bool
    account: Optional[int]
    delay: float
    needed: float  # of what it is charged, what it would have cost without limits


def random_job(rng: random.Random) -> Job:
    # Also work of the week after the end: it says how much of the last quota belongs to it.
    wanted = rng.uniform(0.0, rng.choice([12.0, 168.0, 335.0])) * HOUR
    delay = rng.uniform(0.0, rng.choice([0.0, 6.0, 160.0])) * HOUR
    tokens, account = rng.randint(1, 400), rng.choice([None, 0, 0, 1, 1])
    return Job(wanted, tokens, rng.random() < 0.5, account, delay, rng.choice([1.0, rng.random()]))


def random_setup(rng: random.Random) -> AccountSetup:
    lost = rng.choice([float("inf"), float("inf"), rng.uniform(0.0, 168.0) * HOUR])
    return AccountSetup(rng.uniform(50.0, 1000.0), rng.uniform(10.0, 500.0), rng.uniform(0.0, WEEK_SEC), lost)


def played(
    jobs: list[Job], setups: list[AccountSetup], opus: float, used_elsewhere: list[tuple[float, float]]
) -> tuple[float, float]:
    """Send each job when and where it says, if the API takes it; return what counts, and the bound."""
    names = {job: f"s{number}" for number, job in enumerate(jobs)}
    rows = sorted((job.wanted_at, 0, job.tokens * job.needed, family(job)) for job in names)
    costs = {(name, 0): job.tokens * job.needed for job, name in names.items()}
    demand = Demand([row[:3] for row in rows], costs, [row[3] for row in rows])
    scenario = Scenario(ScenarioSettings(opus_window=opus), ([USER], []), demand, setups, WEEK_SEC)
    accounts = scenario.api_accounts()
    counter = ScoreCounter(demand, accounts, LIFE, WEEK_SEC)
    others = []
    events = [(job.wanted_at + job.delay, 0.0, job) for job in names if job.account is not None]
    events += [(at, tokens, jobs[0]) for at, tokens in used_elsewhere]
    for at, tokens, job in sorted(events):
        if at >= WEEK_SEC:
            continue
        if tokens:
            others.append((at, accounts["acct1"].use_elsewhere(tokens, at)))
            continue
        name = f"acct{(job.account or 0) + 1}"
        trace = RequestTrace(0.0, family(job), job.tokens, 0, 0, 1.0)
        response = accounts[name].send(names[job], trace, LIFE, at)
        if response.status == 200:
            accounts[name].request_ended()
            session = ActiveSession(1, USER, SessionTrace("s", (trace,)), names[job])
            decision = Decision(name, Reason.KEPT)
            lease = Lease(1, name, 1, RoutingRequest(session="s"), decision, 0.0, True)
            counter.record_served(session, lease, response, at, 0.0)
    bound = scenario.upper_bound(counter.overshoot, others)
    counted = counter.score(
        bound,
        scenario.last_week_allowance(),
        [0],
        (),
        scenario.last_week_allowance(opus) if opus else None,
    ).wanted
    return counted * demand.wanted_before(WEEK_SEC), bound


def family(job: Job) -> str:
    return "opus" if job.is_opus else "sonnet"


def test_no_schedule_exceeds_the_bound():
    for number in range(WORLDS):
        rng = random.Random(number)
        jobs = [random_job(rng) for _ in range(rng.randint(1, 12))]
        jobs.append(Job(rng.uniform(0.0, 168.0) * HOUR, 100, False, None, 0.0, 1.0))
        setups = [random_setup(rng) for _ in range(2)]
        uses = rng.choice([0, 0, 3]) if all(setup.login_lost_at > WEEK_SEC for setup in setups) else 0
        others = [(rng.uniform(0.0, WEEK_SEC), rng.uniform(1.0, 300.0)) for _ in range(uses)]
        counted, bound = played(jobs, setups, rng.choice([0.0, 0.3]), others)
        assert counted <= bound + 1e-6, f"world {number}"


def test_a_schedule_reaches_the_bound_of_weekly_windows_beyond_its_five_hour_ones():
    """Three 5h windows of 40, each exceeded by 20, take all of a week of 180."""
    week = AccountSetup(180.0, 40.0, 100 * HOUR)
    jobs = [Job(at * HOUR, 60, False, 0, 0.0, 1.0) for at in (0.0, 6.0, 12.0, 18.0)]
    jobs.append(Job(200 * HOUR, 60, False, None, 0.0, 1.0))  # to it belongs the quota of the window after
    counted, bound = played(jobs, [week], 0.0, [])
    assert counted == pytest.approx(180.0)
    assert bound == pytest.approx(180.0)
