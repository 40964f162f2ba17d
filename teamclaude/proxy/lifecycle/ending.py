"""The phases of a server's end, and until when one lasts."""

from __future__ import annotations

from typing import Optional

from ...values import NamedTuple

__all__ = ["ANNOUNCED", "DRAINING", "HANDED_OVER", "SERVING", "Ending"]

SERVING = ""
ANNOUNCED = "announced"  # everything is taken, but load balancers are told to go elsewhere
DRAINING = "draining"  # what runs may finish, nothing new is taken
HANDED_OVER = "handed over"  # another process takes the connections, what runs or waits here may finish


class Ending(NamedTuple):
    """A phase, and until when it lasts at most (monotonic; None: no limit is known)."""

    phase: str = SERVING
    until: Optional[float] = None
