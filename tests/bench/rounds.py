"""Measure in rounds: every route in turn, so that other load on the machine slows all of them alike.

A figure is the median of its rounds; "added" is the median of the rounds' differences to direct.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.bench.routes import Route

__all__ = ["Bench", "added", "medians"]

DIRECT = "direct"


@dataclass
class Bench:
    """How much is measured, and the errors met."""

    rounds: int
    seconds: float  # of each load
    peers: bool
    problems: list[str] = field(default_factory=list)

    def measure(
        self, title: str, routes: Sequence[Route], take: Callable[[Route], Any], rounds: int = 0
    ) -> dict[str, list[Any]]:
        """Return the results of `take` by route; a result with `errors` is recorded as a problem."""
        found: dict[str, list[Any]] = {route.name: [] for route in routes}
        for number in range(rounds or self.rounds):
            print(f"{title}: round {number + 1} of {rounds or self.rounds}", file=sys.stderr)
            for route in routes:
                taken = take(route)
                found[route.name].append(taken)
                if taken.errors:
                    self.problems.append(f"{title}, {route.name}: {taken.errors} errors or time-outs")
        return found


def medians(found: Mapping[str, Sequence[Any]], figure: str) -> dict[str, float]:
    """Return the median of a figure by route, without routes that do not have it."""
    values = {route: [getattr(taken, figure) for taken in rounds] for route, rounds in found.items()}
    return {route: median(of) for route, of in values.items() if None not in of}


def added(found: Mapping[str, Sequence[Any]], figure: str) -> dict[str, float]:
    """Return what each route adds to direct: the median of the differences of the rounds."""
    direct = [getattr(taken, figure) for taken in found[DIRECT]]
    return {
        route: median(getattr(taken, figure) - base for taken, base in zip(rounds, direct))
        for route, rounds in found.items()
        if route != DIRECT
    }
