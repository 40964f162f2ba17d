"""When a condition fires: once when it becomes true, for each episode; pure.

Rules that hold in this file:

1. What is true at the first look of a new condition is known and does not fire.  Where the facts come later
   than the first look (forecasts, Claude Code's files), that is so for LEARNING_SEC.
2. An episode is over when another one has begun (a new window, a new login), or when the condition has been
   false for as long as `_FORGET_SEC` says.  Until then it does not fire again, whatever happens in between.
3. A restart changes neither: the state is saved.  What became true while the server was down fires at its
   first look, except a bench: that is no news any more, and often over.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Optional

from ..accounts.config import alert_condition as c
from ..accounts.config.alert_condition import Condition
from ..snapshot import Snapshot
from ..values import NamedTuple
from .event import Event
from .findings import Finding, findings

__all__ = ["ConditionState", "Episode", "advance"]

LEARNING_SEC = 60.0
# How long a condition must be false before it may fire again for the same subject.
_FORGET_SEC = {
    c.POOL_DRY: 600.0,
    c.WINDOW_ABOVE: 300.0,  # of a window without a known reset
    c.UNUSED: 300.0,
    c.BENCHED: 300.0,  # the benches of one trouble grow, with short tries in between
    c.LOGIN_LOST: 60.0,
    c.LOGIN_ENDS: 86400.0,
    c.NEEDS_YOU: 300.0,
    c.HOLD: 300.0,
    c.API_UNREACHABLE: 300.0,
}
# Two marks of one episode differ by less: what the API tells of a reset moves by seconds, the end of a login
# with each renewal.
_SAME_SEC = {c.LOGIN_ENDS: 86400.0, c.LOGIN_LOST: 1.0, c.NEEDS_YOU: 1.0}
SAME_WINDOW_SEC = 600.0
_LATE = frozenset({c.POOL_DRY, c.NEEDS_YOU})
_LASTS = frozenset({c.BENCHED, c.NEEDS_YOU, c.HOLD, c.API_UNREACHABLE})  # their duration is that of the fact


class Episode(NamedTuple):
    """A fact that is true, or was until a while ago; times are epoch seconds."""

    since: float
    mark: Optional[float] = None
    known: bool = False  # it has fired, or needs not
    gone_at: Optional[float] = None  # since when it is not true


class ConditionState(NamedTuple):
    """What is remembered of one condition."""

    began: float  # the first look
    episodes: Mapping[str, Episode]  # by subject
    fired_at: Optional[float] = None


def advance(
    condition: Condition, state: Optional[ConditionState], snapshot: Snapshot, now: float, restarted: bool
) -> tuple[ConditionState, list[Event]]:
    """Return the state after a look at `snapshot`, and what fires.

    `state`: None at the first look of a new condition.  `restarted`: this is the first look of the process.
    """
    began = now if state is None else min(state.began, now)
    learning = state is None or (condition.kind in _LATE and now - began < LEARNING_SEC)
    silent = learning or (restarted and condition.kind == c.BENCHED)
    before = {} if state is None else state.episodes
    fired_at = None if state is None else state.fired_at
    after: dict[str, Episode] = {}
    events: list[Event] = []
    for found in findings(condition, snapshot, now):
        episode = _episode(condition.kind, before.get(found.subject), found, now)
        if episode is None:
            continue
        if not found.only_lasts and not episode.known and _is_due(condition, episode, now):
            episode = episode._replace(known=True)
            if not silent:
                events.append(found.event(condition, now))
                fired_at = now
        after[found.subject] = episode
    for subject, episode in before.items():
        if subject not in after:
            gone = episode._replace(gone_at=now if episode.gone_at is None else min(episode.gone_at, now))
            if not _is_over(condition.kind, gone, now):
                after[subject] = gone
    return ConditionState(began, after, fired_at), events


def _episode(kind: str, before: Optional[Episode], found: Finding, now: float) -> Optional[Episode]:
    """Return the episode that a finding belongs to: the one before, or a new one."""
    new = Episode(now if found.since is None else min(found.since, now), found.mark)
    if before is None or _is_over(kind, before, now):
        return None if found.only_lasts else new
    if not found.only_lasts:
        marks = found.mark is not None and before.mark is not None
        moved = abs((found.mark or 0.0) - (before.mark or 0.0)) if marks else 0.0
        # One that ended before its duration was reached counts anew, too.
        if moved > _SAME_SEC.get(kind, SAME_WINDOW_SEC) or (before.gone_at is not None and not before.known):
            return new
    mark = before.mark if found.mark is None else found.mark
    return before._replace(since=min(before.since, now), mark=mark, gone_at=None)


def _is_due(condition: Condition, episode: Episode, now: float) -> bool:
    return condition.kind not in _LASTS or now - episode.since >= condition.seconds


def _is_over(kind: str, episode: Episode, now: float) -> bool:
    if episode.gone_at is None:
        return False
    if kind in (c.WINDOW_ABOVE, c.UNUSED) and episode.mark is not None:
        # A window counts until its reset, also when the API corrects what is used of it.
        return now >= episode.mark + SAME_WINDOW_SEC
    return now - episode.gone_at >= _FORGET_SEC[kind]
