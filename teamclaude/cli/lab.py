"""Try routing policies on weeks of a team's traffic, in virtual time.

For every policy and load: how much of the possible work gets done, how long
people wait, what moving conversations costs.

Nothing of yours is read unless --traffic names it, and nothing is sent.  The
same command gives the same output.  More: teamclaude help lab"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from ..routing.policies import POLICIES
from .words import nearest

if TYPE_CHECKING:
    from ..lab.score import Score
    from ..lab.table import Row
    from ..lab.traffic import Session

__all__ = ["arguments", "run"]

MADE_UP = 240  # sessions of the built-in traffic


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=("run",), help="what to do")
    parser.add_argument("--traffic", metavar="FILE", help="sessions to replay (default: made-up ones)")
    parser.add_argument("--policy", nargs="+", default=["all"], metavar="NAME", help="default: all")
    parser.add_argument("--accounts", type=_count(1, 50), default=4, metavar="N", help="default: 4")
    parser.add_argument(
        "--sizes", type=_sizes, metavar="A,B,...", help="accounts of unequal size, such as 20,5,1"
    )
    parser.add_argument(
        "--load", nargs="+", type=_number(0.05, 5.0), default=[1.0], metavar="R", help="demand/quota (1.0)"
    )
    parser.add_argument("--weeks", type=_count(1, 12), default=2, metavar="N", help="default: 2")
    parser.add_argument("--users", type=_count(1, 200), default=16, metavar="N", help="default: 16")
    parser.add_argument("--seeds", type=_count(1, 100), default=1, metavar="N", help="worlds (1)")
    parser.add_argument("--first-seed", type=_count(0, 2**31), default=1, metavar="N", help="default: 1")
    parser.add_argument(
        "--cache-life", type=_number(60, 86400), default=3600.0, metavar="S", help="of a prompt cache (3600)"
    )
    parser.add_argument("--json", action="store_true", help="every seed's numbers as JSON")


def run(args: argparse.Namespace) -> int:
    from ..lab.table import lines

    rows = _study(args, _names(args.policy))
    if args.json:
        print(json.dumps([row.as_json() for row in rows], indent=2))
    else:
        print("\n".join(lines(rows)))
    return 0


def _study(args: argparse.Namespace, names: Sequence[str]) -> list[Row]:
    from ..lab.study import Scene, Setting, run_policy
    from ..lab.table import Row

    sessions = _sessions(args.traffic)
    sizes = args.sizes or (1.0,) * args.accounts
    seeds = tuple(range(args.first_seed, args.first_seed + args.seeds))
    rows: list[Row] = []
    progress = _Progress(len(args.load) * len(seeds) * len(names))
    for load in args.load:
        setting = Setting(sizes=sizes, load=load, weeks=args.weeks, users=args.users, life=args.cache_life)
        scores: dict[str, list[Score]] = {name: [] for name in names}
        for seed in seeds:
            scene = Scene(setting, sessions, seed)
            for name in names:
                scores[name].append(run_policy(scene, name, progress.part))
                progress.step()
        rows.extend(Row(name, load, seeds, tuple(scores[name])) for name in names)
    progress.end()
    return rows


def _sessions(path: str | None) -> Sequence[Session]:
    from ..lab.traffic import read_sessions, synthetic

    return synthetic(MADE_UP, 0) if path is None else read_sessions(Path(path))


def _names(words: Sequence[str]) -> list[str]:
    names: list[str] = []
    for word in words:
        if word != "all" and word not in POLICIES:
            raise UsageError(f'no policy "{word}"{nearest(word, list(POLICIES))}')
        names.extend(POLICIES if word == "all" else [word])
    return list(dict.fromkeys(names))


class _Progress:
    """A bar on a terminal's stderr; nothing elsewhere."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._done = 0
        self._shown = sys.stderr.isatty()

    def part(self, share: float) -> None:
        if self._shown:
            filled = round(30 * (self._done + share) / self._runs)
            print(
                f"\r[{'#' * filled}{'.' * (30 - filled)}] run {self._done + 1} of {self._runs} ",
                end="",
                file=sys.stderr,
                flush=True,
            )

    def step(self) -> None:
        self._done += 1

    def end(self) -> None:
        if self._shown:
            print("\r" + " " * 60 + "\r", end="", file=sys.stderr, flush=True)


def _count(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        value = int(text) if text.isascii() and text.isdigit() else -1
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f'"{text}" is not a whole number from {low} to {high}')
        return value

    return read


def _number(low: float, high: float) -> Callable[[str], float]:
    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:  # NaN fails too
            raise argparse.ArgumentTypeError(f'"{text}" is not a number from {low:g} to {high:g}')
        return value

    return read


def _sizes(text: str) -> tuple[float, ...]:
    return tuple(_number(0.01, 1000.0)(part) for part in text.split(","))
