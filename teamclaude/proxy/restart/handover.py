"""The way from one process to the next, and back when that fails.

For the time of the handover itself nobody accepts: what connects waits in the backlog of the kernel, some
milliseconds with a few conversations.  So no request can begin between two states.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Optional, Protocol

from ...errors import NotSupportedError
from ...routing.state_merge import plain_state
from .own_command import OwnCommand
from .successor import Successor

__all__ = ["Accepting", "hand_over"]


class Accepting(Protocol):
    """A listener."""

    socket: socket.socket

    def pause(self) -> None:
        """Stop accepting, keep listening."""

    def start(self) -> None:
        """Accept."""

    def server_close(self) -> None:
        """Stop listening here."""


def hand_over(
    command: Optional[OwnCommand],
    listeners: Sequence[Accepting],
    told: dict[str, Any],
    environment: dict[str, str],
    collect: Callable[[], dict[str, Any]],
    pages: Callable[[], Any],
    switching: AbstractContextManager[Any],
    switch: Callable[[Optional[Successor]], None],
) -> tuple[Successor, dict[str, Any]]:
    """Start the successor, and return it with the state that it serves with.

    `told` and `environment` are more of what it gets, `pages` returns who is signed in.  `switch` is called
    twice within `switching`: with None before the handover, where it may raise, and with the successor once
    that serves.  Raises RestartFailedError, NotSupportedError or what `switch` raises: then everything is as
    before.
    """
    if os.name == "nt":
        raise NotSupportedError("A restart without a gap is not possible on Windows: stop it and start it.")
    if command is None:
        raise NotSupportedError("This server is part of another program, which alone can restart it.")
    successor = Successor(command, [each.socket for each in listeners], told, environment)
    paused: list[Accepting] = []
    try:
        switch(None)
        successor.wait_ready()
        with switching:
            switch(None)
            for each in listeners:
                each.pause()
                paused.append(each)
            state = plain_state(collect())
            successor.serve(state, pages())
            switch(successor)
    except BaseException:
        successor.give_up()
        for each in paused:
            each.start()
        raise
    return successor, state
