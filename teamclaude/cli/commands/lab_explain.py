"""`teamclaude lab explain`: a run stopped at one moment, and what was decided there."""

from __future__ import annotations

import argparse
import json
from typing import Any

from ...errors import UsageError
from ...lab.run import PolicyRun
from ...lab.table import align_columns
from ...routing.state.decision import Decision, RoutingRequest
from ..lab_arguments import Progress, format_moment, parse_policies
from ..lab_scenario import scenario_of, traffic_of

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    from ...accounts.config.config import RoutingConfig

    names = parse_policies(args.policy) if args.policy else [RoutingConfig().policy]
    loads = args.load or [1.0]
    if len(names) != 1 or len(loads) != 1:
        raise UsageError("explain plays one policy at one load")
    scene = scenario_of(args, traffic_of(args), loads[0], args.first_seed)
    if args.at > scene.end:
        raise UsageError(f"the run ends before that: after {args.weeks} weeks (--weeks)")
    at = max(args.at, 1.0)  # nothing can have happened at 0
    played = PolicyRun(scene, names[0])
    progress = Progress(1)
    played.advance(at, progress.update)
    progress.clear()
    if args.json:
        print(json.dumps(_record(played, at), indent=2))
        return 0
    print(f"{format_moment(at)}, policy {names[0]}, load {loads[0]:g}, seed {args.first_seed}\n")
    print("\n".join([*_accounts(played, at), *_decisions(played, at)]))
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
    """The account, the reason, and the rule that excluded each other one."""
    taken = decision.account or "no account yet"
    detail = f" ({decision.detail})" if decision.detail else ""
    lines = [f"  taken      {taken}", f"  because    {decision.reason}{detail}"]
    for place, row in enumerate(decision.excluded):
        why = f" ({row.detail})" if row.detail else ""
        lines.append(f"  {'not taken' if place == 0 else '':<9}  {row.account}  {row.rule}{why}")
    return lines
