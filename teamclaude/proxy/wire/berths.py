"""Who waits for what aboard the ferry, by descriptor."""

from __future__ import annotations

from typing import Any, NamedTuple

from .upstream import Connection

__all__ = ["NO_BERTHS", "Berths"]


class Berths(NamedTuple):
    """The passengers, and the idle connections to the upstream that are looked after."""

    epoll: Any
    aboard: dict[int, Any]
    moored: dict[int, Connection]
    outbox: list[Any]  # who has something to do at the end of this turn


NO_BERTHS = Berths(None, {}, {}, [])
