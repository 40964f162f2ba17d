"""From a seed to a schedule. PURE: the same seed is the same schedule, on every machine and version.

Each seed has a theme, which decides what goes wrong mostly; `chaos` mixes everything.  What happens by
itself (order of threads) is not part of it: a failing seed is run again a few times.

Themes of `LATER` are drawn apart, so that a new one there leaves most other seeds what they were: seeds
stand in `seeds.txt` and beside each mutation.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from tests.faults.schedules.builder import ScheduleBuilder
from tests.faults.schedules.keep_alive_mix import mixed
from tests.faults.schedules.kinds import kind_of, kinds
from tests.faults.schedules.plan import PlannedAccount, Schedule
from tests.faults.schedules.themes import THEMES, Theme

__all__ = ["LATER", "make"]

# Each with its share of all seeds, in percent.
LATER: tuple[Theme, ...] = (("mixed", 10, mixed), ("kinds", 15, kinds))


def make(seed: int, kind: str = "") -> Schedule:
    """The schedule of a seed; with a `kind` one of that kind."""
    draft = ScheduleBuilder(random.Random(f"faults/{seed}"), kind=kind or kind_of(seed))
    theme, act = ("kinds", kinds) if kind else _theme(seed, draft.rng)
    act(draft)
    return Schedule(
        seed,
        f"{theme}: {draft.kind}" if act is kinds else theme,
        tuple(_ranked(seed, draft.accounts)),
        tuple(draft.clients),
        tuple(draft.troubles),
        tuple(sorted(draft.events, key=lambda event: event.at)),
        draft.config,
    )


def _theme(seed: int, rng: random.Random) -> tuple[str, Callable[[ScheduleBuilder], None]]:
    percent = random.Random(f"later/{seed}").uniform(0, 100)
    for name, share, act in LATER:
        percent -= share
        if percent < 0:
            return name, act
    name, _, act = rng.choices(THEMES, [weight for _, weight, _ in THEMES])[0]
    return name, act


def _ranked(seed: int, members: list[PlannedAccount]) -> list[PlannedAccount]:
    """Now and then some accounts are preferred; drawn apart, so that nothing else depends on it."""
    dice = random.Random(f"ranks/{seed}")
    if dice.random() > 0.15:
        return members
    return [replace(member, priority=dice.choice([0, 0, 1])) for member in members]
