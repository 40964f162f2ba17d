"""Measure what the proxy costs: `make bench` prints one table.

The routes are measured in turn, round after round in one run, so that other load on the machine slows all of
them alike.  Targets are ratios within one run, or what a user would feel.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.calls import call_rows
from tests.bench.client_tls import client_tls_rows
from tests.bench.load import generator
from tests.bench.mixed import mixed_rows
from tests.bench.observed import observed_rows
from tests.bench.rounds import Bench
from tests.bench.routing import decision_rows
from tests.bench.servers import nginx_version
from tests.bench.slots import slot_rows
from tests.bench.small import small_rows, tls_rows
from tests.bench.startup import startup_rows
from tests.bench.streams import stream_rows
from tests.bench.table import Row, machine, table
from tests.bench.uploads import large_rows, upload_rows

PAGE = Path(__file__).resolve().parents[2] / "teamclaude" / "manual" / "bench.md"
BEGIN, END = "This is what `make bench BENCH=--page` wrote:\n", "\nHow good the choice is\n"

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

GROUPS: dict[str, Callable[[Bench], list[Row]]] = {
    "small": small_rows,
    "slots": slot_rows,
    "uploads": upload_rows,
    "streams": stream_rows,
    "mixed": mixed_rows,
    "large": large_rows,
    "tls": tls_rows,
    "client-tls": client_tls_rows,
    "observed": observed_rows,
    "startup": startup_rows,
    "routing": decision_rows,
    "calls": call_rows,
}


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--rounds", type=int, default=5, metavar="N", help="default: 5")
    options.add_argument("--seconds", type=float, default=1.0, metavar="S", help="of each load (1)")
    options.add_argument("--only", type=_groups, default=list(GROUPS), metavar="A,B", help=", ".join(GROUPS))
    options.add_argument("--no-peers", action="store_true", help="install and measure no other proxies")
    options.add_argument("--page", action="store_true", help="put the table into manual/bench.md, too")
    chosen = options.parse_args()
    _raise_limit()
    began = time.monotonic()
    bench = Bench(chosen.rounds, chosen.seconds, not chosen.no_peers)
    rows = [row for name in chosen.only for row in GROUPS[name](bench)]
    report = "\n".join([*textwrap.wrap(f"{_heading(bench)}.", 74), "", table(rows), ""])
    print(f"\n{report}")
    if chosen.page:
        _put_into(PAGE, report)
    print(f"\n{time.monotonic() - began:.0f} s", file=sys.stderr)
    for problem in bench.problems:
        print(f"{problem}: the figures can't be used", file=sys.stderr)
    return 1 if bench.problems else 0


def _put_into(page: Path, report: str) -> None:
    before, begin, rest = page.read_text("utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    page.write_text(f"{before}{begin}\n{report}\n{end}{after}", "utf-8")


def _groups(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in GROUPS:
            raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(GROUPS)}")
    return names


def _heading(bench: Bench) -> str:
    nginx = nginx_version()
    answers = f"upstream nginx {nginx}" if nginx else "upstream Python, no nginx here to compare with"
    rounds = f"median of {bench.rounds} rounds of {bench.seconds:g} s"
    return f"{machine()}; load by {generator()}, {answers}; {rounds}"


def _raise_limit() -> None:
    """Raise the limit of descriptors for a thousand streams; child processes inherit it."""
    if resource is not None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    raise SystemExit(main())
