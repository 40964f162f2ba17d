"""The lab's subcommands: `run` policies, `whatif` on recorded traffic, `explain` one moment."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from ..errors import UsageError
from ..lab.heatmap import Heatmap, heatmap_lines, heatmap_svg
from ..lab.recording import Recording, read_recording, recorded_scenario
from ..lab.run import PolicyRun, run_policy
from ..lab.score import Score, TableRow, align_columns, table_lines
from ..routing.state.decision import Decision, RoutingRequest
from .lab_options import Progress, format_moment, parse_policies, scenario_of, traffic_of
from .terminal import has_color, plural, width

LEAST_SEC = 3600.0  # less says nothing of windows of five hours


def run_policies(args: argparse.Namespace) -> int:
    """Print the table of policies and loads, and charts (`lab run`)."""
    heatmaps: list[tuple[str, Heatmap]] = []
    rows = _run_all(
        args, parse_policies(args.policy or ["all"]), heatmaps if args.chart or args.svg else None
    )
    if args.json:
        print(json.dumps([row.as_json() for row in rows], indent=2))
    else:
        print("\n".join(table_lines(rows)))
    show_charts(args, heatmaps)
    return 0


def show_charts(args: argparse.Namespace, heatmaps: Sequence[tuple[str, Heatmap]]) -> None:
    """Print the charts of --chart and write the file of --svg; raise UsageError if that can't be written."""
    if args.chart and not args.json:
        for title, heatmap in heatmaps:
            print(f"\n{title}")
            print("\n".join(heatmap_lines(heatmap, width(), has_color(sys.stdout))))
    if args.svg:
        try:
            Path(args.svg).write_text(heatmap_svg(heatmaps), "utf-8")
        except OSError as error:
            raise UsageError(f"can't write {args.svg}: {error.strerror or error}") from error


def _run_all(
    args: argparse.Namespace, names: Sequence[str], heatmaps: Optional[list[tuple[str, Heatmap]]]
) -> list[TableRow]:
    """Run every policy at every load with every seed; the first seed of each gets a heatmap."""
    loads = args.load or [1.0]
    sessions = traffic_of(args)
    seeds = tuple(range(args.first_seed, args.first_seed + args.seeds))
    rows: list[TableRow] = []
    progress = Progress(len(loads) * len(seeds) * len(names))
    for load in loads:
        scores: dict[str, list[Score]] = {name: [] for name in names}
        for seed in seeds:
            scenario = scenario_of(args, sessions, load, seed)
            for name in names:
                heatmap = Heatmap() if heatmaps is not None and seed == seeds[0] else None
                scores[name].append(run_policy(scenario, name, progress.update, heatmap))
                if heatmap is not None and heatmaps is not None:
                    heatmaps.append((f"{name}, load {load:g}, seed {seed}", heatmap))
                progress.run_done()
        rows.extend(TableRow(name, load, seeds, tuple(scores[name])) for name in names)
    progress.clear()
    return rows


def whatif(args: argparse.Namespace) -> int:
    """Replay recorded traffic with other accounts or more load (`lab whatif`)."""
    recording = read_recording(_recording_path(args))
    if recording.length < LEAST_SEC:
        minutes = recording.length / 60.0
        raise UsageError(
            f"only {minutes:.0f} min are recorded: come back after an hour, better after some days"
        )
    name = _only_policy(args, "whatif")
    current = max(1, len(recording.accounts))
    load = args.load[0] if args.load else 1.0
    more = args.accounts or (current if args.load else current + 1)
    cases = [(current, 1.0), (more, load)]
    heatmaps: list[tuple[str, Heatmap]] = []
    scores = []
    progress = Progress(len(cases))
    for accounts, factor in cases:
        heatmap = Heatmap()
        scores.append(
            run_policy(recorded_scenario(recording, accounts, factor), name, progress.update, heatmap)
        )
        heatmaps.append((f"{plural(accounts, 'account')}, load {factor:g}", heatmap))
        progress.run_done()
    progress.clear()
    if args.json:
        rows = [{"accounts": n, "load": r, **s.as_json()} for (n, r), s in zip(cases, scores)]
        print(json.dumps({"policy": name, "sizesKnown": _sizes_known(recording), "cases": rows}, indent=2))
    else:
        print("\n".join(_lines(recording, name, cases, scores)))
    show_charts(args, heatmaps)
    return 0


def _recording_path(args: argparse.Namespace) -> Path:
    if args.traffic is not None:
        return Path(args.traffic)
    from ..proxy.records.traffic_recorder import trace_directory
    from .user_config import open_config

    directory = trace_directory(open_config().path)
    if not directory.is_dir():
        raise UsageError("nothing is recorded yet: teamclaude record on, and come back after some days")
    return directory


