"""What the running proxy is doing: its accounts and their quotas, the sessions
it serves, usage by issue. teamclaude watch shows it alive.

A dash is an unknown value: an account tells its quota with its first answer.
"""

from __future__ import annotations

import argparse
import json
import sys

from ..address import add_port_option

__all__ = ["arguments", "run"]


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the same as JSON, for scripts")
    add_port_option(parser)


def run(args: argparse.Namespace) -> int:
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
    model = deck_model(Snapshot.from_json(answer), sources_from_json(answer.get("fleet")))
    print("\n".join(deck_page(model, sys.stdout, requests=0)))
    return 0
