"""What no scheduler can exceed, however much it knows: a fluid bound by one cut in time.

Claim: the work counted for a run until `end` is at most, for every instant t,

    B(t) = work wanted before t  +  what the accounts can serve from t on.

Proof.  Every piece of counted work is served before t or from t on.
(1) What is served before t was asked for before t.  No request comes earlier in any run than in the
    run without limits: by induction along a person's requests each begins at a non-decreasing
    function of the end of the one before (a pause is added; the calendar and the limit of running
    sessions are non-decreasing maps), and service takes at least the answer's own time.  A request is
    counted with at most what it costs in that run.  So the first part is at most the first term.
(2) What is served from t on is counted with at most what it is charged.  What of a charge lies beyond its
    windows, because the API lets the last request of a window go over, is a gift; the gifts of a run are
    added to B(t) for all t.  The rest lies within windows.  In one weekly window an account serves at most
    what the window holds; in a piece of time of length L at most ceil(L/5h)+1 of its 5h windows can lie,
    for their beginnings are 5h apart and the first may begin up to 5h before.  Of the weekly windows that
    run at `end` only the part counts that belongs to the time before it (`own`, by the demand of that
    week); what all accounts together used beyond that is borrowed from the time after, and is taken off
    the count: so their sum is at most the sum of `own`, for every t before the first of these windows.
The bound is the smallest B(t) over the hours up to then, or all that was wanted before `end`; every t
alone is a bound, so a coarse grid stays right.  (Policies get different gifts, so that their bounds differ
by some tenths of a percent under load; below it all that was wanted is the bound of everybody.)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from .api_model import FIVE_HOURS_SEC
from .demand import Demand

__all__ = ["WeeklyWindow", "upper_bound", "capacity_from", "usable_tokens"]

GRID_SEC = 3600.0


class WeeklyWindow(NamedTuple):
    """One weekly window of one account within the run: what it holds, and its 5h windows' size."""

    begin: float
    end: float
    week: float
    five: float


def upper_bound(wish: Demand, spans: Sequence[WeeklyWindow], end: float, overshoot: float = 0.0) -> float:
    """Weighted tokens that can be counted until `end` at most; `gifts` were served beyond the windows."""
    last = min((span.begin for span in spans if span.end >= end), default=0.0)
    cuts = [hour * GRID_SEC for hour in range(int(last // GRID_SEC) + 1)]
    return min(
        wish.wanted_before(end),
        *(wish.wanted_before(at) + capacity_from(spans, at) + overshoot for at in cuts),
    )


def capacity_from(spans: Sequence[WeeklyWindow], begin: float) -> float:
    """What the accounts can serve from `begin` on."""
    return sum(usable_tokens(span, begin) for span in spans if span.end > begin)


def usable_tokens(span: WeeklyWindow, begin: float) -> float:
    """What one account can serve of one weekly window from `begin` on."""
    length = span.end - max(begin, span.begin)
    return min(span.week, span.five * (math.ceil(length / FIVE_HOURS_SEC) + 1))
