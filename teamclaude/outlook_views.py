"""What is expected, and who waits for a person, as the snapshot has it; `snapshot.py` has the rules."""

from __future__ import annotations

from typing import Optional

from .typed_json import Fraction, Moment, Whole
from .values import NamedTuple, dataclass

__all__ = ["BandPoint", "ForecastView", "LastingView", "NeedsYouView"]


class BandPoint(NamedTuple):
    """The used share of a window at a time to come: in 10, 50 and 90 of 100 cases it is at most this."""

    at: Moment = 0.0
    p10: Fraction = 0.0
    p50: Fraction = 0.0
    p90: Fraction = 0.0


@dataclass(frozen=True)
class ForecastView:
    """When a window is used up, or when no account of the pool serves any more: a range.

    `p10` is the early end: in 10 of 100 cases it is over by then.  None: not before `until`.  What can't be
    told at all has no ForecastView.
    """

    p10: Optional[Moment] = None
    p50: Optional[Moment] = None
    p90: Optional[Moment] = None
    until: Moment = 0.0  # the reset of the window; of the pool the end of what is foreseen
    chance: Fraction = 0.0  # that it is used up before `until`
    band: tuple[BandPoint, ...] = ()  # from now to `until`


class LastingView(NamedTuple):
    """Whether the pool lasts for a time that was asked for."""

    sec: Whole = 0.0
    answer: str = ""  # `yes` (90 of 100), `maybe`, `no` (less than 10 of 100, or red now) or `unknown`
    chance: Optional[Fraction] = None  # that it lasts; None: unknown
    dry_from: Optional[Moment] = None  # the range in which no account serves any more: as `p10`, `p90` of
    dry_until: Optional[Moment] = None  # ForecastView


class NeedsYouView(NamedTuple):
    """A conversation that goes on only when its person does something."""

    session: str = ""
    agent: str = ""
    label: str = ""  # issue, title or the first 8 characters of the id
    project: str = ""
    reason: str = ""  # `permission prompt`, `blocked`, `in review`, ...
    since: Optional[Moment] = None
