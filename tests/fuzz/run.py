"""Run many cases of each target: `python -m tests.fuzz.run N [--target T]`; one: `--target T --case C`.

Exit status 1 if a case failed; each is shown with the command that repeats it.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from typing import Optional

from tests.fuzz import answers, bodies, chunks, configs, connects, events, fields, heads, quotas
from tests.fuzz.fuzz_random import FuzzRandom

__all__ = ["TARGETS", "failure", "main"]

Target = Callable[[FuzzRandom], None]

TARGETS: Mapping[str, Target] = {
    target.__name__: target
    for target in (
        heads.request_heads,
        heads.repeated_heads,
        heads.response_heads,
        chunks.chunked_bodies,
        events.event_streams,
        events.taps,
        quotas.retry_afters,
        quotas.quota_headers,
        answers.error_bodies,
        fields.hosts,
        fields.accept_encodings,
        connects.connect_targets,
        configs.config_files,
        bodies.body_scans,
        bodies.credentials_in_text,
        bodies.request_paths,
    )
}
MOST_SHOWN = 5


def failure(name: str, case: int) -> Optional[str]:
    """Return how a case fails, with the command that repeats it; None: it passes."""
    try:
        TARGETS[name](FuzzRandom(f"{name}/{case}"))
    except Exception:
        return f"again: python -m tests.fuzz.run --target {name} --case {case}\n{traceback.format_exc()}"
    return None


def main(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run")
    parser.add_argument(
        "count", type=int, nargs="?", default=10_000, help="cases for each target", metavar="N"
    )
    parser.add_argument("--target", choices=list(TARGETS), help="only this one", metavar="T")
    parser.add_argument("--start", type=int, default=0, help="number of the first case (0)", metavar="S")
    parser.add_argument("--case", type=int, help="only this one", metavar="C")
    options = parser.parse_args(argv)
    failed = total = 0
    for name in [options.target] if options.target else TARGETS:
        cases = range(options.start, options.start + options.count)
        if options.case is not None:
            cases = range(options.case, options.case + 1)
        bad, seconds = _many(name, cases)
        failed, total = failed + bad, total + len(cases)
        print(
            f"{name:20} {len(cases):>9} cases  {bad} failed  {1e6 * seconds / len(cases):6.0f} us each",
            flush=True,
        )
    print(f"{total} cases, {failed} failed")
    return 1 if failed else 0


def _many(name: str, cases: range) -> tuple[int, float]:
    began, bad = time.perf_counter(), 0
    for case in cases:
        words = failure(name, case)
        if words is not None:
            bad += 1
            if bad <= MOST_SHOWN:
                print(words, flush=True)
    return bad, time.perf_counter() - began


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
