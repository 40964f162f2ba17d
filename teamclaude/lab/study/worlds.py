"""The worlds that a study plays if no option names another one: who works, and on which accounts.

The constants of `price` were chosen with seeds below FIRST_UNSEEN_SEED and with every second session, the
half "seen" (`half_of`); the other seeds and sessions are kept apart for what is reported.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...values import NamedTuple
from ..api_model import TokenWeights
from ..scenario import ScenarioSettings
from ..traffic import SessionTrace

__all__ = ["FIRST_UNSEEN_SEED", "HALVES", "WORLDS", "World", "half_of", "weights_times"]

FIRST_UNSEEN_SEED = 100
HALVES = ("seen", "unseen", "all")


class World(NamedTuple):
    """A world by its name, with the loads it is played at."""

    name: str
    about: str
    settings: ScenarioSettings
    loads: tuple[float, ...] = (1.0,)


def weights_times(factor: float) -> TokenWeights:
    """Return weights by which output and cache reads cost `factor` times as much of a window."""
    usual = TokenWeights()
    return TokenWeights(usual.output * factor, usual.read * factor)


def _one_person(accounts: int) -> ScenarioSettings:
    return ScenarioSettings(sizes=(1.0,) * accounts, users=1, agents=30)


_WORLDS = (
    World("agents-2", "one person x 30 agents, 2 accounts", _one_person(2)),
    World("agents-4", "one person x 30 agents, 4 accounts", _one_person(4)),
    World("agents-8", "one person x 30 agents, 8 accounts", _one_person(8)),
    World("team", "team of 16, 4 accounts", ScenarioSettings(), (0.85, 1.0, 1.15)),
    World("5-minute-cache", "team; prompt caches live 5 minutes", ScenarioSettings(cache_life=300.0)),
    World("unequal", "team; accounts of 20, 5, 5 and 1", ScenarioSettings(sizes=(20.0, 5.0, 5.0, 1.0))),
    World("opus-third", "team; Opus has a third of each week", ScenarioSettings(opus_window=1 / 3)),
    World("others-too", "team; others use a fifth of the accounts", ScenarioSettings(other_use=0.2)),
    World("one-reset", "team; all weekly resets in one hour", ScenarioSettings(resets_within_sec=3600.0)),
    World("weights-x3", "team; output, cache reads cost 3 times", ScenarioSettings(weights=weights_times(3))),
    World(
        "weights-third",
        "team; output, cache reads cost a third",
        ScenarioSettings(weights=weights_times(1 / 3)),
    ),
)
WORLDS = {world.name: world for world in _WORLDS}


def half_of(sessions: Sequence[SessionTrace], half: str) -> Sequence[SessionTrace]:
    """Return the sessions of one of HALVES: every second one, from the first or the second on, or all."""
    return {"seen": sessions[0::2], "unseen": sessions[1::2], "all": sessions}[half]
