"""Make the schedule of a seed, the same on every machine and Python version. PURE.

Each seed has a theme, which decides what mainly goes wrong; `chaos` mixes everything.  The order of threads
is not part of a schedule, so a failing seed is run again a few times.

The themes of `LATER` are drawn from a generator of their own, so that a new one there leaves most seeds as
they were: seeds are recorded in `seeds.txt` and with each mutation.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from teamclaude.values import replace
from tests.faults.schedules.builder import ScheduleBuilder
from tests.faults.schedules.keep_alive_mix import mixed
from tests.faults.schedules.kinds import kind_of, kinds
from tests.faults.schedules.plan import PlannedAccount, Schedule
from tests.faults.schedules.themes import THEMES, Theme

__all__ = ["LATER", "make"]

# (name, percent of all seeds, function)
LATER: tuple[Theme, ...] = (("mixed", 10, mixed), ("kinds", 15, kinds))


def make(seed: int, kind: str = "") -> Schedule:
    """Return the schedule of a seed; with a `kind` one of that kind."""
    builder = ScheduleBuilder(random.Random(f"faults/{seed}"), kind=kind or kind_of(seed))
    theme, act = ("kinds", kinds) if kind else _theme(seed, builder.rng)
    act(builder)
    return Schedule(
        seed,
        f"{theme}: {builder.kind}" if act is kinds else theme,
        tuple(_ranked(seed, builder.accounts)),
        tuple(builder.clients),
        tuple(builder.troubles),
        tuple(sorted(builder.events, key=lambda event: event.at)),
        builder.config,
    )


def _theme(seed: int, rng: random.Random) -> tuple[str, Callable[[ScheduleBuilder], None]]:
    percent = random.Random(f"later/{seed}").uniform(0, 100)
    for name, share, act in LATER:
        percent -= share
        if percent < 0:
            return name, act
    name, _, act = rng.choices(THEMES, [weight for _, weight, _ in THEMES])[0]
    return name, act


def _ranked(seed: int, accounts: list[PlannedAccount]) -> list[PlannedAccount]:
    """Give some accounts another priority in 15 % of the schedules, from a generator of its own."""
    rng = random.Random(f"ranks/{seed}")
    if rng.random() > 0.15:
        return accounts
    return [replace(account, priority=rng.choice([0, 0, 1])) for account in accounts]
