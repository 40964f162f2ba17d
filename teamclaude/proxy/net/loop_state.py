"""Who waits for what aboard the ferry, by descriptor, and what its epoll is registered for.

Rules that hold in this file:

1. Who registers a descriptor unregisters it, on every way out: landing, an error, a closed socket.
2. A connection to the upstream is registered once and stays so between two requests that the ferry serves.
   Whoever takes it elsewhere calls `release` first: another thread would register it a second time, which
   epoll refuses (EEXIST).
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from .upstream_connection import UpstreamConnection

__all__ = ["LoopState"]


class LoopState:
    """The passengers, and the connections to the upstream that are looked after; of the ferry's thread."""

    def __init__(self, epoll: Any) -> None:
        self.epoll = epoll
        self.tasks: dict[int, Any] = {}
        self.idle_watched: dict[int, UpstreamConnection] = {}
        self.deferred: list[Any] = []  # who has something to do at the end of this turn
        self.batching = False  # this turn sees to more than one event

    def watch(self, connection: UpstreamConnection, events: int) -> None:
        """Be told of what comes on a connection to the upstream; raises OSError."""
        if connection.epoll is self.epoll:
            return
        fd = connection.sock.fileno()
        self.epoll.register(fd, events)
        connection.epoll = self.epoll
        self.idle_watched[fd] = connection

    def unwatch(self, connection: UpstreamConnection) -> None:
        """Be told no more of a connection: another thread goes on with it."""
        is_ours, fd = connection.epoll is self.epoll, connection.sock.fileno()
        connection.epoll = None
        if self.idle_watched.get(fd) is connection:
            del self.idle_watched[fd]
        if is_ours:
            self.unregister(fd)

    def unregister(self, fd: int) -> None:
        """Be told no more of a descriptor; of one that was closed the kernel has let go already."""
        if fd >= 0:
            with suppress(OSError):
                self.epoll.unregister(fd)
