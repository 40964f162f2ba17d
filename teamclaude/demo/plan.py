"""The plan of a fake session: its turns, the same for the same seed. PURE.

The sizes follow the published traces of real Claude Code sessions (callanjfox/kv-cache-tester,
Apache-2.0): 23,491 requests of 355 sessions, reduced to the quantiles below.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Sequence

from ..values import dataclass

__all__ = ["SessionPlan", "Turn", "draw_quantile", "plan_sessions"]

_AT = (0.0, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
_GAP = (1.0, 3.6, 5.8, 9.9, 24.0, 123.0, 304.0, 900.0)
_OUTPUT = (50.0, 92.0, 140.0, 221.0, 439.0, 894.0, 1517.0, 3625.0)
_FIRST_INPUT = (12e3, 18e3, 24e3, 32e3, 45e3, 60e3, 70e3, 90e3)
_NEW_INPUT = (60.0, 150.0, 400.0, 1100.0, 3000.0, 7000.0, 12e3, 30e3)

OPUS, SONNET = "claude-opus-4-8", "claude-sonnet-4-9"
_OPUS_SHARE = 0.67
_EFFORTS = ("low", "medium", "high", "high", "xhigh")


@dataclass(frozen=True)
class Turn:
    """One request of a conversation: think, then send `new_tokens` and get `reply_tokens`.

    `agents` are the sub-agents that it starts, each with the turns of its own conversation.
    """

    think_sec: float
    new_tokens: int
    reply_tokens: int
    agents: Sequence[Sequence[Turn]] = ()


@dataclass(frozen=True)
class SessionPlan:
    """One session: it begins at `start_sec`; a `subscription` session asks for the 1-hour prompt cache.

    `max_gap_sec` bounds the think time; `fan_out` is the share of turns that start sub-agents.
    """

    id: str
    device: str
    seed: str
    model: str
    effort: str
    subscription: bool
    start_sec: float
    max_gap_sec: float = 900.0
    fan_out: float = 0.12

    def turns(self) -> Iterator[Turn]:
        """Yield turns without end; the first one has the first prompt."""
        rng = random.Random(self.seed)
        yield Turn(0.0, int(draw_quantile(rng, _FIRST_INPUT)), _reply(rng))
        while True:
            agents = [list(_agent(rng)) for _ in range(rng.randint(2, 4))]
            yield Turn(
                think_sec=min(self.max_gap_sec, draw_quantile(rng, _GAP)),
                new_tokens=int(draw_quantile(rng, _NEW_INPUT)),
                reply_tokens=_reply(rng),
                agents=agents if rng.random() < self.fan_out else (),
            )


def plan_sessions(
    count: int,
    seed: int,
    *,
    spread_sec: float = 60.0,
    max_gap_sec: float = 900.0,
    fan_out: float = 0.12,
) -> list[SessionPlan]:
    """Return `count` sessions that begin within `spread_sec`; about two thirds use an Opus model."""
    rng = random.Random(f"plan/{seed}")
    device = f"{rng.getrandbits(256):064x}"
    return [
        SessionPlan(
            id=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
            device=device,
            seed=f"session/{seed}/{number}",
            model=OPUS if rng.random() < _OPUS_SHARE else SONNET,
            effort=rng.choice(_EFFORTS),
            subscription=rng.random() < 0.5,
            start_sec=spread_sec * number / max(1, count),
            max_gap_sec=max_gap_sec,
            fan_out=fan_out,
        )
        for number in range(count)
    ]


def draw_quantile(rng: random.Random, values: Sequence[float]) -> float:
    """Draw from the distribution whose quantiles at `_AT` are `values`, linear in between."""
    at = rng.random() * _AT[-1]
    upper = next(i for i, edge in enumerate(_AT) if edge >= at) or 1
    low, high = _AT[upper - 1], _AT[upper]
    share = (at - low) / (high - low)
    return values[upper - 1] + share * (values[upper] - values[upper - 1])


def _agent(rng: random.Random) -> Iterator[Turn]:
    yield Turn(0.5, rng.randint(3000, 9000), _reply(rng))
    for _ in range(rng.randint(1, 4)):
        yield Turn(rng.uniform(1, 8), int(draw_quantile(rng, _NEW_INPUT)), _reply(rng))


def _reply(rng: random.Random) -> int:
    return int(draw_quantile(rng, _OUTPUT))
