"""The runs of a study, in this process or in several: the results are the same, and in the same order.

Worker processes are started anew (spawn), get the sessions once, and do not see Ctrl-C: the process that
started them ends them.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from typing import Optional

from ...errors import UsageError
from ...values import NamedTuple, replace
from ..heatmap import Heatmap
from ..run import run_policy
from ..scenario import Scenario, ScenarioSettings, synthetic_scenario
from ..score import Score
from ..traffic import SessionTrace
from .changes import AccountCap, AccountReserve, Variant, rules_of
from .worlds import World

__all__ = ["Job", "Played", "play_jobs"]


class Job(NamedTuple):
    """One run: a policy in a world, at a load, with a seed."""

    world: World
    variant: Variant
    load: float
    seed: int
    with_heatmap: bool = False
    caps: tuple[AccountCap, ...] = ()
    reserves: tuple[AccountReserve, ...] = ()


class Played(NamedTuple):
    """What came of a run."""

    score: Score
    heatmap: Optional[Heatmap] = None


def play_jobs(
    jobs: Sequence[Job],
    sessions: Sequence[SessionTrace],
    processes: int = 1,
    on_progress: Callable[[float], None] = lambda share: None,
) -> Generator[Played, None, None]:
    """Yield what came of each job, in order.

    With one process `on_progress` is called with the share of the present run that is done (0-1).  Raises
    UsageError when a worker process was killed.
    """
    if min(processes, len(jobs)) == 1:
        player = _Player(sessions)
        for job in jobs:
            yield player.play(job, on_progress)
        return
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(processes, len(jobs)), multiprocessing.get_context("spawn"), _start_worker, (sessions,)
    )
    try:
        with _interrupt_blocked():
            results = pool.map(_play, jobs)  # starts the workers
        yield from results
        pool.shutdown()
    except BrokenProcessPool as error:
        raise UsageError("a worker process was killed, perhaps for want of memory: try --jobs 1") from error
    finally:
        # Nothing is left to do here unless the caller was interrupted.
        pool.shutdown(wait=False, cancel_futures=True)
        for worker in set(multiprocessing.active_children()) - others:
            worker.terminate()


@contextmanager
def _interrupt_blocked() -> Iterator[None]:
    """Defer Ctrl-C; a process that is started meanwhile has it blocked for good."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Player:
    """Plays jobs; those that follow each other in the same scenario share it."""

    def __init__(self, sessions: Sequence[SessionTrace]) -> None:
        self._sessions = sessions
        self._scenario = lru_cache(maxsize=1)(self._make_scenario)

    def _make_scenario(self, settings: ScenarioSettings, seed: int) -> Scenario:
        return synthetic_scenario(settings, self._sessions, seed)

    def play(self, job: Job, on_progress: Callable[[float], None] = lambda share: None) -> Played:
        scenario = self._scenario(replace(job.world.settings, load=job.load), job.seed)
        heatmap = Heatmap() if job.with_heatmap else None
        rules = rules_of(job.caps, job.reserves)
        return Played(run_policy(scenario, job.variant.make(), on_progress, heatmap, rules), heatmap)


# --- in a worker process ------------------------------------------------------------------------

_player = _Player(())


def _start_worker(sessions: Sequence[SessionTrace]) -> None:
    global _player
    _player = _Player(sessions)


def _play(job: Job) -> Played:
    return _player.play(job)
