"""The port that HAProxy's agent-check asks: whoever connects gets one line and the end.

Rules that hold in this file:

1. One thread serves all.  It reads nothing and waits for nobody: a line always fits into a new connection.
2. The line is made at most every LOOK_SEC, however many ask.
3. A port that is in use is tried again: during a restart the process before has it until the hand-over.  No
   start fails for it, and a balancer that can't connect meanwhile keeps what it knows.
"""

from __future__ import annotations

import errno
import selectors
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Optional

from ...errors import ConfigError
from ...snapshot import CapacityView
from ...threads import start_with_retry
from .agent_line import agent_line

__all__ = ["AgentCheck", "start_agent"]

LOOK_SEC = 0.5
RETRY_SEC = 1.0  # between two attempts to listen
# After a restart, until the process before lets the port go: a balancer asks once or twice a second.
FIRST_ATTEMPTS, FIRST_RETRY_SEC = 40, 0.05
WARN_AFTER = 30  # attempts that follow
NO_DESCRIPTOR_PAUSE_SEC = 0.1


class AgentCheck:
    """Answer on `port` of each address with the line that `ask` returns; `warn` gets one if it can't."""

    def __init__(
        self,
        hosts: Sequence[str],
        port: int,
        ask: Callable[[], str],
        warn: Callable[[str], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.port = port  # 0 until it listens, if any free one is wanted
        self._hosts = hosts
        self._ask = ask
        self._warn = warn
        self._monotonic = monotonic
        self._known: Optional[tuple[float, str]] = None
        self._listening: list[socket.socket] = []
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="agent-check", daemon=True)

    def start(self) -> None:
        """Listen, now or as soon as the port is free; raise ConfigError for a port that can't be had."""
        self._listen()
        if not start_with_retry(self._thread):
            self._warn("proxy.agentPort is not answered: no thread can be started (ulimit -u)")

    def close(self) -> None:
        """Answer nobody any more, and leave the port to others; may be called again."""
        self._closing = True
        with suppress(OSError):
            self._wake_writer.send(b"x")
        if self._thread.ident is not None:
            self._thread.join(1.0)
        self._let_go()
        self._wake_reader.close()
        self._wake_writer.close()

    def _listen(self) -> bool:
        """Listen on all addresses; return False when the port is in use."""
        try:
            for host in self._hosts:
                self._listening.append(_listening_socket(host, self.port))
                self.port = self._listening[0].getsockname()[1]
        except OSError as error:
            self._let_go()
            if error.errno == errno.EADDRINUSE:
                return False
            reason = error.strerror or error
            raise ConfigError(f"proxy.agentPort: can't listen on port {self.port}: {reason}") from error
        return True

    def _let_go(self) -> None:
        listening, self._listening = self._listening, []
        for sock in listening:
            sock.close()

    def _run(self) -> None:
        attempts = 0
        while not self._closing and not self._listening:
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake_reader, selectors.EVENT_READ)
                selector.select(FIRST_RETRY_SEC if attempts < FIRST_ATTEMPTS else RETRY_SEC)
            with suppress(ConfigError):
                self._listen()
            attempts += 1
            if attempts == FIRST_ATTEMPTS + WARN_AFTER and not self._listening:
                self._warn(f"proxy.agentPort: port {self.port} is in use; it is tried again every second")
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_reader, selectors.EVENT_READ)
            for sock in self._listening:
                selector.register(sock, selectors.EVENT_READ)
            while not self._closing:
                ready = {key.fd for key, _ in selector.select()}
                for sock in self._listening:
                    if sock.fileno() in ready:
                        self._serve(sock)

    def _serve(self, listening: socket.socket) -> None:
        """Answer who has connected."""
        try:
            connection, _ = listening.accept()
        except BlockingIOError:  # it has left again
            return
        except OSError:
            time.sleep(NO_DESCRIPTOR_PAUSE_SEC)  # without a descriptor this would be a busy loop
            return
        with connection, suppress(OSError):
            connection.setblocking(False)
            connection.send(self._line().encode("ascii") + b"\n")
            connection.shutdown(socket.SHUT_WR)

    def _line(self) -> str:
        now, known = self._monotonic(), self._known
        if known is None or not 0 <= now - known[0] < LOOK_SEC:
            known = self._known = (now, self._ask())
        return known[1]


def _listening_socket(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(sys.platform != "win32"))
        sock.bind((host, port))
        sock.listen()
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def start_agent(
    hosts: Sequence[str],
    port: int,
    look: Callable[[], tuple[CapacityView, str]],
    warn: Callable[[str], None],
    monotonic: Callable[[], float],
) -> AgentCheck:
    """Start answering with what `look` returns: the capacity, and the phase of the server's end."""
    started = monotonic()

    def ask() -> str:
        return agent_line(*look(), monotonic() - started)

    agent = AgentCheck(hosts, port, ask, warn)
    agent.start()
    return agent
