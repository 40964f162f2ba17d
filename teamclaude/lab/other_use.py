"""What others use of the same accounts: by web or on another machine, seeded, by day and hour.

Each account has another person behind it, who sits down once or twice on most days, for half an hour to two
hours, in the evening more than by day.  The proxy sees of it what the headers of its own responses say.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Optional

from ..values import NamedTuple
from .workload import DAY_SEC

__all__ = ["OtherUse", "others_got", "plan_other_use"]

HOUR_SEC = 3600.0
STEP_SEC = 120.0  # between two uses of a sitting
AT_HOME = 0.8  # share of days with use
SECOND_SITTING = 0.5  # share of these with a second sitting
EVENING = 0.7  # share of the sittings
EVENING_HOURS, DAY_HOURS = (18.0, 22.0), (9.0, 17.0)
SITTING_SEC = (1800.0, 7200.0)
UNEVEN = (0.5, 1.5)  # one account's use against the mean


class OtherUse(NamedTuple):
    """One use of an account at an instant (weighted tokens, s)."""

    at: float
    account: str
    tokens: float


def plan_other_use(weeks: Mapping[str, float], share: float, count: int, seed: int) -> tuple[OtherUse, ...]:
    """Return the use by others in `count` weeks, in order.

    `weeks` are the accounts' weekly windows (weighted tokens), of which `share` (0-1) is used on average.
    """
    if not share:
        return ()
    rng = random.Random(f"others {seed}")
    factors = [rng.uniform(*UNEVEN) for _ in weeks]
    mean = sum(factors) / len(factors)
    uses = []
    for (account, week), factor in zip(weeks.items(), factors):
        sittings = list(_sittings(count, rng))
        steps = sum(round(length / STEP_SEC) for _, length in sittings)
        tokens = week * count * share * factor / mean / max(1, steps)
        for begin, length in sittings:
            uses += [
                OtherUse(begin + step * STEP_SEC, account, tokens) for step in range(round(length / STEP_SEC))
            ]
    return tuple(sorted(uses))


def others_got(planned: Iterable[OtherUse], used: float, end: float) -> Optional[float]:
    """Return the share (0-1) that others got of what they wanted before `end`; None if that was nothing.

    `used` is what the windows allowed them (weighted tokens).
    """
    wanted = sum(use.tokens for use in planned if use.at < end)
    return used / wanted if wanted else None


def _sittings(weeks: int, rng: random.Random) -> Iterator[tuple[float, float]]:
    """Yield when sittings begin, and how long they are (s)."""
    for day in range(weeks * 7):
        if rng.random() >= AT_HOME:
            continue
        for _ in range(2 if rng.random() < SECOND_SITTING else 1):
            hours = EVENING_HOURS if rng.random() < EVENING else DAY_HOURS
            yield day * DAY_SEC + rng.uniform(*hours) * HOUR_SEC, rng.uniform(*SITTING_SEC)
