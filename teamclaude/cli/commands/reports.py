"""Commands that print one answer of the running proxy: `status`, `capacity` and `explain`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..arguments import add_port_option
from ..terminal import has_color, note

if TYPE_CHECKING:
    from ...snapshot import TunnelView

# Exit status by verdict.
CAPACITY_STATUS = {"green": 0, "yellow": 10}
RED = 20


def status_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude status`."""
    parser.add_argument("--json", action="store_true", help="the same as JSON, for scripts")
    add_port_option(parser)


def status(args: argparse.Namespace) -> int:
    """Show what the running proxy is doing.

    Its accounts and their quotas, the sessions it serves, and usage by issue;
    in first-party mode also the tunnels to other hosts.
    teamclaude watch shows the same, continuously.

    A dash is an unknown value: an account's quota is known from its first answer.
    """
    from ...deck.model.build import deck_model
    from ...deck.sources.sources import sources_from_json
    from ...snapshot import Snapshot
    from ..deck_page import deck_page
    from ..proxy_client import configured_proxy

    proxy = configured_proxy(args.port)
    if args.json:
        print(json.dumps(proxy.get("/teamclaude/status"), indent=2))
        return 0
    answer = proxy.get("/teamclaude/deck")
    snapshot = Snapshot.from_json(answer)
    model = deck_model(snapshot, sources_from_json(answer.get("fleet")))
    print("\n".join([*deck_page(model, sys.stdout, requests=0), *_tunnel_lines(snapshot.tunnels)]))
    return 0


def _tunnel_lines(tunnels: Sequence[TunnelView]) -> list[str]:
    if not tunnels:
        return []
    lines = [f"Tunnels to other hosts, passed on as they are: {sum(row.open for row in tunnels)} open"]
    width = max(len(row.host) for row in tunnels)
    for row in tunnels:
        size = f"{row.bytes_up / 1e6:.1f} MB up, {row.bytes_down / 1e6:.1f} MB down"
        failed = f", {row.failed} failed" if row.failed else ""
        problem = f" ({row.problem})" if row.problem else ""
        lines.append(f"  {row.host:{width}}  {row.tunnels} so far, {row.open} open, {size}{failed}{problem}")
    return lines


def capacity_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude capacity`."""
    parser.add_argument("--json", action="store_true", help="one line of JSON, for scripts")
    parser.add_argument("--model", metavar="M", help="count only accounts that serve this model")
    add_port_option(parser)


def capacity(args: argparse.Namespace) -> int:
    """Say whether the pool can take more work.

    It prints a verdict, the number of sessions that can still be started, and each
    account.

    Exit status: 0 green, 10 yellow (tight), 20 red (no account can serve) or no
    proxy running.
    """
    from ...errors import TeamClaudeError
    from ..proxy_client import configured_proxy

    try:
        path = f"/teamclaude/capacity/{quote(args.model, safe='')}" if args.model else "/capacity"
        answer = configured_proxy(args.port).get(path)
        from ...snapshot import CapacityView  # only now: it takes 25 ms to load
        from ...typed_json import from_json

        view = from_json(CapacityView, answer)
    except TeamClaudeError as error:
        # A launcher reads the verdict, not the reason: whatever is wrong, nothing can be started now.
        if args.json:
            print('{"verdict":"red","headroom":0,"error":"proxy unreachable"}')
        note(f"teamclaude: {error}")
        return RED
    if args.json:
        print(json.dumps(answer))
    else:
        from ...deck.view.capacity_page import capacity_lines

        print("\n".join(capacity_lines(view, has_color(sys.stdout))))
    return CAPACITY_STATUS.get(view.verdict, RED)


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude explain`."""
    parser.add_argument(
        "id", nargs="?", default="last", metavar="ID", help="request id; default: the last one"
    )
    parser.add_argument("--json", action="store_true", help="the whole record as JSON")
    add_port_option(parser)


def explain(args: argparse.Namespace) -> int:
    """Explain why a request went to its account.

    It shows the account, the reason, the rule that excluded each other account,
    and how long the request waited, and for what. Without an ID: the last request,
    also one that still waits. IDs are in the `x-teamclaude-request` header of every
    response, and in `held` of status --json.
    """
    from ..proxy_client import configured_proxy

    proxy = configured_proxy(args.port)
    record = proxy.get(f"/teamclaude/explain/{quote(args.id, safe='')}")
    if args.json:
        print(json.dumps(record, indent=2))
        return 0
    from ...deck.view.pages import explanation_lines

    print("\n".join(explanation_lines(record)))
    return 0
