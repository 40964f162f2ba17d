"""What a report is asked for: its groupings, its range, how many rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Optional

from ...errors import UsageError
from ...values import NamedTuple
from ..rows import STEPS
from ..steps import begin_of, next_after
from .moments import parse_moment

__all__ = ["GROUPINGS", "NAMES", "Question", "parse_question", "steps_between"]

NAMES = ("account", "model", "project", "client", "issue", "session", "source")
GROUPINGS = (*STEPS, *NAMES)
MOST_GROUPINGS = 2
DAY_SEC = 86400.0
# How far back a report goes when nobody says it: hours of a day, days of a month, weeks of half a year.
_REACH_SEC = {"hour": DAY_SEC, "week": 25 * 7 * DAY_SEC}
_OTHER_REACH_SEC = 29 * DAY_SEC


class Question(NamedTuple):
    """What is asked for; None: no limit on that side."""

    by: tuple[str, ...]  # at most one of them is a step of time, which comes first
    since: Optional[float]  # epoch seconds
    until: Optional[float]
    limit: int = 0  # rows; 0: all
    where: Mapping[str, str] = {}  # only what has these values

    @property
    def step(self) -> Optional[str]:
        """The grouping by time, if there is one."""
        return self.by[0] if self.by[0] in STEPS else None

    @property
    def names(self) -> tuple[str, ...]:
        """The groupings that are not by time."""
        return tuple(name for name in self.by if name not in STEPS)


def parse_question(
    by: str, since: Optional[str], until: Optional[str], now: float, limit: int = 0
) -> Question:
    """Return what the words ask for; raise UsageError for those that mean nothing.

    A grouping by time begins with a whole step: a bar of half a day looks like a drop.
    """
    names = _groupings(by)
    step = names[0] if names[0] in STEPS else None
    end = parse_moment(until, now, end=True) if until else None
    if since:
        begin = parse_moment(since, now)
    elif step == "month":
        begin = None
    else:
        begin = min(now, now if end is None else end) - _REACH_SEC.get(step or "", _OTHER_REACH_SEC)
        begin = begin_of(step or "day", max(0.0, begin))
    if begin is not None and step is not None:
        begin = begin_of(step, begin)
    if begin is not None and end is not None and begin >= end:
        raise UsageError(f"the range ends before it begins: since {since or 'then'}, until {until}")
    return Question(names, begin, end, limit)


def _groupings(by: str) -> tuple[str, ...]:
    words = list(dict.fromkeys(word.strip().lower() for word in by.split(",")))
    for word in words:
        if word not in GROUPINGS:
            raise UsageError(f'nothing is grouped by "{word[:40]}"; there are: {", ".join(GROUPINGS)}')
    steps = [word for word in words if word in STEPS]
    if len(words) > MOST_GROUPINGS or len(steps) > 1:
        raise UsageError("at most two groupings, and one of them by time: --by day,account")
    return (*steps, *(word for word in words if word not in STEPS))


def steps_between(first: float, last: float, step: str, most: int) -> Sequence[float]:
    """Return the beginnings of all steps from `first` to `last`, at most `most` of the latest."""
    out = [begin_of(step, first)]
    while next_after(step, out[-1]) <= last:
        out.append(next_after(step, out[-1]))
    return out[-most:]
