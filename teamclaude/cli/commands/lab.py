"""The `lab` command: its options, and the choice of run, whatif or explain."""

from __future__ import annotations

import argparse

from ...accounts.config.config import RoutingConfig
from ...errors import UsageError
from ...lab.study.worlds import HALVES, WORLDS
from ..arguments import number, whole_number
from ..lab.changes import parse_cap, parse_reserve, parse_values, parse_without
from ..lab.options import parse_moment, parse_sizes


def lab_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `teamclaude lab`."""
    default = RoutingConfig().policy
    parser.add_argument("what", choices=("run", "whatif", "explain", "forecast"), help="what to do")
    parser.add_argument(
        "--traffic",
        metavar="FILE",
        help="sessions to replay: a trace, or a recording (default: made-up ones)",
    )
    parser.add_argument(
        "--policy",
        nargs="+",
        metavar="NAME",
        help=f"default: {default}, or all in a world of your own",
    )
    parser.add_argument(
        "--accounts", type=whole_number(1, 50), metavar="N", help="default: 4; whatif: one more than recorded"
    )
    parser.add_argument(
        "--load",
        nargs="+",
        type=number(0.05, 5.0),
        metavar="R",
        help="demand/quota (default: 1.0, or the world's own)",
    )
    parser.add_argument(
        "--cap",
        action="append",
        type=parse_cap,
        metavar="NAME=F",
        help="use that share of an account's windows at most (0-1); NAME:5h=F for one window",
    )
    parser.add_argument(
        "--reserve",
        action="append",
        type=parse_reserve,
        metavar="NAME=HOURS:F",
        help='keep that share of an account for some hours: alice="Mon-Fri 9-17:0.3"',
    )
    parser.add_argument("--at", type=parse_moment, metavar="T", help='"Tue 14:30", "2 Tue 14:30", or hours')
    world = parser.add_argument_group(
        "the scenario of run (else a table), of explain, of forecast (else six)"
    )
    world.add_argument("--world", nargs="+", metavar="NAME", help=f"worlds of the table: {', '.join(WORLDS)}")
    world.add_argument(
        "--sizes", type=parse_sizes, metavar="A,B,...", help="accounts of unequal size, such as 20,5,1"
    )
    world.add_argument("--users", type=whole_number(1, 200), metavar="N", help="default: 16")
    world.add_argument(
        "--agents", type=whole_number(0, 50), metavar="N", help="sub-agents of each session (default: a few)"
    )
    world.add_argument(
        "--cache-life", type=number(60, 86400), metavar="S", help="life of a prompt cache (default: 3600)"
    )
    world.add_argument(
        "--burst",
        type=whole_number(1, 100),
        metavar="N",
        help="requests an account takes at once (default: 8)",
    )
    world.add_argument(
        "--weights",
        type=number(0.1, 10.0),
        metavar="F",
        help="output and cache reads cost F times (default: 1)",
    )
    world.add_argument("--lose", type=number(0.1, 84), metavar="D", help="lose an account after D days")
    runs = parser.add_argument_group("the runs")
    runs.add_argument("--weeks", type=whole_number(1, 12), metavar="N", help="default: 2")
    runs.add_argument(
        "--seeds", type=whole_number(1, 100), default=1, metavar="N", help="scenarios to average (default: 1)"
    )
    runs.add_argument(
        "--first-seed", type=whole_number(0, 2**31), metavar="N", help="default: 1; of the table's worlds 100"
    )
    runs.add_argument(
        "--half",
        choices=HALVES,
        help="which of the sessions: those that constants were chosen with, the others (of a file the "
        "default), or all",
    )
    runs.add_argument(
        "--tuning",
        nargs="+",
        type=parse_values,
        metavar="A=V,B=V",
        help="run: price with other values, too; a row for each word",
    )
    runs.add_argument(
        "--without",
        nargs="+",
        type=parse_without,
        metavar="NAME",
        help="run: price without such a value (off, 0), too; a row for each",
    )
    runs.add_argument(
        "--jobs", type=whole_number(1, 256), metavar="N", help="processes of run (default: a processor each)"
    )
    shown = parser.add_argument_group("what is shown")
    shown.add_argument("--chart", action="store_true", help="a heatmap of the accounts' windows")
    shown.add_argument("--svg", metavar="FILE", help="write the heatmap as an SVG picture")
    shown.add_argument("--json", action="store_true", help="every number as JSON")


def lab(args: argparse.Namespace) -> int:
    """Try routing policies on weeks of a team's traffic, in virtual time.

      teamclaude lab run       a table of worlds: how much of the possible work
                               gets done, and how long people wait
      teamclaude lab whatif    your own recorded traffic with one more account,
                               or --accounts N, or --load R times as much work
      teamclaude lab explain --at "Tue 14:30"
                               what was decided at that moment of a run, and why
      teamclaude lab forecast  how often forecasts are right, and how far off they
                               are; of a file of sessions every second one counts

    Nothing is sent, and nothing of yours is read except the file of --traffic or
    your recording. The same command gives the same output.
    More: teamclaude help lab
    """
    if args.what in ("explain", "whatif") and (args.tuning or args.without):
        raise UsageError(f"{args.what} plays price as it is: --tuning and --without are of lab run")
    if args.what == "run":
        from ..lab.run import run_policies

        return run_policies(args)
    if args.what == "forecast":
        from ..lab.forecast import test_forecasts

        return test_forecasts(args)
    if args.what == "whatif":
        from ..lab.whatif import whatif

        return whatif(args)
    if args.at is None:
        raise UsageError('explain needs the moment: --at "Tue 14:30"')
    from ..lab.explain import explain

    return explain(args)
