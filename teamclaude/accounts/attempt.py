"""One login, from the address that a person opens to the code that comes back.

The browser and the person may bring it, each from a thread of its own; the first that fits counts.
"""

from __future__ import annotations

import queue
import time
from typing import Callable, Optional, Union

from ..errors import TeamClaudeError
from .callback import Callback, from_paste
from .config import OAuthConfig
from .grants import TokenGrant
from .pkce import authorize_url, new_proof
from .tokens import DIRECT, WayOut, exchange_code

__all__ = ["MANUAL_REDIRECT", "LoginAttempt"]

LOOK_UP_S = 0.5
# Shows the code to the person, who pastes it.  Source: Claude Code 2.1.330.
MANUAL_REDIRECT = "https://platform.claude.com/oauth/code/callback"
NOT_A_CODE = "that is not a login code: copy all of it, with the # in its middle, or the whole address"
NOT_OURS = "that code is of another login: paste the one that the address above leads to"
STRAY = "a browser came back from some other login; still waiting for this one"


class LoginAttempt:
    """`say` gets a line for the person, from whichever thread waits."""

    def __init__(self, oauth: OAuthConfig, redirect_uri: str, say: Callable[[str], None]) -> None:
        self._oauth = oauth
        self._redirect_uri = redirect_uri
        self.proof = new_proof()
        self.url = authorize_url(oauth, self.proof, redirect_uri)
        self._say = say
        # What arrived: from the browser, a pasted line, or None when no more lines come.
        self._arrived: queue.SimpleQueue[Union[Callback, str, None]] = queue.SimpleQueue()
        self._said: set[str] = set()  # any web page can send its visitors here, a thousand times

    def bring(self, callback: Callback) -> None:
        """What a browser came back with.  Any thread."""
        self._arrived.put(callback)

    def paste(self, line: str) -> None:
        """What a person typed.  Any thread."""
        self._arrived.put(line)

    def end_of_pastes(self) -> None:
        """Nobody can type any more.  Any thread."""
        self._arrived.put(None)

    def wait(
        self,
        limit_s: float,
        only_pastes: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> str:
        """The code.

        Raises TeamClaudeError when the login was refused, when nothing came within `limit_s` seconds, and
        when pastes are the only way and there are no more.
        """
        deadline = clock() + limit_s
        while True:
            arrival = self._next(deadline, clock, limit_s)
            if arrival is not None:
                code = self._code(arrival)
                if code:
                    return code
            elif only_pastes:
                raise TeamClaudeError("no login code came in; run the command again and paste the code")

    def redeem(self, code: str, way: WayOut = DIRECT) -> TokenGrant:
        """Spend the code.  Raises LoginRefused or TokenEndpointBusy."""
        proof = self.proof
        return exchange_code(self._oauth, code, proof.verifier, self._redirect_uri, proof.state, way=way)

    def _next(
        self, deadline: float, clock: Callable[[], float], limit_s: float
    ) -> Union[Callback, str, None]:
        while True:
            left = deadline - clock()
            if left <= 0:
                raise TeamClaudeError(
                    f"nobody logged in within {limit_s / 60:g} minutes; run teamclaude login again"
                )
            try:
                # Windows does not interrupt a wait for Ctrl-C, and elsewhere one that comes just before the
                # wait begins is not seen until it ends: so it looks up now and then.
                return self._arrived.get(timeout=min(left, LOOK_UP_S))
            except queue.Empty:
                continue

    def _code(self, arrival: Union[Callback, str]) -> Optional[str]:
        if isinstance(arrival, Callback):
            return self._checked(arrival, STRAY)
        if not arrival.strip():
            return None
        callback = from_paste(arrival)
        if callback.code or callback.error:
            return self._checked(callback, NOT_OURS)
        self._say(NOT_A_CODE)
        return None

    def _checked(self, callback: Callback, complaint: str) -> Optional[str]:
        if not self.proof.knows(callback.state):
            if complaint is not STRAY or STRAY not in self._said:
                self._say(complaint)
            self._said.add(complaint)
            return None
        if callback.error:
            raise TeamClaudeError(f"the login was refused: {callback.refusal}; run teamclaude login again")
        return callback.code
