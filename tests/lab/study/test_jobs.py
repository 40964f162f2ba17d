"""The runs of a study in one process and in several."""

from __future__ import annotations

import multiprocessing
import signal

import pytest

from teamclaude.lab.scenario import ScenarioSettings, synthetic_scenario
from teamclaude.lab.study import jobs
from teamclaude.lab.study.changes import Variant
from teamclaude.lab.study.jobs import Job, play_jobs
from teamclaude.lab.study.worlds import World
from teamclaude.lab.traffic import synthetic_sessions
from tests.waiting import until

SETTINGS = ScenarioSettings(sizes=(1.0, 1.0), weeks=1, users=1)
WORLD = World("small", "", SETTINGS)
SESSIONS = [each._replace(requests=each.requests[:15]) for each in synthetic_sessions(20, 3)]
JOBS = [
    Job(WORLD, Variant(name), 0.9, seed, seed == 1) for seed in (1, 2) for name in ("round-robin", "sticky")
]


def test_the_results_are_the_same_in_one_process_and_in_several():
    alone, together = list(play_jobs(JOBS, SESSIONS, 1)), list(play_jobs(JOBS, SESSIONS, 2))
    assert [each.score for each in alone] == [each.score for each in together]
    assert [each.heatmap is not None for each in together] == [True, True, False, False]
    first, again = alone[0].heatmap, together[0].heatmap
    assert first is not None
    assert again is not None
    assert first.rows == again.rows
    assert alone[0].score != alone[2].score  # another seed


def test_runs_of_one_scenario_share_it(monkeypatch):
    made = []
    real = synthetic_scenario
    monkeypatch.setattr(jobs, "synthetic_scenario", lambda *words: made.append(words[2]) or real(*words))
    list(play_jobs(JOBS, SESSIONS, 1))
    assert made == [1, 2]


def test_an_interrupted_study_ends_its_processes():
    played = play_jobs(JOBS, SESSIONS, 2)
    next(played)
    workers = multiprocessing.active_children()
    assert workers
    played.close()
    # A thread of the pool waits for them, too: while it has the status of one, `join` knows of none.
    until(lambda: all(worker.exitcode is not None for worker in workers), 30.0)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="Windows has no signal mask")
def test_the_workers_do_not_see_an_interrupt_and_this_process_does_again():
    with jobs._interrupt_blocked():
        assert signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_progress_is_reported_within_a_run():
    shares: list[float] = []
    list(play_jobs(JOBS[:1], SESSIONS, 8, shares.append))
    assert shares == sorted(shares)
    assert shares[-1] > 0.5
