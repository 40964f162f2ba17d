"""`teamclaude lab whatif`: one's own recorded traffic again, with other accounts or more of it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from ...errors import UsageError
from ...lab.heatmap import Heatmap
from ...lab.recording import Recording, read_recording, recorded_scenario
from ...lab.run import run_policy
from ...lab.score import Score
from ...lab.table import align_columns
from ..lab_arguments import Progress, parse_policies
from .lab_run import show_charts

__all__ = ["run"]

MOST_ACCOUNTS = 50
LEAST_SEC = 3600.0  # less says nothing of windows of five hours


def run(args: argparse.Namespace) -> int:
    recording = read_recording(_recording_path(args))
    if recording.length < LEAST_SEC:
        minutes = recording.length / 60.0
        raise UsageError(
            f"only {minutes:.0f} min are recorded: come back after an hour, better after some days"
        )
    name = _policy(args)
    there = max(1, len(recording.accounts))
    load = args.load[0] if args.load else 1.0
    more = args.accounts or (there if args.load else there + 1)
    cases = [(there, 1.0), (more, load)]
    films: list[tuple[str, Heatmap]] = []
    scores = []
    progress = Progress(len(cases))
    for accounts, much in cases:
        film = Heatmap()
        scores.append(run_policy(recorded_scenario(recording, accounts, much), name, progress.update, film))
        films.append((f"{_accounts(accounts)}, load {much:g}", film))
        progress.run_done()
    progress.clear()
    if args.json:
        rows = [{"accounts": n, "load": r, **s.as_json()} for (n, r), s in zip(cases, scores)]
        print(json.dumps({"policy": name, "sizesKnown": _sizes_known(recording), "cases": rows}, indent=2))
    else:
        print("\n".join(_lines(recording, name, cases, scores)))
    show_charts(args, films)
    return 0


def _recording_path(args: argparse.Namespace) -> Path:
    if args.traffic is not None:
        return Path(args.traffic)
    from ...proxy.records.trace_file import trace_directory
    from ..user_config import open_config

    directory = trace_directory(open_config().path)
    if not directory.is_dir():
        raise UsageError("nothing is recorded yet: teamclaude record on, and come back after some days")
    return directory


def _policy(args: argparse.Namespace) -> str:
    from ...accounts.config.config import RoutingConfig

    names = parse_policies(args.policy) if args.policy else [RoutingConfig().policy]
    if len(names) != 1:
        raise UsageError("whatif plays one policy: name one after --policy")
    return names[0]


def _lines(recording: Recording, name: str, cases: list[tuple[int, float]], scores: list[Score]) -> list[str]:
    days = recording.length / 86400.0
    waited = f"they waited {recording.waited / 3600.0:.1f} h, {recording.refused} in vain"
    lines = [
        f"recorded: {days:.1f} days, {_accounts(len(recording.accounts))}, "
        f"{recording.requests} requests; {waited}"
    ]
    if not _sizes_known(recording):
        lines.append(
            "the accounts' windows hardly moved, so their size is not known: taken as if they just sufficed"
        )
    lines += [f"replayed with the policy {name}:", ""]
    table = [["accounts", "load", "done %", "waiting h", "errors", "switches"]]
    for (accounts, load), score in zip(cases, scores):
        row = [f"{100 * score.wanted:.1f}", f"{score.stall_hours:.1f}", str(score.visible_429s)]
        table.append([str(accounts), f"{load:g}", *row, f"{score.switches:.2f}"])
    return [*lines, *align_columns(table), "", _conclusion(cases, scores)]


def _conclusion(cases: list[tuple[int, float]], scores: list[Score]) -> str:
    before, after = scores
    hours = before.stall_hours - after.stall_hours
    errors = before.visible_429s - after.visible_429s
    change = cases[1][0] - cases[0][0]
    if change == 1 and cases[1][1] == 1.0:
        what = "One more account"
    elif cases[1][1] == 1.0:
        what = f"{_accounts(cases[1][0])} instead of {cases[0][0]}"
    else:
        what = f"{cases[1][1]:g} times the work with {_accounts(cases[1][0])}"
    if hours < 0.05 and hours > -0.05 and errors == 0:
        return f"{what} would have changed nothing that people notice."
    saved = "saved" if hours >= 0 else "cost"
    more = f" and {abs(errors)} error{'s' * (abs(errors) != 1)}" if errors * hours >= 0 and errors else ""
    return f"{what} would have {saved} {abs(hours):.1f} h of waiting{more}."


def _accounts(number: int) -> str:
    return f"{number} account{'s' * (number != 1)}"


def _sizes_known(recording: Recording) -> bool:
    return any(account.week is not None for account in recording.accounts)
