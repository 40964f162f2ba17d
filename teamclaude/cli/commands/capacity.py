"""Whether the pool can take more work: a verdict, the sessions that can still be
started, and each account.

Exit status: 0 green, 10 yellow (tight), 20 red (no account can serve) or no
proxy running.
"""

from __future__ import annotations

import argparse
import json
import sys

from ..address import add_port_option
from ..terminal import has_color, note

__all__ = ["arguments", "run"]

STATUS = {"green": 0, "yellow": 10}
RED = 20


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one line of JSON, for scripts")
    add_port_option(parser)


def run(args: argparse.Namespace) -> int:
    from ...errors import TeamClaudeError
    from ...snapshot import CapacityView
    from ...typed_json import from_json
    from ..proxy_client import configured_proxy

    try:
        answer = configured_proxy(args.port).get("/capacity")
        capacity = from_json(CapacityView, answer)
    except TeamClaudeError as error:
        # A launcher reads the answer, not the reason: whatever is wrong, nothing can be started now.
        if args.json:
            print('{"verdict":"red","headroom":0,"error":"proxy unreachable"}')
        note(f"teamclaude: {error}")
        return RED
    if args.json:
        print(json.dumps(answer))
    else:
        from ...deck.view.capacity_page import capacity_lines

        print("\n".join(capacity_lines(capacity, has_color(sys.stdout))))
    return STATUS.get(capacity.verdict, RED)
