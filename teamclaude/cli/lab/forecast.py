"""The lab's subcommand `forecast`: forecasts against what became of them, in many worlds."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial

from ...errors import UsageError
from ...lab.forecasts.play import ForecastWorld, play_world, unseen_half
from ...lab.forecasts.score import ForecastScore, ends_lines, shares_lines
from ...lab.traffic import SessionTrace
from ..terminal import json_text
from .options import parse_policies, traffic_of
from .progress import Progress

__all__ = ["test_forecasts"]

# What is played if no option says otherwise.
WORLDS = (
    ForecastWorld(16, None, 2, 1.0),
    ForecastWorld(16, None, 4, 0.85),
    ForecastWorld(16, None, 8, 0.6),
    ForecastWorld(1, 30, 2, 0.6),
    ForecastWorld(1, 30, 4, 0.85),
    ForecastWorld(1, 30, 8, 0.6),
)
USERS, ACCOUNTS, WEEKS, FIRST_SEED = 16, 4, 2, 1  # the defaults of the options
PROCESSES = 2
# What it does not play, with the default of the option.
OTHERS = {
    **dict.fromkeys(("sizes", "at", "svg", "cache_life", "burst", "weights", "lose")),
    **dict.fromkeys(("world", "half", "jobs", "cap", "reserve", "tuning", "without")),
    "chart": False,
}

SCHEMA = 1  # of the JSON


def test_forecasts(args: argparse.Namespace) -> int:
    """Print how often ranges hold and how far off forecasts are (`lab forecast`)."""
    _refuse_others(args)
    sessions = traffic_of(args)
    if args.traffic is not None:
        sessions = unseen_half(sessions)
    if not sessions:
        raise UsageError(f"{args.traffic} has too few sessions: every second one is used")
    first = FIRST_SEED if args.first_seed is None else args.first_seed
    seeds = range(first, first + args.seeds)
    worlds = _worlds(args)
    jobs = [(world, seed) for world in worlds for seed in seeds]
    scores: dict[ForecastWorld, ForecastScore] = {world: ForecastScore() for world in worlds}
    progress = Progress(len(jobs))
    progress.update(0.0)
    for (world, _), score in zip(jobs, _played(jobs, sessions)):
        scores[world] = scores[world].plus(score)
        progress.run_done()
    progress.clear()
    rows = [(f"{w.name}, {w.accounts}, {w.load:g}", score) for w, score in scores.items()]
    total = ForecastScore()
    for _, score in rows:
        total = total.plus(score)
    rows.append(("all", total))
    if args.json:
        print(json_text(SCHEMA, {"scores": {name: score.as_json() for name, score in rows}}))
    else:
        print("\n".join([*shares_lines(rows), "", *ends_lines(rows)]))
    return 0


def _refuse_others(args: argparse.Namespace) -> None:
    """Raise UsageError for an option of the other subcommands: what it asks for is not played."""
    for name, usual in OTHERS.items():
        if getattr(args, name) != usual:
            option = name.replace("_", "-")
            raise UsageError(f"forecast has no --{option}: it plays equal accounts, as the API has them")


def _worlds(args: argparse.Namespace) -> list[ForecastWorld]:
    names = parse_policies(args.policy) if args.policy else ["price"]
    if len(names) != 1:
        raise UsageError("forecast plays one policy: name one after --policy")
    weeks = args.weeks or WEEKS
    if args.users in (None, USERS) and args.agents is None and args.accounts is None and not args.load:
        return [world._replace(policy=names[0], weeks=weeks) for world in WORLDS]
    return [
        ForecastWorld(args.users or USERS, args.agents, args.accounts or ACCOUNTS, load, names[0], weeks)
        for load in args.load or (1.0,)
    ]


def _played(
    jobs: Sequence[tuple[ForecastWorld, int]], sessions: Sequence[SessionTrace]
) -> Iterator[ForecastScore]:
    """Yield the scores in order; two worlds are played at a time."""
    if len(jobs) == 1:
        yield _play(jobs[0], sessions)
        return
    import multiprocessing

    with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
        yield from pool.imap(partial(_play, sessions=sessions), jobs)


def _play(job: tuple[ForecastWorld, int], sessions: Sequence[SessionTrace]) -> ForecastScore:
    world, seed = job
    return play_world(world, sessions, seed)
