"""The process that this one takes over from, as the new one sees it: the other end of successor.py."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, MutableMapping
from contextlib import suppress
from typing import Any, Optional

from ...errors import RestartFailedError
from .channel import STDERR, TAKEOVER, Channel, ChannelClosedError, ChannelSilentError

__all__ = ["Predecessor"]

HANDOVER_SEC = 60.0  # from `ready` until the state comes


class Predecessor:
    """What was inherited: `listening` sockets, and the channel."""

    def __init__(self, channel: Channel, listening: list[socket.socket], told: dict[str, Any]) -> None:
        self.listening = listening
        self.told = told
        self.pages: Any = None  # who is signed in there, once it has handed over
        self._channel = channel
        self._stderr = told.get("stderrFd")

    @classmethod
    def from_environment(cls, env: MutableMapping[str, str]) -> Optional[Predecessor]:
        """Return the predecessor that `env` tells of, and remove it there; None when there is none."""
        text = env.pop(TAKEOVER, None)
        if text is None:
            return None
        with suppress(ValueError, TypeError, KeyError, OSError):
            told = json.loads(text)
            listening = [_inherited(number) for number in told["listening"]]
            with suppress(OSError, TypeError):
                os.set_inheritable(told["stderrFd"], False)
            return cls(Channel(_inherited(told["channelFd"])), listening, told)
        return None

    def sockets_for(self, host: str, port: int) -> list[socket.socket]:
        """Return the sockets with which a server for this host and port goes on; close the others.

        These are all with the settings of the predecessor, or where a service manager has opened them.
        """
        given, self.listening = self.listening, []
        if self.told.get("managed") or (self.told.get("host"), self.told.get("port")) == (host, port):
            return given
        names = ("127.0.0.1", "::1") if host == "localhost" else (host.strip("[]"),)
        kept = [sock for sock in given if sock.getsockname()[0] in names and sock.getsockname()[1] == port]
        for sock in given:
            if sock not in kept:
                sock.close()
        return kept

    def take_over(self, version: str) -> Optional[dict[str, Any]]:
        """Say that this process could serve; return the state once it is to serve.

        None: the predecessor has ended meanwhile, and the state file has what is known.  Raises
        RestartFailedError when it goes on by itself.
        """
        try:
            self._channel.send({"type": "ready", "version": version, "pid": os.getpid()})
            while True:
                message = self._channel.receive(HANDOVER_SEC)
                if message.get("type") == "given up":
                    raise RestartFailedError("the server that was to be replaced goes on")
                if message.get("type") == "serve":
                    self.pages = message.get("pages")
                    state = message.get("state")
                    return state if isinstance(state, dict) else {}
        except ChannelSilentError:
            raise RestartFailedError("the server that was to be replaced does not hand over") from None
        except ChannelClosedError:
            return None

    def serving(self) -> None:
        """Say that this process accepts connections; from now on its stderr is that of the predecessor."""
        if isinstance(self._stderr, int):
            with suppress(OSError):
                os.dup2(self._stderr, STDERR)
                os.close(self._stderr)
        self._stderr = None
        self.tell({"type": "serving"})

    def follow(self, on_message: Callable[[dict[str, Any]], None], on_end: Callable[[], None]) -> None:
        """Call `on_message` with each message, and `on_end` when there is no more."""

        def end() -> None:
            self._channel.close()
            on_end()

        self._channel.follow("predecessor", on_message, end)

    def tell(self, message: dict[str, Any]) -> None:
        """Send it a message, unless it has ended."""
        with suppress(ChannelClosedError):
            self._channel.send(message)


def _inherited(descriptor: int) -> socket.socket:
    sock = socket.socket(fileno=descriptor)
    sock.set_inheritable(False)
    return sock
