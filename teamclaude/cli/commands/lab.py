"""The `lab` command: its options, and the choice of run, whatif or explain."""

from __future__ import annotations

import argparse

from ...accounts.config.config import RoutingConfig
from ...errors import UsageError
from ..arguments import number, whole_number
from ..lab_options import parse_moment, parse_sizes


def lab_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude lab`."""
    parser.add_argument("what", choices=("run", "whatif", "explain"), help="what to do")
    parser.add_argument(
        "--traffic",
        metavar="FILE",
        help="sessions to replay: a trace, or a recording (default: made-up ones)",
    )
    parser.add_argument(
        "--policy",
        nargs="+",
        metavar="NAME",
        help=f"default: all; whatif and explain: {RoutingConfig().policy}",
    )
    parser.add_argument(
        "--accounts", type=whole_number(1, 50), metavar="N", help="default: 4; whatif: one more than recorded"
    )
    parser.add_argument(
        "--load",
        nargs="+",
        type=number(0.05, 5.0),
        metavar="R",
        help="demand/quota (default: 1.0)",
    )
    parser.add_argument("--at", type=parse_moment, metavar="T", help='"Tue 14:30", "2 Tue 14:30", or hours')
    world = parser.add_argument_group("the scenario of run and explain")
    world.add_argument(
        "--sizes", type=parse_sizes, metavar="A,B,...", help="accounts of unequal size, such as 20,5,1"
    )
    world.add_argument("--weeks", type=whole_number(1, 12), default=2, metavar="N", help="default: 2")
    world.add_argument("--users", type=whole_number(1, 200), default=16, metavar="N", help="default: 16")
    world.add_argument(
        "--agents", type=whole_number(0, 50), metavar="N", help="sub-agents of each session (default: a few)"
    )
    world.add_argument(
        "--seeds", type=whole_number(1, 100), default=1, metavar="N", help="scenarios to average (default: 1)"
    )
    world.add_argument("--first-seed", type=whole_number(0, 2**31), default=1, metavar="N", help="default: 1")
    world.add_argument(
        "--cache-life",
        type=number(60, 86400),
        default=3600.0,
        metavar="S",
        help="life of a prompt cache (default: 3600)",
    )
    world.add_argument(
        "--burst",
        type=whole_number(1, 100),
        default=8,
        metavar="N",
        help="requests an account takes at once (default: 8)",
    )
    world.add_argument(
        "--weights",
        type=number(0.1, 10.0),
        default=1.0,
        metavar="F",
        help="output and cache reads cost F times (default: 1)",
    )
    world.add_argument(
        "--lose", type=number(0.1, 84), default=0.0, metavar="D", help="lose an account after D days"
    )
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--chart", action="store_true", help="a heatmap of the accounts' windows")
    shown.add_argument("--svg", metavar="FILE", help="write the heatmap as an SVG picture")
    shown.add_argument("--json", action="store_true", help="every number as JSON")


def lab(args: argparse.Namespace) -> int:
    """Try routing policies on weeks of a team's traffic, in virtual time.

      teamclaude lab run       every policy: how much of the possible work gets
                               done, how long people wait, what moves cost
      teamclaude lab whatif    your own recorded traffic with one more account,
                               or --accounts N, or --load R times as much work
      teamclaude lab explain --at "Tue 14:30"
                               what was decided at that moment of a run, and why

    Nothing is sent, and nothing of yours is read except the file of --traffic or
    your recording. The same command gives the same output.
    More: teamclaude help lab
    """
    from .. import lab_run

    if args.what == "run":
        return lab_run.run_policies(args)
    if args.what == "whatif":
        return lab_run.whatif(args)
    if args.at is None:
        raise UsageError('explain needs the moment: --at "Tue 14:30"')
    return lab_run.explain(args)
