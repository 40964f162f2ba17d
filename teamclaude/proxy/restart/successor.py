"""The next process, as the running server sees it: started, ready, serving; and what is told to it later.

1. The successor gets the listening sockets and one end of a channel.  It loads everything, and says `ready`.
2. Nobody accepts now, and connections wait in the backlog.  It gets the state, begins to accept, and says
   `serving`.
3. Until then it can be given up for any reason, and the running server accepts again.
4. Until it serves its stderr is a file: if it fails, what it said there is the reason.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any, Optional

from ...errors import RestartFailedError
from .channel import STDERR, TAKEOVER, Channel, ChannelClosedError, ChannelSilentError
from .own_command import OwnCommand

if TYPE_CHECKING:
    import subprocess

__all__ = ["Successor", "first_reason"]

READY_SEC = 30.0  # from the start until it says `ready`; an idle machine needs 0.2
SERVING_SEC = 15.0  # from the state until it says `serving`
KILL_SEC = 2.0
MAX_REASON_CHARS = 300
MAX_STDERR_BYTES = 65536


class Successor:
    """One attempt to start a successor; every method may raise RestartFailedError, `tell` never."""

    def __init__(
        self,
        command: OwnCommand,
        listening: Sequence[socket.socket],
        more: Optional[dict[str, Any]] = None,
        environment: Optional[dict[str, str]] = None,
    ) -> None:
        """Start it.  `more` is told with the descriptors; each of its values named `...Fd` is one, too."""
        import subprocess  # an idle server has no need of these two
        import tempfile

        ours, theirs = socket.socketpair()
        self.version = ""
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - open until `let_go`
        kept_stderr = _duplicate(STDERR)
        told = {
            "channelFd": theirs.fileno(),
            "stderrFd": kept_stderr,
            "listening": [sock.fileno() for sock in listening],
            **(more or {}),
        }
        passed = [number for name, number in told.items() if name.endswith("Fd") and number is not None]
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                command.words,
                cwd=command.directory,
                env={**command.environment, **(environment or {}), TAKEOVER: json.dumps(told)},
                stderr=self._stderr,
                pass_fds=[*passed, *told["listening"]],
            )
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            ours.close()
            self._stderr.close()
            reason = getattr(error, "strerror", None) or error
            raise RestartFailedError(f"{command.words[0]} can't be started: {reason}") from error
        finally:
            theirs.close()
            if kept_stderr is not None:
                os.close(kept_stderr)
        self._channel = Channel(ours)
        self._is_let_go = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def wait_ready(self, timeout: float = READY_SEC) -> None:
        """Wait until it has loaded everything and could serve."""
        self.version = str(self._wait("ready", timeout).get("version", ""))

    def serve(self, state: dict[str, Any], pages: Any = None, timeout: float = SERVING_SEC) -> None:
        """Give it the state and the signed-in pages, and wait until it accepts connections."""
        try:
            self._channel.send({"type": "serve", "state": state, "pages": pages})
        except ChannelClosedError:
            raise self._failure() from None
        self._wait("serving", timeout)

    def _wait(self, type: str, timeout: float) -> dict[str, Any]:
        try:
            while True:
                message = self._channel.receive(timeout)
                if message.get("type") == type:
                    return message
        except ChannelSilentError:
            raise RestartFailedError(f"the new program did not begin to serve within {timeout:g} s") from None
        except ChannelClosedError:
            raise self._failure() from None

    def _failure(self) -> RestartFailedError:
        self._ends()
        status = self._process.returncode
        how = f"it ended with status {status}" if status is not None else "it does not take the sockets over"
        return RestartFailedError(first_reason(self.said()) or f"the new program failed: {how}")

    def said(self) -> str:
        """Return what it has written to stderr so far."""
        with suppress(OSError, ValueError):
            self._stderr.seek(0)
            return self._stderr.read(MAX_STDERR_BYTES).decode("utf-8", "replace")
        return ""

    def give_up(self) -> None:
        """End it: the running server goes on."""
        self.tell({"type": "given up"})
        self._channel.close()
        for end in (self._process.terminate, self._process.kill):
            with suppress(OSError):
                end()
            if self._ends():
                break
        self._stderr.close()

    def _ends(self) -> bool:
        """Wait for its end; return whether it came."""
        import subprocess

        with suppress(subprocess.TimeoutExpired):
            self._process.wait(KILL_SEC)
        return self._process.returncode is not None

    # --- once it serves -------------------------------------------------------------------------

    def tell(self, message: dict[str, Any]) -> bool:
        """Send it a message; False when it has ended."""
        try:
            self._channel.send(message)
        except ChannelClosedError:
            return False
        return True

    def follow(self, on_over: Callable[[Optional[float]], None]) -> None:
        """Call `on_over` when the server ends, with the seconds that it has left (None: as configured).

        It says so, or it has ended without having handed over to another one.
        """
        handed_over = False

        def take(message: dict[str, Any]) -> None:
            nonlocal handed_over
            if message.get("type") == "stopping":
                seconds = message.get("sec")
                on_over(seconds if isinstance(seconds, (int, float)) else None)
            handed_over = handed_over or message.get("type") == "handed over"

        def end() -> None:
            if not handed_over and not self._is_let_go:
                on_over(None)

        self._channel.follow("successor", take, end)

    def let_go(self) -> None:
        """Close what connects the two; it lives on."""
        self._is_let_go = True
        self._channel.close()
        self._stderr.close()

    def status(self) -> Optional[int]:
        """Return how it ended, None while it runs."""
        return self._process.poll()


def first_reason(said: str, valid: Callable[[str], bool] = str.strip) -> str:  # type: ignore[assignment]
    """Return the line of a program's stderr that says why it failed: of a traceback that is the last one."""
    lines = [line.strip() for line in said.splitlines() if valid(line)]
    if not lines:
        return ""
    places = [
        place for place, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")
    ]
    own = next((line for line in lines if line.startswith("teamclaude: ")), None)
    line = own if own is not None else lines[-1] if places or "Error" in lines[-1] else lines[0]
    text = "".join(char if char.isprintable() else " " for char in line.removeprefix("teamclaude: "))
    return text[:MAX_REASON_CHARS]


def _duplicate(descriptor: int) -> Optional[int]:
    try:
        return os.dup(descriptor)
    except OSError:
        return None
