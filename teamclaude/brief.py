"""Lists in words, with a bound: a few are named, then how many more there are.

What a person has written a thousand times, or wrongly a thousand times, must not push all else off a screen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

__all__ = ["MOST_LINES", "MOST_NAMES", "brief_lines", "brief_list"]

MOST_LINES = 5
MOST_NAMES = 10


def brief_list(names: Iterable[str], most: int = MOST_NAMES, joint: str = ", ") -> str:
    """Return `a, b, c and 7 more`, with at most `most` names; empty without any."""
    every = list(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return joint.join(every[:most]) + more


def brief_lines(lines: Iterable[str], kind_of: Callable[[str], str]) -> list[str]:
    """Return at most MOST_LINES lines of each kind, then how many more of it there are.

    The first word of a kind, its subject, is in that last line.
    """
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kinds.setdefault(kind_of(line), []).append(line)
    shown = []
    for kind, every in kinds.items():
        shown += every[:MOST_LINES]
        if len(every) > MOST_LINES:
            subject = kind.partition(" ")[0].rstrip(":")
            shown.append(f"{subject}: and {len(every) - MOST_LINES} more like that")
    return shown
