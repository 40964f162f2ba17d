"""Commands that print one answer of the running proxy: `status`, `capacity` and `explain`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..remote.chosen import add_proxy_arguments, chosen_proxies, chosen_proxy
from ..terminal import has_color, json_text, note

if TYPE_CHECKING:
    from ...snapshot import Snapshot, TunnelView

# Exit status by verdict.
CAPACITY_STATUS = {"green": 0, "yellow": 10}
RED = 20
SCHEMA = 1
LASTING_STATUS = {"yes": 0, "maybe": 10, "no": RED}


def status_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude status`."""
    parser.add_argument("--json", action="store_true", help="the same as JSON, for scripts")
    add_proxy_arguments(parser, several=True)


def status(args: argparse.Namespace) -> int:
    """Show what the running proxy is doing.

    Its accounts and their quotas, the sessions it serves, and usage by issue;
    in first-party mode also the tunnels to other hosts.
    teamclaude watch shows the same, continuously. Of several servers (--url A
    --url B) it shows one pool; the exit status is 0 if one of them answers.

    With the key of a client it shows what that client uses.

    A dash is an unknown value: an account's quota is known from its first answer.
    """
    from ...deck.model.build import deck_model
    from ...deck.sources.sources import sources_from_json
    from ...snapshot import SCHEMA, Snapshot
    from ..deck_page import deck_page
    from ..proxy_client import ProxyRefusedError
    from ..remote.newer import note_if_newer

    proxies = chosen_proxies(args)
    if len(proxies) > 1:
        from ..remote.pool_reports import print_pool_status

        return print_pool_status(proxies, args)
    proxy = proxies[0]
    if args.json:
        print(json_text(SCHEMA, proxy.get("/teamclaude/status")))
        return 0
    try:
        answer = proxy.get("/teamclaude/deck")
    except ProxyRefusedError as refusal:
        from ..remote.own_status import print_own_status

        return print_own_status(proxy, refusal)
    snapshot = Snapshot.from_json(answer)
    note_if_newer(proxy.url, answer, SCHEMA)
    model = deck_model(snapshot, sources_from_json(answer.get("fleet")))
    lines = [
        *deck_page(model, sys.stdout, requests=0),
        *_rule_lines(snapshot),
        *_tunnel_lines(snapshot.tunnels),
    ]
    print("\n".join(lines))
    return 0


def _rule_lines(snapshot: Snapshot) -> list[str]:
    """Return a line on each account that its owner limits, each route and each pin (help rules)."""
    from ...deck.text.cells import clean
    from ...routing.user_rules.routes import route_line

    limited = [(clean(each.name), clean(each.rules)) for each in snapshot.accounts if each.rules]
    if snapshot.spending:
        limited.append(("all accounts", snapshot.spending))
    width = max((len(name) for name, _ in limited), default=0)
    lines = [f"{name:{width}}  {text}" for name, text in limited]
    lines += [
        clean(route_line(each.place, each.match, each.accounts, each.block)) for each in snapshot.routes
    ]
    lines += [clean(f"project {pin.project} is pinned to {pin.account}") for pin in snapshot.project_pins]
    return ["Rules", *(f"  {line}" for line in lines)] if lines else []


def _tunnel_lines(tunnels: Sequence[TunnelView]) -> list[str]:
    if not tunnels:
        return []
    from ...deck.text.cells import clean

    lines = [f"Tunnels to other hosts, passed on as they are: {sum(row.open for row in tunnels)} open"]
    width = max(len(clean(row.host)) for row in tunnels)
    for row in tunnels:
        size = f"{row.bytes_up / 1e6:.1f} MB up, {row.bytes_down / 1e6:.1f} MB down"
        failed = f", {row.failed} failed" if row.failed else ""
        problem = f" ({clean(row.problem)})" if row.problem else ""
        lines.append(
            f"  {clean(row.host):{width}}  {row.tunnels} so far, {row.open} open, {size}{failed}{problem}"
        )
    return lines


def capacity_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude capacity`."""
    parser.add_argument("--json", action="store_true", help="one line of JSON, for scripts")
    parser.add_argument("--model", metavar="M", help="count only accounts that serve this model")
    parser.add_argument(
        "--for", dest="span", type=_span, metavar="TIME", help="will it last so long? 2h, 90m, 1h30m"
    )
    add_proxy_arguments(parser, several=True)


def _span(text: str) -> str:
    """Check a time; the argparse type of --for."""
    from ...errors import UsageError
    from ...forecast.lasting import parse_span

    try:
        parse_span(text)
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def capacity(args: argparse.Namespace) -> int:
    """Say whether the pool can take more work.

    It prints a verdict, the number of sessions that can still be started, and each
    account.

    Exit status: 0 green, 10 yellow (tight), 20 red (no account can serve, or the
    API can't be reached) or no proxy running. With --for: 0 it lasts in at least
    90 of 100 cases, 10 maybe, 20 it does not; the status without --for where that
    can't be told (teamclaude help forecast).

    Of several servers (--url A --url B) it is the verdict of all of them together:
    rooms and live accounts are added up, and one that does not answer makes it
    yellow at best. With --for: 0 and 20 if all of them say so, else 10.
    """
    from ...errors import TeamClaudeError, UsageError

    try:
        path = f"/teamclaude/capacity/{quote(args.model, safe='')}" if args.model else "/capacity"
        path += f"?for={args.span}" if args.span else ""
        proxies = chosen_proxies(args)
        if len(proxies) > 1:
            from ..remote.pool_reports import print_pool_capacity

            verdict, lasting = print_pool_capacity(proxies, path, args)
            return LASTING_STATUS.get(lasting, CAPACITY_STATUS.get(verdict, RED))
        answer = proxies[0].get(path)
        from ...outlook_views import LastingView
        from ...snapshot import CapacityView  # only now: it takes 25 ms to load
        from ...typed_json import from_json

        view = from_json(CapacityView, answer)
        lasts = from_json(LastingView, answer.get("lasting") or {}) if args.span else None
    except UsageError:
        raise
    except TeamClaudeError as error:
        # A launcher reads the verdict, not the reason: whatever is wrong, nothing can be started now.
        if args.json:
            print('{"schema":1,"verdict":"red","headroom":0,"error":"proxy unreachable"}')
        note(f"teamclaude: {error}")
        return RED
    if args.json:
        print(json_text(SCHEMA, answer, None))
    else:
        from ...deck.view.capacity_page import capacity_lines

        print("\n".join(capacity_lines(view, has_color(sys.stdout), lasts)))
    return LASTING_STATUS.get(lasts.answer if lasts else "", CAPACITY_STATUS.get(view.verdict, RED))


def explain_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude explain`."""
    parser.add_argument(
        "id", nargs="?", default="last", metavar="ID", help="request id; default: the last one"
    )
    parser.add_argument("--json", action="store_true", help="the whole record as JSON")
    add_proxy_arguments(parser)


def explain(args: argparse.Namespace) -> int:
    """Explain why a request went to its account.

    It shows the account, the reason, the rule that excluded each other account,
    and how long the request waited, and for what. Without an ID: the last request,
    also one that still waits. IDs are in the `x-teamclaude-request` header of every
    response, and in `held` of status --json.
    """
    proxy = chosen_proxy(args)
    record = proxy.get(f"/teamclaude/explain/{quote(args.id, safe='')}")
    if args.json:
        print(json_text(SCHEMA, record))
        return 0
    from ...deck.view.pages import explanation_lines

    print("\n".join(explanation_lines(record)))
    return 0
