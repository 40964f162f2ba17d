"""From a seed to a schedule. PURE: the same seed is the same schedule, on every machine and version.

Each seed has a theme, which decides what goes wrong mostly; `chaos` mixes everything.  What happens by
itself (order of threads) is not part of it: a failing seed is run again a few times.
"""

from __future__ import annotations

import random
from dataclasses import replace

from tests.faults.draft import Draft
from tests.faults.plan import Member, Schedule
from tests.faults.themes import THEMES

__all__ = ["make"]


def make(seed: int) -> Schedule:
    """The schedule of a seed."""
    draft = Draft(random.Random(f"faults/{seed}"))
    theme = draft.rng.choices([name for name, _, _ in THEMES], [weight for _, weight, _ in THEMES])[0]
    next(act for name, _, act in THEMES if name == theme)(draft)
    return Schedule(
        seed,
        theme,
        tuple(_ranked(seed, draft.members)),
        tuple(draft.guests),
        tuple(draft.troubles),
        tuple(sorted(draft.events, key=lambda event: event.at)),
        draft.config,
    )


def _ranked(seed: int, members: list[Member]) -> list[Member]:
    """Now and then some accounts are preferred; drawn apart, so that nothing else depends on it."""
    dice = random.Random(f"ranks/{seed}")
    if dice.random() > 0.15:
        return members
    return [replace(member, priority=dice.choice([0, 0, 1])) for member in members]
