"""What HAProxy is told of this server by its agent-check: one line, as `up 40%`.

Source: HAProxy's configuration manual, agent-check.

1. The weight is the room of the pool: 10 % for each conversation that can be started, at most 100 %.  It is
   never 0 %: a server without room holds requests, and when all are without it, all must stay in the game.
2. `drain` is said as soon as the server is about to stop.  HAProxy keeps that until it is told `ready`, also
   over a restart of the server; so a server says `ready` at its beginning.
3. Later it does not: that would undo a drain or a maintenance that somebody ordered at the balancer.
"""

from __future__ import annotations

from ...snapshot import CapacityView
from ..lifecycle.ending import ANNOUNCED, DRAINING

__all__ = ["READY_SEC", "agent_line"]

PERCENT_EACH = 10
READY_SEC = 300.0  # a balancer that asks more seldom than that is none


def agent_line(capacity: CapacityView, phase: str, up_sec: float) -> str:
    """Return the line without its end; `phase` is the server's (ending.py), `up_sec` since its start."""
    if phase in (ANNOUNCED, DRAINING):
        return "drain"
    words = "up ready" if up_sec < READY_SEC else "up"
    return f"{words} {max(1, min(100, PERCENT_EACH * (capacity.headroom or 0)))}%"
