"""Which rows are summed up and which are deleted: pure planning, carried out by `upkeep`.

Rows of 5 minutes become rows of an hour after a week, and those rows of a day after five weeks.  Beyond the
age that the user wants rows are deleted.  A file above its size loses its oldest days one by one; the table
`days`, which is small, keeps them until nothing else is left.
"""

from __future__ import annotations

from typing import Optional

from ..values import NamedTuple
from .steps import DAY, FIVE_MINUTES, HOUR, begin_of

__all__ = ["Keep", "Limits", "excess_bytes", "keep_at"]

HOURS_AFTER_SEC = 7 * DAY
DAYS_AFTER_SEC = 35 * DAY
# Of the largest size: what rows may take (the write-ahead log and free pages are beside them), and to what
# they are cut when they take more.
FULL, SHRINK_TO = 0.95, 0.9


class Limits(NamedTuple):
    """What the user wants kept; 0 days: all."""

    retention_days: float = 400.0
    max_bytes: int = 100_000_000


class Keep(NamedTuple):
    """What is kept at an instant; epoch seconds, at midnight of local time."""

    hours_until: float  # rows that begin earlier are of an hour
    days_until: float  # rows that begin earlier are of a day
    since: Optional[float]  # rows that begin earlier are deleted; None: none are

    def step_at(self, at: float) -> int:
        """Return the length of the row in which something of this time is kept."""
        return DAY if at < self.days_until else HOUR if at < self.hours_until else FIVE_MINUTES


def keep_at(limits: Limits, now: float) -> Keep:
    """Return what is kept at `now`."""
    oldest = begin_of("day", max(0.0, now - limits.retention_days * DAY)) if limits.retention_days else None
    return Keep(
        begin_of("day", max(0.0, now - HOURS_AFTER_SEC)),
        begin_of("day", max(0.0, now - DAYS_AFTER_SEC)),
        oldest,
    )


def excess_bytes(limits: Limits, used: int) -> int:
    """Return how many bytes of rows have to go while `used` are in use; 0: none."""
    return max(0, used - int(SHRINK_TO * limits.max_bytes)) if used > FULL * limits.max_bytes else 0
