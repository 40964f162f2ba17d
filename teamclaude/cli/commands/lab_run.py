"""`teamclaude lab run`: the table of policies and loads, and charts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from ...errors import UsageError
from ...lab.heatmap import Heatmap, strips, svg
from ...lab.run import run_policy
from ...lab.table import TableRow, table_lines
from ..lab_arguments import Progress, parse_policies
from ..lab_scenario import scenario_of, traffic_of
from ..terminal import has_color, width

if TYPE_CHECKING:
    from ...lab.score import Score

__all__ = ["run", "show_charts"]


def run(args: argparse.Namespace) -> int:
    films: list[tuple[str, Heatmap]] = []
    rows = _run_all(args, parse_policies(args.policy or ["all"]), films if args.chart or args.svg else None)
    if args.json:
        print(json.dumps([row.as_json() for row in rows], indent=2))
    else:
        print("\n".join(table_lines(rows)))
    show_charts(args, films)
    return 0


def show_charts(args: argparse.Namespace, films: Sequence[tuple[str, Heatmap]]) -> None:
    """The strips on the terminal, and the file of --svg; raises UsageError where that can't be written."""
    if args.chart and not args.json:
        for title, film in films:
            print(f"\n{title}")
            print("\n".join(strips(film, width(), has_color(sys.stdout))))
    if args.svg:
        try:
            Path(args.svg).write_text(svg(films), "utf-8")
        except OSError as error:
            raise UsageError(f"can't write {args.svg}: {error.strerror or error}") from error


def _run_all(
    args: argparse.Namespace, names: Sequence[str], films: Optional[list[tuple[str, Heatmap]]]
) -> list[TableRow]:
    """Every policy at every load with every seed; the first seed of each is filmed."""
    loads = args.load or [1.0]
    sessions = traffic_of(args)
    seeds = tuple(range(args.first_seed, args.first_seed + args.seeds))
    rows: list[TableRow] = []
    progress = Progress(len(loads) * len(seeds) * len(names))
    for load in loads:
        scores: dict[str, list[Score]] = {name: [] for name in names}
        for seed in seeds:
            scene = scenario_of(args, sessions, load, seed)
            for name in names:
                film = Heatmap() if films is not None and seed == seeds[0] else None
                scores[name].append(run_policy(scene, name, progress.update, film))
                if film is not None and films is not None:
                    films.append((f"{name}, load {load:g}, seed {seed}", film))
                progress.run_done()
        rows.extend(TableRow(name, load, seeds, tuple(scores[name])) for name in names)
    progress.clear()
    return rows
