"""Run many fault schedules: `python -m tests.faults.run N [--seed S]`.

Prints progress, continues after a violation, and names for each failing seed the command that repeats it.
Exit status 1 if there was one.  With --seed alone that one schedule is run and shown.

With --tls the clients speak TLS to the proxy, which takes openssl.

With --confirm a violation counts only if it shows a second time, in up to three more runs: a machine that
pauses can look like a bug of the proxy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Optional

from tests.faults.rules.awaited import AWAITED
from tests.faults.rules.invariants import violations
from tests.faults.schedules.kinds import KINDS
from tests.faults.schedules.make_schedule import make
from tests.faults.world.client_tls import ClientTls, make_client_tls
from tests.faults.world.run_schedule import run_schedule

__all__ = ["main"]

PROGRESS_SEC = 10.0
CONFIRMING = 3


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.run", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("count", type=int, nargs="?", help="schedules to run (1 with --seed)", metavar="N")
    parser.add_argument("--seed", type=int, help="the first seed (0)", metavar="S")
    parser.add_argument("--times", type=int, default=1, help="how often to run each", metavar="K")
    parser.add_argument("--kind", choices=sorted(KINDS), default="", help="schedules of this kind only")
    parser.add_argument("--confirm", action="store_true", help="count what shows a second time only")
    parser.add_argument("--tls", action="store_true", help="clients speak TLS")
    options = parser.parse_args(argv)
    if options.count is None and options.seed is None:
        parser.error("say how many, or which")
    AWAITED.discard(options.kind)
    with tempfile.TemporaryDirectory() as directory:
        tls = make_client_tls(Path(directory)) if options.tls else None
        if options.count is None:
            return _show(options.seed, options.times, options.kind, tls)
        seeds = range(options.seed or 0, (options.seed or 0) + options.count)
        return _many(seeds, options.times, CONFIRMING if options.confirm else 0, options.kind, tls)


def _many(seeds: range, times: int, confirming: int, kind: str, tls: Optional[ClientTls]) -> int:
    began = told = time.monotonic()
    failed: dict[int, list[str]] = {}
    themes: Counter[str] = Counter()
    requests = 0
    for done, seed in enumerate(seeds, 1):
        for _ in range(times):
            evidence = run_schedule(make(seed, kind), tls=tls)
            themes[evidence.schedule.theme] += 1
            requests += len(evidence.seen)
            found = violations(evidence)
            if found:
                _tell(seed, kind, found, tls)
                if confirming and not any(
                    violations(run_schedule(make(seed, kind), tls=tls)) for _ in range(confirming)
                ):
                    print(f"    not seen again in {confirming} more runs: not counted")
                    continue
                failed.setdefault(seed, []).extend(found)
        if time.monotonic() - told >= PROGRESS_SEC:
            told = time.monotonic()
            print(f"{done} of {len(seeds)} schedules, {len(failed)} with violations", flush=True)
    spent = time.monotonic() - began
    print(f"{len(seeds)} schedules ({requests} requests) in {spent:.0f} s: {len(failed)} with violations")
    print("  " + ", ".join(f"{theme} {count}" for theme, count in themes.most_common()))
    for seed in failed:
        print(f"  again: {_again(seed, kind, tls)}")
    return 1 if failed else 0


def _show(seed: int, times: int, kind: str, tls: Optional[ClientTls]) -> int:
    print("\n".join(make(seed, kind).lines()))
    failed = False
    for _ in range(times):
        evidence = run_schedule(make(seed, kind), tls=tls)
        for seen in evidence.seen:
            print(f"  {seen.tag}: {seen.status or 'no answer'} by {seen.account or 'us'}, {seen.ended}")
        found = violations(evidence)
        failed = failed or bool(found)
        if found:
            _tell(seed, kind, found, tls)
    print("violations" if failed else "no violation")
    return 1 if failed else 0


def _again(seed: int, kind: str, tls: Optional[ClientTls]) -> str:
    words = (f' --kind "{kind}"' if kind else "") + (" --tls" if tls else "")
    return f"python -m tests.faults.run --seed {seed}{words}"


def _tell(seed: int, kind: str, found: list[str], tls: Optional[ClientTls]) -> None:
    print(f"seed {seed}: {_again(seed, kind, tls)}")
    for words in found:
        print(f"    {words}")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
