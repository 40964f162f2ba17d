"""The lab's subcommand `explain`: one moment of a run, with what was decided and why."""

from __future__ import annotations

import argparse
from typing import Any

from ...errors import UsageError
from ...lab.run import PolicyRun
from ...lab.scenario import synthetic_scenario
from ...lab.study.changes import rules_of
from ...lab.study.table import align_columns
from ...routing.state.decision import Decision, RoutingRequest
from ...values import replace
from ..terminal import json_text
from .changes import check_accounts, check_caps
from .options import first_seed_of, format_moment, one_world_of, only_policy, played_half, traffic_of
from .progress import Progress

__all__ = ["explain"]

SCHEMA = 1  # of the JSON


def explain(args: argparse.Namespace) -> int:
    """Stop a run at one moment and print what was decided there (`lab explain`)."""
    name = only_policy(args, "explain")
    world = one_world_of(args)
    seed = first_seed_of(args, world)
    if len(args.load or ()) > 1:
        raise UsageError("explain plays one load: name one after --load")
    load = args.load[0] if args.load else 1.0
    settings = replace(world.settings, load=load)
    scenario = synthetic_scenario(settings, played_half(args, traffic_of(args)), seed)
    if args.at > scenario.end:
        raise UsageError(f"the run ends before that: after {settings.weeks} weeks (--weeks)")
    at = max(args.at, 1.0)  # nothing can have happened at 0
    caps, reserves = args.cap or (), args.reserve or ()
    check_accounts([rule.account for rule in (*caps, *reserves)], [world])
    check_caps(caps, world.settings.axes)
    run = PolicyRun(scenario, name, rules=rules_of(caps, reserves))
    progress = Progress(1)
    run.advance(at, progress.update)
    progress.clear()
    if args.json:
        print(json_text(SCHEMA, _record(run, at)))
        return 0
    print(f"{format_moment(at)}, policy {name}, load {load:g}, seed {seed}\n")
    print("\n".join([*_accounts(run, at), *_decisions(run, at)]))
    return 0


def _decide_new_conversation(run: PolicyRun, at: float) -> Decision:
    hold = run.scenario.settings.hold_sec
    request = RoutingRequest(session="a new conversation", model="claude-opus-4-8", hold_sec=hold)
    return run.fleet.choose(request, at)


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
