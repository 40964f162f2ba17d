"""Get an account's static credential from a program: a password manager, a keychain.

Rules that hold in this file:

1. There is no shell.  The program is found by its absolute path or on the PATH, and runs in the home
   directory, in a session of its own, with our environment and no descriptor of ours.
2. It ends within LIMIT_SEC and prints at most MAX_OUTPUT_BYTES, or it is killed with its process group.
3. Nothing that it prints gets into a text, a log or a file; its stderr is not even read.
4. A failure leaves the credential that serves.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Optional

from ...errors import ConfigError, TeamClaudeError
from ...programs import find_program, kill_program
from ..config.account_config import program_name
from .credential_output import MAX_OUTPUT_BYTES, parse_credential
from .refresh import RefreshResult, Spend
from .refresh_journal import RefreshJournal
from .token_pair import TokenPair
from .token_store import TokenStore

__all__ = ["CommandRefresher", "run_command"]

LIMIT_SEC = 30.0
POLL_SEC = 0.1
PIECE_BYTES = 16384
# select() knows no descriptor above 1023, and a server with many connections has those.
_Selector: Any = getattr(selectors, "PollSelector", selectors.SelectSelector)


def run_command(
    command: Sequence[str],
    limit_sec: float = LIMIT_SEC,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> bytes:
    """Run the program and return what it printed; raise TeamClaudeError, which names it and what failed."""
    label = f"credentialCommand {program_name(command)}"
    name = os.path.expanduser(command[0])
    program = name if os.path.isabs(name) else find_program(name)
    if program is None:
        raise TeamClaudeError(f"{label} is not on the PATH of the server")
    try:
        child = subprocess.Popen(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=os.path.expanduser("~"),
            start_new_session=sys.platform != "win32",
        )
    except (OSError, ValueError) as error:  # ValueError: a NUL in an argument
        why = getattr(error, "strerror", None) or error
        raise TeamClaudeError(f"{label} can't be run: {why}") from None
    with child:
        try:
            read = _read_at_once if sys.platform == "win32" else _read_until_the_end
            output = read(child, time.monotonic() + limit_sec, is_cancelled)
        except subprocess.TimeoutExpired:
            why = "because the server stops" if is_cancelled() else f"after {limit_sec:g} s"
            raise TeamClaudeError(f"{label} was killed {why}") from None
        finally:
            kill_program(child)
    # One that printed too much was killed for that: it is said of its output.
    if child.returncode and len(output) <= MAX_OUTPUT_BYTES:
        code = child.returncode
        ended = f"exit status {code}" if code > 0 else f"signal {-code}"
        raise TeamClaudeError(f"{label} failed ({ended}); run it in a terminal to see why")
    return output


def _read_until_the_end(
    child: subprocess.Popen[bytes], deadline: float, is_cancelled: Callable[[], bool]
) -> bytes:
    """Return the output, of which one byte more than allowed is enough.

    Programs that it has started may hold its stdout open when it has ended: they are not waited for.
    """
    assert child.stdout is not None
    stdout, output, ended = child.stdout.fileno(), b"", False
    os.set_blocking(stdout, False)
    with _Selector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while len(output) <= MAX_OUTPUT_BYTES:
            if time.monotonic() > deadline or is_cancelled():
                raise subprocess.TimeoutExpired("", 0)
            ended = child.poll() is not None
            if not selector.get_map():  # it has closed its stdout
                if ended:
                    break
                time.sleep(POLL_SEC / 5)
            elif selector.select(0 if ended else POLL_SEC):
                with contextlib.suppress(BlockingIOError):
                    piece = os.read(stdout, PIECE_BYTES)
                    output += piece
                    if not piece:
                        selector.unregister(stdout)
            elif ended:
                break
    return output


def _read_at_once(child: subprocess.Popen[bytes], deadline: float, is_cancelled: Callable[[], bool]) -> bytes:
    """Do the same where pipes can't be waited for."""
    return child.communicate(timeout=max(0.0, deadline - time.monotonic()))[0]


class _CommandStore:
    """The TokenStore whose content is what the program prints; nothing is ever written to it."""

    def __init__(self, command: Sequence[str], kind: str, is_cancelled: Callable[[], bool]) -> None:
        self._command = command
        self._kind = kind
        self._is_cancelled = is_cancelled

    def exclude_other_programs(self) -> AbstractContextManager[Any]:
        """Return an empty context."""
        return nullcontext()

    def changed(self) -> bool:
        """Return False: only running it would tell."""
        return False

    def read(self, held: Optional[TokenPair] = None) -> TokenPair:
        """Run the program and return its credential; raise TeamClaudeError."""
        output = run_command(self._command, is_cancelled=self._is_cancelled)
        try:
            return parse_credential(output, self._kind)
        except TeamClaudeError as error:
            raise TeamClaudeError(
                f"credentialCommand {program_name(self._command)}: what it printed {error}"
            ) from None

    def write(self, spent: Optional[str], pair: TokenPair) -> TokenPair:
        """Raise ConfigError: a credential from a program is never stored."""
        raise ConfigError("a credential from a program is never stored")


class CommandRefresher:
    """The credential that a program prints (a TokenRefresher).

    `ttl_sec`: how long until it is run again; 0: until the credential's own end, or its refusal.
    """

    spends = False
    ahead = True
    remedy = "see to what its credentialCommand prints"

    def __init__(
        self,
        command: Sequence[str],
        kind: str,
        ttl_sec: float,
        clock: Callable[[], float],
        is_cancelled: Callable[[], bool] = lambda: False,
    ) -> None:
        self._command = command
        self._ttl_sec = ttl_sec
        self._clock = clock
        self.store: TokenStore = _CommandStore(command, kind, is_cancelled)

    def refresh(
        self, spend: Spend, rejected_token: Optional[str] = None, held: Optional[TokenPair] = None
    ) -> RefreshResult:
        """Return what the program prints; raise TeamClaudeError if that is refused or at its end."""
        pair, label = self.store.read(), f"credentialCommand {program_name(self._command)}"
        if rejected_token is not None and pair.access_token == rejected_token:
            raise TeamClaudeError(f"{label} prints the credential that the API refuses; renew it there")
        now = self._clock()
        if pair.expires_at is not None and pair.expires_at <= now:
            raise TeamClaudeError(f"{label} prints a credential that has expired; renew it there")
        return RefreshResult(pair._replace(ask_again_at=now + self._ttl_sec if self._ttl_sec else None))

    def journal(self, token: str) -> Optional[RefreshJournal]:
        """Return None: nothing is spent here."""
        return None
