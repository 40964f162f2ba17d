"""Who waits for what aboard the ferry, by descriptor."""

from __future__ import annotations

from typing import Any

from .upstream import Connection

__all__ = ["Berths"]


class Berths:
    """The passengers, and the idle connections to the upstream that are looked after."""

    def __init__(self, epoll: Any) -> None:
        self.epoll = epoll
        self.aboard: dict[int, Any] = {}
        self.moored: dict[int, Connection] = {}
        self.outbox: list[Any] = []  # who has something to do at the end of this turn
        self.crowded = False  # this turn sees to more than one event
