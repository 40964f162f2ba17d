"""The lab's subcommand `run`: policies in worlds, as a table."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from ...lab.heatmap import Heatmap
from ...lab.study.changes import Variant
from ...lab.study.jobs import Job, Played, play_jobs
from ...lab.study.table import TableRow, table_lines
from ...lab.study.worlds import World
from ..terminal import json_text
from .changes import check_accounts, check_caps, variants_of
from .charts import check_svg_path, show_charts
from .options import default_policy, first_seed_of, parse_policies, played_half, traffic_of, worlds_of
from .progress import Progress

__all__ = ["run_policies"]

SCHEMA = 1  # of the JSON


def run_policies(args: argparse.Namespace) -> int:
    """Print the table of worlds, policies and loads, and charts (`lab run`)."""
    worlds = worlds_of(args)
    # In many worlds the default alone: all policies would take seven times as long.
    names = parse_policies(args.policy or ([default_policy()] if worlds[0].name else ["all"]))
    check_accounts([rule.account for rule in (*(args.cap or ()), *(args.reserve or ()))], worlds)
    check_caps(args.cap or (), [axis for world in worlds for axis in world.settings.axes])
    values = [*(args.tuning or ()), *(args.without or ())]
    jobs = _jobs(args, worlds, variants_of(names, values))
    check_svg_path(args)
    played = _play(args, jobs)
    rows = _rows(jobs, played)
    if args.json:
        print(json_text(SCHEMA, {"policies": [row.as_json() for row in rows]}))
    else:
        print("\n".join(table_lines(rows)))
    show_charts(args, _heatmaps(jobs, played))
    return 0


def _jobs(args: argparse.Namespace, worlds: Sequence[World], variants: Sequence[Variant]) -> list[Job]:
    """Return the runs, by world and load; the first seed of each gets a heatmap."""
    rules = tuple(args.cap or ()), tuple(args.reserve or ())
    jobs = []
    for world in worlds:
        first = first_seed_of(args, world)
        for load in world.loads:
            for seed in range(first, first + args.seeds):
                charted = bool(args.chart or args.svg) and seed == first
                jobs += [Job(world, each, load, seed, charted, *rules) for each in variants]
    return jobs


def _play(args: argparse.Namespace, jobs: Sequence[Job]) -> list[Played]:
    sessions = played_half(args, traffic_of(args))
    progress = Progress(len(jobs))
    progress.update(0.0)
    played = []
    try:
        for each in play_jobs(jobs, sessions, args.jobs or usable_cores(), progress.update):
            played.append(each)
            progress.run_done()
    finally:
        progress.clear()
    return played


def usable_cores() -> int:
    """Return the number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rows(jobs: Sequence[Job], played: Sequence[Played]) -> list[TableRow]:
    found: dict[tuple[str, float, str], list[tuple[int, Played]]] = {}
    for job, each in zip(jobs, played):
        found.setdefault((job.world.name, job.load, job.variant.label), []).append((job.seed, each))
    return [
        TableRow(world, policy, load, tuple(seed for seed, _ in row), tuple(each.score for _, each in row))
        for (world, load, policy), row in found.items()
    ]


def _heatmaps(jobs: Sequence[Job], played: Sequence[Played]) -> list[tuple[str, Heatmap]]:
    return [(_title(job), each.heatmap) for job, each in zip(jobs, played) if each.heatmap is not None]


def _title(job: Job) -> str:
    world = f"{job.world.name}, " if job.world.name else ""
    return f"{world}{job.variant.label}, load {job.load:g}, seed {job.seed}"
