"""Why a request went where it went: the account that was taken, the reason, and
the rule that excluded each other one; how long it waited, and for what.
Without an ID: the last request, also one that still waits.  IDs are in the
`x-teamclaude-request` header of every answer, and in `held` of status --json.
"""

from __future__ import annotations

import argparse
import json
from urllib.parse import quote

from ..address import add_port_option

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "id", nargs="?", default="last", metavar="ID", help="request id; default: the last one"
    )
    parser.add_argument("--json", action="store_true", help="the whole record as JSON")
    add_port_option(parser)


def run(args: argparse.Namespace) -> int:
    from ..proxy_client import configured_proxy

    proxy = configured_proxy(args.port)
    record = proxy.get(f"/teamclaude/explain/{quote(args.id, safe='')}")
    if args.json:
        print(json.dumps(record, indent=2))
        return 0
    from ...deck.view.pages import explanation_lines

    print("\n".join(explanation_lines(record)))
    return 0
