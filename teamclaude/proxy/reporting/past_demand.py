"""What the pool burned by the hour before this start: from the history, else from the state file's week.

Rules that hold in this file:

1. An hour without requests is a quiet one, if the server ran.  From a stop to the next start it did not, and
   neither did it from the last request before a start without a stop (a crash): such hours are left out.
2. The history is asked once, in two queries, and only for the weeks that still matter (forecast/profile.py).
3. A history that is off, missing, damaged or younger costs nothing but its hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Optional

from ...errors import HistoryError

if TYPE_CHECKING:
    from ...history.reader import HistoryReader

__all__ = ["past_demand"]

HOUR_SEC = 3600.0
PAST_SEC = 35 * 86400.0  # then the history keeps days; and an hour of the week counts a sixth by then
STARTED, STOPPED = "started", "stopped"  # kinds of events


def past_demand(
    open_history: Optional[Callable[[], HistoryReader]], week: Sequence[tuple[float, float]], now: float
) -> list[tuple[float, float]]:
    """Return whole hours in order, (begin, tokens), up to `now`.

    `week` has the hours that the state file knows; those before the history begins count.
    """
    hours: list[tuple[float, float]] = []
    if open_history is not None:
        try:
            with open_history() as history:
                burned = history.burned_by_hour(now - PAST_SEC, now)
                if burned:
                    runs = history.events(burned[0][0], now, (STARTED, STOPPED))
                    times = [(event.at, event.kind) for event in runs]
                    hours = list(_watched(burned, times, now))
        except HistoryError:
            hours = []  # whoever writes it says what is wrong
    begun = hours[0][0] if hours else now
    return [*((at, tokens) for at, tokens in week if at + HOUR_SEC <= begun), *hours]


def _watched(
    burned: Sequence[tuple[float, float]], runs: Iterable[tuple[float, str]], until: float
) -> Iterator[tuple[float, float]]:
    """Yield every hour from the first one on in which the server ran."""
    tokens: Mapping[float, float] = dict(burned)
    pauses = _pauses([at for at, _ in burned], runs, until)
    at = burned[0][0]
    while at + HOUR_SEC <= until:
        while pauses and pauses[0][1] <= at:
            pauses.pop(0)
        is_paused = bool(pauses) and pauses[0][0] < at + HOUR_SEC
        if at in tokens or not is_paused:
            yield at, tokens.get(at, 0.0)
        at += HOUR_SEC


def _pauses(
    busy: Sequence[float], runs: Iterable[tuple[float, str]], until: float
) -> list[tuple[float, float]]:
    """Return from when to when the server did not run, in order; `busy` are begins of hours with requests."""
    pauses, stopped, place = [], None, 0
    since = busy[0]
    for at, kind in runs:
        while place < len(busy) and busy[place] <= at:
            since = max(since, busy[place] + HOUR_SEC)
            place += 1
        if kind == STOPPED:
            stopped = at
        else:
            begin = since if stopped is None else stopped
            if begin < at:
                pauses.append((begin, at))
            stopped, since = None, max(since, at)
    if stopped is not None:
        pauses.append((stopped, until))
    return pauses