def _only_policy(args: argparse.Namespace, command: str) -> str:
    from ..accounts.config.config import RoutingConfig

    names = parse_policies(args.policy) if args.policy else [RoutingConfig().policy]
    if len(names) != 1:
        raise UsageError(f"{command} plays one policy: name one after --policy")
    return names[0]


def _lines(recording: Recording, name: str, cases: list[tuple[int, float]], scores: list[Score]) -> list[str]:
    days = recording.length / 86400.0
    waited = f"they waited {recording.waited / 3600.0:.1f} h, {recording.refused} in vain"
    lines = [
        f"recorded: {days:.1f} days, {plural(len(recording.accounts), 'account')}, "
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
        what = f"{plural(cases[1][0], 'account')} instead of {cases[0][0]}"
    else:
        what = f"{cases[1][1]:g} times the work with {plural(cases[1][0], 'account')}"
    if hours < 0.05 and hours > -0.05 and errors == 0:
        return f"{what} would have changed nothing that people notice."
    saved = "saved" if hours >= 0 else "cost"
    more = f" and {plural(abs(errors), 'error')}" if errors * hours >= 0 and errors else ""
    return f"{what} would have {saved} {abs(hours):.1f} h of waiting{more}."


def _sizes_known(recording: Recording) -> bool:
    return any(account.week is not None for account in recording.accounts)


def explain(args: argparse.Namespace) -> int:
    """Stop a run at one moment and print what was decided there (`lab explain`)."""
    name = _only_policy(args, "explain")
    loads = args.load or [1.0]
    if len(loads) != 1:
        raise UsageError("explain plays one load: name one after --load")
    scenario = scenario_of(args, traffic_of(args), loads[0], args.first_seed)
    if args.at > scenario.end:
        raise UsageError(f"the run ends before that: after {args.weeks} weeks (--weeks)")
    at = max(args.at, 1.0)  # nothing can have happened at 0
    run = PolicyRun(scenario, name)
    progress = Progress(1)
    run.advance(at, progress.update)
    progress.clear()
    if args.json:
        print(json.dumps(_record(run, at), indent=2))
        return 0
    print(f"{format_moment(at)}, policy {name}, load {loads[0]:g}, seed {args.first_seed}\n")
    print("\n".join([*_accounts(run, at), *_decisions(run, at)]))
    return 0


def _decide_new_conversation(run: PolicyRun, at: float) -> Decision:
    return run.fleet.choose(
        RoutingRequest(session="a new conversation", model="claude-opus-4-8", hold_sec=1800.0), at
    )


def _record(run: PolicyRun, at: float) -> dict[str, Any]:
    latest = run.simulation.last_decision
    names = {key: key for key in run.fleet.accounts}
    return {
        "at": at,
        "accounts": [
            {
                "name": account.name,
                "status": account.status(at),
                "inFlight": account.inflight,
                "windows": {axis: window._asdict() for axis, window in account.windows.live(at)},
            }
            for account in run.fleet.accounts.values()
        ],
        "waiting": len(run.simulation.wait_queue.waiters),
        "last": None
        if latest is None
        else {"conversation": latest.conversation, **latest.decision.as_json(names), "at": latest.at},
        "newConversation": _decide_new_conversation(run, at).as_json(names),
    }


def _accounts(run: PolicyRun, at: float) -> list[str]:
    table = [["account", "5h", "until", "7d", "until", "in flight", "state"]]
    for account in run.fleet.accounts.values():
        row = [account.name]
        for axis in ("5h", "7d"):
            window = account.windows.get(axis, at)
            row.append("-" if window.utilization is None else f"{window.utilization:.0%}")
            row.append("-" if window.resets_at is None else format_moment(window.resets_at))
        block = account.block(None, run.fleet.rules, at)
        table.append([*row, str(account.inflight), "open" if block is None else block.detail])
    return align_columns(table)


def _decisions(run: PolicyRun, at: float) -> list[str]:
    lines = ["", f"waiting: {len(run.simulation.wait_queue.waiters)} requests"]
    latest = run.simulation.last_decision
    if latest is not None:
        lines += ["", f"the last request, {format_moment(latest.at)}, of {latest.conversation}"]
        lines += _decision_lines(latest.decision)
    return [
        *lines,
        "",
        "a new conversation at this moment",
        *_decision_lines(_decide_new_conversation(run, at)),
    ]


def _decision_lines(decision: Decision) -> list[str]:
    """Return the lines of a decision: the account, the reason, and each other account's excluding rule."""
    taken = decision.account or "no account yet"
    detail = f" ({decision.detail})" if decision.detail else ""
    lines = [f"  taken      {taken}", f"  because    {decision.reason}{detail}"]
    for place, row in enumerate(decision.excluded):
        why = f" ({row.detail})" if row.detail else ""
        lines.append(f"  {'not taken' if place == 0 else '':<9}  {row.account}  {row.rule}{why}")
    return lines
