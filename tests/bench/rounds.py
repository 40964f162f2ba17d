"""Figures out of rounds: every way in turn, round after round, so that what else the machine does meets all.

A figure is the median of its rounds; "added" is the median of the rounds' differences to direct.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from ways import Way

__all__ = ["Bench", "added", "medians"]

DIRECT = "direct"


@dataclass
class Bench:
    """How much is measured, and what went wrong meanwhile."""

    rounds: int
    seconds: float  # of each load
    peers: bool
    problems: list[str] = field(default_factory=list)

    def measure(
        self, title: str, ways: Sequence[Way], take: Callable[[Way], Any], rounds: int = 0
    ) -> dict[str, list[Any]]:
        """What `take` returns, by way; it has `errors`, and one makes all its figures useless."""
        found: dict[str, list[Any]] = {way.name: [] for way in ways}
        for number in range(rounds or self.rounds):
            print(f"{title}: round {number + 1} of {rounds or self.rounds}", file=sys.stderr)
            for way in ways:
                taken = take(way)
                found[way.name].append(taken)
                if taken.errors:
                    self.problems.append(f"{title}, {way.name}: {taken.errors} errors or time-outs")
        return found


def medians(found: Mapping[str, Sequence[Any]], figure: str) -> dict[str, float]:
    """By way; one that has no such figure is left out."""
    values = {way: [getattr(taken, figure) for taken in rounds] for way, rounds in found.items()}
    return {way: median(of) for way, of in values.items() if None not in of}


def added(found: Mapping[str, Sequence[Any]], figure: str) -> dict[str, float]:
    """What each way adds to direct."""
    direct = [getattr(taken, figure) for taken in found[DIRECT]]
    return {
        way: median(getattr(taken, figure) - base for taken, base in zip(rounds, direct))
        for way, rounds in found.items()
        if way != DIRECT
    }
